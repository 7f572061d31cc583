//! [`Dialogue`]: everything that may be said once policy permits authentication.

use pillarbox_policy::{AuthPermit, LegacyWindow};

use crate::channel::permit;
use crate::imap::framing::{Frame, LiteralHeader, LiteralKind};
use crate::imap::grammar::Cursor;
use crate::machine::MAX_OUTPUT;
use crate::sasl::Authentication;
use crate::{Legacy, Sealed, Step};

use super::command::{Reading, When};
use super::commands::login::PRIVACY_REQUIRED;
use super::commands::{Begun, Event, SelectedMailbox, idle};
use super::enabled::Enabled;
use super::front::{Front, Input};
use super::reply::{Completion, Refusal, ResponseCode};
use super::responses::Responses;
use super::state::Access;
use super::{Limits, Violation};

pub(super) use super::state::Phase;

/// Whose turn it is.
#[derive(Debug)]
pub(super) enum Turn {
    /// The client's: its next command.
    Client,
    /// The session's: it completes the command under way, with BAD whatever it says where there is a text.
    Session(Option<&'static str>),
    /// The session's: it decides whether a login in the clear, of which this frame has been seen, may be read.
    Permit(Frame),
    /// The session's: it answers for a login.
    LoginSession,
    /// The client's: its next line of an exchange.
    LoginClient,
    /// The session's: it takes or refuses a message.
    MessageAnnounced(LiteralHeader),
    /// The client's: the octets of a message.
    Message,
    /// The client's: the end of the line after a message.
    MessageTail,
    /// The client's: DONE.
    Idling,
}

/// What the conversation runs over, and so how logins are taken.
#[derive(Debug)]
pub(super) enum Over {
    Tls(Sealed),
    /// Each login needs a window; this is the one for the login being read.
    Clear(Legacy, Option<LegacyWindow>),
}

impl Over {
    fn permit(&self) -> Option<AuthPermit<'_>> {
        match self {
            Self::Tls(channel) => permit(channel, None),
            Self::Clear(channel, window) => permit(channel, window.as_ref()),
        }
    }
}

/// See the [module above](super). Waits for its session after every event that wants an answer.
pub struct Dialogue {
    pub(super) front: Front,
    over: Over,
    /// How to log in, where policy permits it.
    pub(super) authentication: Option<Authentication>,
    pub(super) turn: Turn,
    pub(super) event: Option<Event>,
}

impl std::fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialogue")
            .field("phase", &self.front.state.phase)
            .finish_non_exhaustive()
    }
}

impl Dialogue {
    fn new(mut front: Front, over: Over) -> Self {
        let authentication = over.permit().map(|permit| Authentication::new(&permit));
        front.state.mechanisms = authentication
            .as_ref()
            .map_or(&[], Authentication::mechanisms);
        Self {
            front,
            over,
            authentication,
            turn: Turn::Client,
            event: None,
        }
    }

    /// Starts from nothing inside TLS.
    pub(super) fn sealed(channel: Sealed, limits: Limits) -> Self {
        let front = Front::new(Phase::BeforeLogin, limits, limits.skip);
        Self::new(front, Over::Tls(channel))
    }

    /// Goes on in the clear with what a cleartext machine has read.
    pub(super) fn legacy(channel: Legacy, window: LegacyWindow, front: Front) -> Self {
        let skip = front.state.limits.skip;
        let front = front.continue_as(Phase::BeforeLogin, skip);
        Self::new(front, Over::Clear(channel, Some(window)))
    }

    /// Goes on with the login that waits for a permit, or refuses it (S4.1-5).
    pub(super) fn permit(&mut self, window: Option<LegacyWindow>) {
        let frame = match self.take_turn() {
            Turn::Permit(frame) => frame,
            other => {
                self.turn = other;
                return;
            }
        };
        if let Over::Clear(_, slot) = &mut self.over {
            *slot = window;
        }
        match self.over.permit() {
            Some(_) => self.front.put_back(frame),
            None => self.front.turn_down_frame(frame, PRIVACY_REQUIRED.into()),
        }
    }

    /// Whether the command being read is a login that has to be asked about first.
    fn needs_permit(&mut self) -> bool {
        self.front.state.phase == Phase::BeforeLogin && self.over.permit().is_none() && {
            let text = self.front.text();
            let head = self.front.head(&mut Cursor::new(&text));
            head.is_ok_and(|(entry, _)| entry.when == When::BeforeLogin)
        }
    }

    pub(super) fn greet(&mut self) {
        self.front.greet();
    }

    /// Untagged responses.
    pub fn responses(&mut self) -> &mut Responses {
        &mut self.front.state.responses
    }

    /// What the session has enabled.
    #[must_use]
    pub fn enabled(&self) -> Enabled {
        self.front.state.responses.enabled
    }

    /// Ends the command under way: writes its tagged response. What is new must have been written before.
    /// Without a command under way it does nothing.
    pub fn complete(&mut self, completion: Completion) {
        match self.take_turn() {
            Turn::Session(spoiled) => {
                let completion = spoiled.map_or(completion, Completion::Bad);
                self.front.complete(&completion);
            }
            other => self.turn = other,
        }
    }

    /// Answers [`Event::Select`] and [`Event::Examine`] with success.
    pub fn selected(&mut self, mailbox: &SelectedMailbox) {
        if let Phase::Opening(access) = self.front.state.phase {
            self.responses().opened(mailbox, access);
            self.front.state.phase = Phase::Selected(access);
            self.complete(Completion::Ok(Some(match access {
                Access::ReadOnly => ResponseCode::ReadOnly,
                Access::ReadWrite => ResponseCode::ReadWrite,
            })));
        }
    }

    /// Ends the session: `* BYE`, then close. Only between responses, never inside one.
    pub fn bye(&mut self, text: &'static str) {
        self.front.bye(text);
    }

    /// Shows text that the user has to be shown (RFC 3501 §7.1 `ALERT`).
    pub fn alert(&mut self, text: &'static str) {
        self.responses().untagged(&format!("OK [ALERT] {text}"));
    }

    /// Whether the session should let output be written before it adds more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.front.state.responses.len() >= MAX_OUTPUT
    }

    /// Whether a command waits for [`Dialogue::complete`].
    #[must_use]
    pub fn awaits_completion(&self) -> bool {
        matches!(self.turn, Turn::Session(_))
    }

    /// Takes the message that was announced: invites it where the client waits for that. Its octets come as
    /// [`Event::MessagePiece`].
    pub fn message_accept(&mut self) {
        if let Some(header) = self.take_announced() {
            self.invite(header);
            self.front.framer.stream();
            self.turn = Turn::Message;
        }
    }

    /// Refuses the message before it is sent, or reads past it where it is on its way already.
    pub fn message_refuse(&mut self, code: ResponseCode, text: &'static str) {
        if let Some(header) = self.take_announced() {
            let refusal = Refusal::Answer(Completion::no(code, text));
            self.front.refuse_literal(header, refusal);
        }
    }

    /// Breaks a message off that has begun to stream: what is left is read past, then this is the answer.
    pub fn message_break(&mut self, code: ResponseCode, text: &'static str) {
        match self.take_turn() {
            Turn::Message => self
                .front
                .refuse_rest(Refusal::Answer(Completion::no(code, text))),
            other => self.turn = other,
        }
    }

    fn frame(&mut self, frame: Frame) {
        match (self.take_turn(), frame) {
            (Turn::Client, frame @ (Frame::Literal(_) | Frame::End)) if self.needs_permit() => {
                self.turn = Turn::Permit(frame);
                self.event = Some(Event::NeedPermit);
            }
            (Turn::Client, Frame::Literal(header)) => self.literal(header),
            (Turn::Client, Frame::End) => self.command(),
            (Turn::LoginClient, Frame::End) => {
                let line = self.front.framer.take_text();
                self.exchange_line(&line);
            }
            (Turn::LoginClient, Frame::Literal(header)) => {
                let violation = Violation::Literal(header.size);
                self.front.end(violation, "A literal inside AUTHENTICATE");
            }
            (Turn::Message, Frame::Piece(piece)) => {
                self.turn = Turn::Message;
                self.event = Some(Event::MessagePiece(piece));
            }
            (Turn::Message, Frame::LiteralEnd) => self.turn = Turn::MessageTail,
            (Turn::MessageTail, Frame::End) => {
                if self.front.framer.take_text().is_empty() {
                    self.turn = Turn::Session(None);
                    self.event = Some(Event::MessageEnd);
                } else {
                    self.event = Some(Event::MessageAborted);
                    let refusal = Refusal::Answer(Completion::Bad("expected the end of the line"));
                    self.front.refuse(&refusal);
                }
            }
            (Turn::MessageTail, Frame::Literal(header)) => {
                self.event = Some(Event::MessageAborted);
                let refusal = Refusal::Answer(Completion::Bad("one message at a time"));
                self.front.refuse_literal(header, refusal);
            }
            (Turn::Idling, Frame::End) => {
                let done = idle::is_done(&self.front.framer.take_text());
                self.turn = Turn::Session((!done).then_some("expected DONE"));
                self.event = Some(Event::IdleEnd);
            }
            (Turn::Idling, Frame::Literal(header)) => {
                let violation = Violation::Literal(header.size);
                self.front.end(violation, "A literal inside IDLE");
            }
            // The end of a literal that was skipped; nothing else comes here.
            (turn, _) => self.turn = turn,
        }
    }

    /// Lets a client go on that waits for it.
    fn invite(&mut self, header: LiteralHeader) {
        if header.kind == LiteralKind::Synchronizing {
            self.responses().output().line("+ Ready");
        }
    }

    /// A literal was announced inside a command.
    fn literal(&mut self, header: LiteralHeader) {
        let text = self.front.text();
        let mut cursor = Cursor::new(&text);
        let head = self.front.allowed_head(&mut cursor);
        let message = head.and_then(|(entry, naming)| {
            let reading = Reading {
                naming,
                permit: None,
            };
            (entry.message)(&mut cursor, reading, header)
        });
        match message {
            Ok(Some(event)) => {
                self.turn = Turn::MessageAnnounced(header);
                if header.size > self.front.state.limits.message {
                    self.message_refuse(
                        ResponseCode::TooBig,
                        "The message is larger than the limit",
                    );
                } else {
                    self.event = Some(event);
                }
            }
            Ok(None) if self.front.framer.take_inline().is_ok() => self.invite(header),
            Ok(None) => {
                let refusal = Completion::Bad("[TOOBIG] The literal is too long here");
                self.front.refuse_literal(header, Refusal::Answer(refusal));
            }
            Err(refusal) => self.front.refuse_literal(header, refusal),
        }
    }

    /// A whole command is here.
    fn command(&mut self) {
        let text = self.front.framer.take_text();
        if !self.front.take_command(&text) {
            return;
        }
        let mut cursor = Cursor::new(&text);
        let phase = self.front.state.phase;
        let permit = self.over.permit();
        let head = self.front.allowed_head(&mut cursor);
        let begun = head.and_then(|(entry, naming)| {
            let reading = Reading {
                naming,
                permit: permit.as_ref(),
            };
            (entry.begin)(&mut cursor, reading, &mut self.front.state)
        });
        if let Over::Clear(_, window) = &mut self.over {
            *window = None;
        }
        match begun {
            Ok(Begun::Answered(completion)) => self.front.complete(&completion),
            Ok(Begun::Login(started)) => self.start_login(&started),
            Ok(Begun::Capability) => self.front.capability(),
            // Inside TLS there is none: see its `WHEN`.
            Ok(Begun::StartTls) => {}
            Ok(Begun::Asked(event)) => {
                self.turn = match event {
                    Event::Idle(_) => Turn::Idling,
                    _ => Turn::Session(None),
                };
                self.event = Some(event);
            }
            Err(refusal) => self.front.refuse(&refusal),
        }
        if self.front.state.phase != phase {
            self.front.set_phase(self.front.state.phase);
        }
    }
}

impl Dialogue {
    /// The turn, which is the client's from now on unless it is set again.
    pub(super) fn take_turn(&mut self) -> Turn {
        std::mem::replace(&mut self.turn, Turn::Client)
    }

    /// The message the session takes or refuses, if it does.
    fn take_announced(&mut self) -> Option<LiteralHeader> {
        match self.take_turn() {
            Turn::MessageAnnounced(header) => Some(header),
            other => {
                self.turn = other;
                None
            }
        }
    }
}

/// Its [`crate::Machine`], which is [`super::Server`]'s.
impl Dialogue {
    pub(super) fn input(&mut self, bytes: &[u8]) {
        self.front.framer.push(bytes);
    }

    pub(super) fn poll(&mut self) -> Step<Event, Violation> {
        loop {
            let waits = matches!(
                self.turn,
                Turn::Session(_) | Turn::Permit(_) | Turn::LoginSession | Turn::MessageAnnounced(_)
            );
            match self.front.poll(&mut self.event, waits) {
                Ok(Input::Frame(frame)) => self.frame(frame),
                Ok(Input::TooLong) => match self.take_turn() {
                    Turn::LoginClient => self.exchange_line_too_long(),
                    turn => {
                        self.front.turn_down_too_long();
                        if matches!(turn, Turn::MessageTail) {
                            self.event = Some(Event::MessageAborted);
                        }
                    }
                },
                Err(step) => return step,
            }
        }
    }
}
