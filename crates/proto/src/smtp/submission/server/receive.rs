//! Reading content: DATA and BDAT, piece by piece, to its end whatever becomes of it.

use super::state::{Await, Disposition, State, Submission};
use super::{Request, Violation};
use crate::dots::DotDecoder;
use crate::machine::MAX_OUTPUT;
use crate::server::protocol::{Progress, Protocol};
use crate::smtp::command::{Bdat, Place};
use crate::smtp::content::{Checker, Fault};
use crate::smtp::replies::{self, Reply};

/// The longest piece of content in one event; the decoder may add what it held back.
const PIECE: usize = MAX_OUTPUT - 2;

impl Submission {
    pub(super) fn start_data(&mut self) {
        self.shared.say("354 End data with <CRLF>.<CRLF>");
        self.state = State::Data {
            decoder: DotDecoder::default(),
            checker: Checker::default(),
            disposition: Disposition::Keep,
        };
    }

    pub(super) fn start_chunk(&mut self, chunk: Bdat) {
        self.state = State::Chunk {
            left: chunk.size,
            chunk,
            disposition: Disposition::Keep,
        };
    }

    pub(super) fn receive_data(&mut self) -> Progress {
        let State::Data {
            decoder,
            checker,
            disposition,
        } = &mut self.state
        else {
            return Progress::Done;
        };
        let held = self.shared.lines.as_bytes();
        if held.is_empty() {
            return Progress::NeedInput;
        }
        let mut piece = Vec::with_capacity(held.len().min(MAX_OUTPUT));
        let used = decoder.decode(held.get(..PIECE).unwrap_or(held), &mut piece);
        checker.push(&piece);
        let ended = decoder.ended();
        let limit = self.config.limits.message;
        let octets = checker.octets();
        let keep = *disposition == Disposition::Keep && octets <= limit && !piece.is_empty();
        let end = match (*disposition, checker.finish(limit)) {
            (Disposition::Keep, Err(fault)) => Disposition::Discard(refusal(fault)),
            (disposition, _) => disposition,
        };
        self.shared.lines.consume(used);
        // Before the end is looked at, so that it does not matter how the content was cut into pieces.
        if octets > limit.saturating_mul(2) {
            self.give_up(Violation::TooMuchContent);
            return Progress::Done;
        }
        if ended {
            self.state = State::Complete { disposition: end };
        }
        if keep {
            self.shared.ask(Request::Content(piece));
        }
        Progress::Done
    }

    pub(super) fn receive_chunk(&mut self) -> Progress {
        let State::Chunk {
            left,
            chunk,
            disposition,
        } = &mut self.state
        else {
            return Progress::Done;
        };
        let (chunk, disposition) = (*chunk, *disposition);
        if *left == 0 {
            self.chunk_ended(chunk, disposition);
            return Progress::Done;
        }
        let held = self.shared.lines.as_bytes();
        if held.is_empty() {
            return Progress::NeedInput;
        }
        let length = usize::try_from(*left).map_or(PIECE, |left| left.min(PIECE));
        let piece = held.get(..length).unwrap_or(held).to_vec();
        *left -= piece.len() as u64;
        self.shared.lines.consume(piece.len());
        if disposition != Disposition::Keep {
            return Progress::Done;
        }
        if let Some(chunks) = self
            .transaction
            .as_mut()
            .and_then(|transaction| transaction.chunks.as_mut())
        {
            chunks.push(&piece);
        }
        self.shared.ask(Request::Content(piece));
        Progress::Done
    }

    fn chunk_ended(&mut self, chunk: Bdat, disposition: Disposition) {
        let limit = self.config.limits.message;
        let chunks = self
            .transaction
            .as_ref()
            .and_then(|transaction| transaction.chunks.as_ref());
        let disposition = match (
            disposition,
            chunk.place,
            chunks.map(|chunks| chunks.finish(limit)),
        ) {
            (Disposition::Keep, Place::Inner, _) => return self.say(replies::CHUNK_OK),
            (Disposition::Keep, Place::Last, Some(Err(fault))) => {
                Disposition::Discard(refusal(fault))
            }
            (disposition, _, _) => disposition,
        };
        self.state = State::Complete { disposition };
    }

    /// All content came.
    pub(super) fn complete(&mut self, disposition: Disposition) {
        match disposition {
            Disposition::Keep => self.ask(Await::End, Request::ContentEnds),
            Disposition::Discard(reply) => {
                self.say(reply);
                self.abandon();
            }
        }
    }
}

fn refusal(fault: Fault) -> Reply {
    match fault {
        Fault::BareLineEnd => replies::BARE_LINE_ENDS,
        Fault::TooLarge => replies::TOO_LARGE,
    }
}
