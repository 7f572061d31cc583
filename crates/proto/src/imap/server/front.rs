//! [`Front`]: what both machines share: tags, framing, refusals and the end of a session.

use pillarbox_policy::SecretBytes;

use crate::http;
use crate::imap::framing::{Frame, FrameError, Framer, LiteralHeader, LiteralKind};
use crate::imap::grammar::Cursor;
use crate::session_limits::SessionCounts;
use crate::{Step, Violation};

use super::Limits;
use super::command::Naming;
use super::commands::{self, Entry};
use super::reply::{Completion, Refusal};
use super::state::{Phase, State};

/// The longest tag that is read. Clients use a handful of octets; it is echoed, also before login.
const LONGEST_TAG: usize = 64;

/// What the client has sent.
pub(super) enum Input {
    /// The next of its frames.
    Frame(Frame),
    /// A line or command over the limit, which was refused: the command under way is over.
    TooLong,
}

/// One end of the conversation, without what its commands mean.
pub(super) struct Front {
    pub(super) framer: Framer,
    pub(super) state: State,
    /// A frame that was looked at and not used.
    unused: Option<Frame>,
    /// The largest unwanted literal that is read past, in octets.
    skip: u64,
    /// Literals nobody wants are read past, up to the end of the line, which is answered with this.
    refusing: Option<Refusal>,
    counts: SessionCounts,
    over: Option<Result<(), Violation>>,
}

impl Front {
    pub(super) fn new(phase: Phase, limits: Limits, skip: u64) -> Self {
        Self {
            framer: Framer::new(limits.before_login),
            state: State::new(phase, limits),
            unused: None,
            skip,
            refusing: None,
            counts: SessionCounts::new(limits.session),
            over: None,
        }
    }

    /// The same connection with other commands.
    pub(super) fn continue_as(mut self, phase: Phase, skip: u64) -> Self {
        self.state.phase = phase;
        self.skip = skip;
        self
    }

    /// What was looked at and not used comes again.
    pub(super) fn put_back(&mut self, frame: Frame) {
        self.unused = Some(frame);
    }

    pub(super) fn greet(&mut self) {
        let list = commands::capabilities(&self.state);
        let greeting = format!("OK [CAPABILITY {list}] Pillarbox");
        self.state.responses.untagged(&greeting);
    }

    /// Answers CAPABILITY.
    pub(super) fn capability(&mut self) {
        let list = commands::capabilities(&self.state);
        self.state.responses.untagged(&format!("CAPABILITY {list}"));
        self.complete(&Completion::DONE);
    }

    /// What to do, where it is not to read what the client says.
    pub(super) fn poll<E>(
        &mut self,
        event: &mut Option<E>,
        needs_reply: bool,
    ) -> Result<Input, Step<E, Violation>> {
        loop {
            if let Some(piece) = self.state.responses.output().next_piece() {
                return Err(Step::Output(piece));
            }
            if let Some(event) = event.take() {
                return Err(Step::Event(event));
            }
            match self.over {
                Some(Ok(())) => return Err(Step::Close),
                Some(Err(violation)) => return Err(Step::Err(violation)),
                None if needs_reply => return Err(Step::NeedReply),
                None => {}
            }
            let frame = match self.unused.take() {
                Some(frame) => Ok(Some(frame)),
                None => self.framer.next_frame(),
            };
            match (frame, self.refusing.take()) {
                (Ok(None), refusing) => {
                    self.refusing = refusing;
                    return Err(Step::NeedInput);
                }
                (Ok(Some(Frame::End)), Some(refusal)) => {
                    self.framer.take_text();
                    self.turn_down(&refusal);
                }
                (Ok(Some(Frame::Literal(header))), Some(refusal)) => {
                    self.refuse_literal(header, refusal);
                }
                (Ok(Some(_)), Some(refusal)) => self.refusing = Some(refusal),
                (Ok(Some(frame)), None) => return Ok(Input::Frame(frame)),
                (Err(FrameError::Line(line)), _) if line.is_fatal() => {
                    self.end(Violation::Line(line), "That is no line");
                }
                (Err(_), _) => {
                    self.framer.take_text();
                    return Ok(Input::TooLong);
                }
            }
        }
    }

    /// The text so far of the command that begins, with its literals.
    pub(super) fn text(&self) -> SecretBytes {
        SecretBytes::from(self.framer.text())
    }

    /// Reads tag and name of the command that begins.
    pub(super) fn head(
        &mut self,
        cursor: &mut Cursor<'_>,
    ) -> Result<(&'static Entry, Naming), Refusal> {
        let responses = &mut self.state.responses;
        responses.begin(None);
        let tag = cursor.tag()?;
        if tag.len() > LONGEST_TAG {
            return Err(cursor.error("a shorter tag").into());
        }
        responses.begin(Some(tag));
        cursor.space()?;
        let (entry, naming) = commands::find(cursor)?;
        responses.set_name(entry.name);
        Ok((entry, naming))
    }

    /// The same, of a command that may come now.
    pub(super) fn allowed_head(
        &mut self,
        cursor: &mut Cursor<'_>,
    ) -> Result<(&'static Entry, Naming), Refusal> {
        let (entry, naming) = self.head(cursor)?;
        entry.when.check(self.state.phase)?;
        Ok((entry, naming))
    }

    /// Ends the command under way as it should.
    pub(super) fn complete(&mut self, completion: &Completion) {
        self.state.responses.complete(completion);
        match self.state.phase {
            // The mailbox could not be opened.
            Phase::Opening(_) => self.state.phase = Phase::Authenticated,
            Phase::Logout => self.over = Some(Ok(())),
            _ => {}
        }
    }

    /// Ends a command that is not carried out.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        match refusal {
            Refusal::Syntax(_) | Refusal::Answer(Completion::Bad(_)) => self.turn_down(refusal),
            Refusal::Answer(completion) => self.complete(completion),
        }
    }

    /// Ends a command that is not carried out, and counts it.
    pub(super) fn turn_down(&mut self, refusal: &Refusal) {
        self.state.responses.refuse(refusal);
        self.count_bad();
    }

    /// Turns down a line that is too long to be looked at, so that its tag is not known.
    pub(super) fn turn_down_too_long(&mut self) {
        self.state.responses.begin(None);
        self.turn_down(&Refusal::Answer(Completion::Bad("The line is too long")));
    }

    /// Turns down a command of which this frame was looked at.
    pub(super) fn turn_down_frame(&mut self, frame: Frame, refusal: Refusal) {
        match frame {
            Frame::Literal(header) => self.refuse_literal(header, refusal),
            _ => {
                self.framer.take_text();
                self.turn_down(&refusal);
            }
        }
    }

    /// Answers a command with a literal that is not wanted: at once where the client waits for leave to
    /// send it, else after reading past it.
    pub(super) fn refuse_literal(&mut self, header: LiteralHeader, refusal: Refusal) {
        match header.kind {
            LiteralKind::Synchronizing => {
                self.framer.refuse();
                self.turn_down(&refusal);
            }
            LiteralKind::NonSynchronizing if header.size <= self.skip => {
                self.framer.skip();
                self.refusing = Some(refusal);
            }
            LiteralKind::NonSynchronizing => {
                self.state.responses.refuse(&refusal);
                self.end(Violation::Literal(header.size), "Too much at once");
            }
        }
    }

    /// What is left of the literal that streams is read past, and then this is the answer.
    pub(super) fn refuse_rest(&mut self, refusal: Refusal) {
        self.framer.skip_rest();
        self.refusing = Some(refusal);
    }

    /// Counts a command that did nothing.
    pub(super) fn count_bad(&mut self) {
        if let Err(violation) = self.counts.bad() {
            self.end(violation, "Too many bad commands");
        }
    }

    /// Counts an attempt to log in that did not succeed.
    pub(super) fn count_failed_login(&mut self) {
        if let Err(violation) = self.counts.failed_login() {
            self.end(violation, "Too many failed logins");
        }
    }

    /// Takes note of a command; `false` where the session is over because of it.
    pub(super) fn take_command(&mut self, text: &[u8]) -> bool {
        let before_login = matches!(self.state.phase, Phase::Clear(..) | Phase::BeforeLogin);
        if before_login && http::is_request(text) {
            // Nothing is answered that could help whoever sent a browser here (S6).
            self.over = Some(Err(Violation::Http));
        } else if let Err(violation) = self.counts.command() {
            self.end(violation, "Too many commands without a login");
        }
        self.over.is_none()
    }

    /// Somebody has logged in.
    pub(super) fn logged_in(&mut self) {
        self.counts.logged_in();
        self.set_phase(Phase::Authenticated);
    }

    /// The session has come to another phase: other limits hold.
    pub(super) fn set_phase(&mut self, phase: Phase) {
        if phase == Phase::BeforeLogin {
            self.counts.logged_out();
        }
        self.state.phase = phase;
        self.framer.set_limits(match phase {
            Phase::Clear(..) | Phase::BeforeLogin => self.state.limits.before_login,
            _ => self.state.limits.after_login,
        });
    }

    /// Ends the session because of what the client did.
    pub(super) fn end(&mut self, violation: Violation, text: &str) {
        self.bye(text);
        self.over = Some(Err(violation));
    }

    /// Ends the session without an answer.
    pub(super) fn hang_up(&mut self, violation: Violation) {
        self.over = Some(Err(violation));
    }

    /// Ends the session: `* BYE`, then close.
    pub(super) fn bye(&mut self, text: &str) {
        self.state.responses.untagged(&format!("BYE {text}"));
        self.end_in_silence();
    }

    pub(super) fn end_in_silence(&mut self) {
        self.over = Some(Ok(()));
    }
}
