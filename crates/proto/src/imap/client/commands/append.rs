//! APPEND (RFC 9051 §6.3.12).

use pillarbox_policy::SecretBytes;

use super::{
    Client, Command, CommandText, Done, Event, MailboxName, NotNow, Outcome, ResponseCode, Sealed,
    Session, State, Violation,
};
use crate::imap::grammar::DateTime;
use crate::machine::{MAX_OUTPUT, Step};

/// Why a piece of a message to be appended was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The server has not asked for it: wait for [`Event::AppendWants`].
    #[error("the server has not asked for the message")]
    NotAsked,
    /// It is longer than what was announced or asked for. Nothing of it was taken.
    #[error("more octets than announced")]
    TooMuch,
}

/// An APPEND under way.
pub(in crate::imap::client) struct Append {
    left: u64,
    stage: Stage,
}

enum Stage {
    /// The server has not allowed it.
    Waiting,
    /// The next piece is to be asked for.
    Sending,
    /// The session was asked for this many octets.
    Asked(usize),
    /// All was given.
    Sent,
}

impl Client<Sealed> {
    /// APPEND of a message of `octets` octets. At every [`Event::AppendWants`] give a piece with
    /// [`Client::append_data`]; ends in [`Done::Appended`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn append(
        &mut self,
        mailbox: &MailboxName,
        flags: &[&str],
        internal_date: Option<DateTime>,
        octets: u64,
    ) -> Result<(), NotNow> {
        let mut text = CommandText::new("APPEND ");
        text.mailbox(mailbox)?;
        text.text(" ");
        text.flags(flags)?;
        if let Some(date) = internal_date {
            text.text(&format!(" {date}"));
        }
        text.text(&format!(" {{{octets}}}"));
        let append = Append {
            left: octets,
            stage: Stage::Waiting,
        };
        self.begin(Session::Authenticated, text, append)
    }

    /// The next piece of the message being appended: at most what [`Event::AppendWants`] asked for.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub fn append_data(&mut self, piece: &[u8]) -> Result<(), AppendError> {
        let append = self.state.under_way::<Append>();
        let append = append.ok_or(AppendError::NotAsked)?;
        let Stage::Asked(most) = append.stage else {
            return Err(AppendError::NotAsked);
        };
        if piece.len() > most {
            return Err(AppendError::TooMuch);
        }
        if piece.is_empty() {
            return Ok(());
        }
        append.left = append.left.saturating_sub(piece.len() as u64);
        let is_last = append.left == 0;
        append.stage = if is_last { Stage::Sent } else { Stage::Sending };
        self.state.out.extend_from_slice(piece);
        if is_last {
            self.state.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

impl Append {
    /// While a message is being appended nothing is read, and the session is asked for one piece after the other.
    pub(in crate::imap::client) fn step(&mut self) -> Option<Step<Event, Violation>> {
        match self.stage {
            Stage::Waiting | Stage::Sent => None,
            Stage::Asked(_) => Some(Step::NeedReply),
            Stage::Sending => {
                let wants =
                    usize::try_from(self.left).map_or(MAX_OUTPUT, |left| left.min(MAX_OUTPUT));
                self.stage = Stage::Asked(wants);
                Some(Step::Event(Event::AppendWants(wants)))
            }
        }
    }
}

impl Command for Append {
    fn continued(&mut self, _: &[u8], out: &mut SecretBytes) -> Outcome {
        self.stage = match (&self.stage, self.left) {
            (Stage::Waiting, 0) => {
                out.extend_from_slice(b"\r\n");
                Stage::Sent
            }
            (Stage::Waiting, _) => Stage::Sending,
            _ => return Err(Violation::UnexpectedContinuation),
        };
        Ok(None)
    }

    fn succeeded(self: Box<Self>, code: Option<ResponseCode>, _: &mut State) -> Outcome {
        Ok(Some(Event::Done(Done::Appended(match code {
            Some(ResponseCode::AppendUid(uid)) => Some(uid),
            _ => None,
        }))))
    }
}
