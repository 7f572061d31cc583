//! The cleartext machine: greeting, CAPABILITY, NOOP, LOGOUT and STARTTLS (RFC 3501 §6.2.1, RFC 8314 §4).
//!
//! LOGIN and AUTHENTICATE are refused with the same bytes whatever follows them, which is not looked at.
//! A literal in them is not invited, or read past unseen.

use pillarbox_policy::LegacyWindow;

use crate::channel::End;
use crate::imap::framing::Frame;
use crate::imap::grammar::Cursor;
pub use crate::machine::ClearEvent;
use crate::sasl::LoginsInClear;
use crate::{Clear, Injected, Legacy, Step};

use super::command::{Reading, When};
use super::commands::Begun;
use super::commands::login::PRIVACY_REQUIRED;
use super::dialogue::Dialogue;
use super::front::{Front, Input};
use super::reply::Completion;
use super::state::{Phase, StartTls};
use super::{Limits, Violation};

/// What a cleartext machine is started with.
#[derive(Debug, Clone, Copy)]
pub struct ClearSettings {
    /// Its limits, which a session under a window keeps.
    pub limits: Limits,
    /// Whether STARTTLS can succeed.
    pub starttls: StartTls,
    /// Whether logins are said to be possible.
    pub logins: LoginsInClear,
}

/// What the session does next.
#[derive(Debug)]
enum Next {
    Handshake,
    /// It decides about a login; this frame of it has been seen and not answered.
    Permit(Frame),
}

const NOT_BEFORE_TLS: Completion = Completion::Bad("Encryption is required before anything else");

/// The conversation in the clear.
pub struct Cleartext {
    channel: Clear,
    front: Front,
    event: Option<ClearEvent>,
    next: Option<Next>,
}

impl Cleartext {
    /// Greets.
    pub(super) fn start(channel: Clear, settings: ClearSettings) -> Self {
        let phase = Phase::Clear(settings.starttls, settings.logins);
        let limits = settings.limits;
        // What is read past counts as a line does.
        let skip = limits.before_login.line as u64;
        let mut front = Front::new(phase, limits, skip);
        front.greet();
        Self {
            channel,
            front,
            event: None,
            next: None,
        }
    }

    pub(super) fn channel(&self) -> &Clear {
        &self.channel
    }

    pub(super) fn nothing_left(&self) -> Result<(), Injected> {
        End::Server.found(self.front.framer.pending())
    }

    pub(super) fn permitted(self, channel: Legacy, window: LegacyWindow) -> Dialogue {
        let mut front = self.front;
        if let Some(Next::Permit(frame)) = self.next {
            front.put_back(frame);
        }
        Dialogue::legacy(channel, window, front)
    }

    pub(super) fn refuse_login(&mut self) {
        match self.next.take() {
            Some(Next::Permit(frame)) => {
                self.front.turn_down_frame(frame, PRIVACY_REQUIRED.into());
            }
            next => self.next = next,
        }
    }

    pub(super) fn bye(&mut self, text: &'static str) {
        match self.next {
            // Whatever is said in the clear now, the client would take for TLS.
            Some(Next::Handshake) => self.front.end_in_silence(),
            _ => self.front.bye(text),
        }
    }

    pub(super) fn input(&mut self, bytes: &[u8]) {
        self.front.framer.push(bytes);
    }

    pub(super) fn poll(&mut self) -> Step<ClearEvent, Violation> {
        loop {
            match self.front.poll(&mut self.event, self.next.is_some()) {
                Ok(Input::Frame(frame @ (Frame::End | Frame::Literal(_)))) => self.command(frame),
                Ok(Input::TooLong) => self.front.turn_down_too_long(),
                // The end of a literal that was skipped.
                Ok(Input::Frame(_)) => {}
                Err(step) => return step,
            }
        }
    }

    fn command(&mut self, frame: Frame) {
        let text = self.front.text();
        if !self.front.take_command(&text) {
            return;
        }
        let mut cursor = Cursor::new(&text);
        let begun = match self.front.head(&mut cursor) {
            Ok((entry, _)) if entry.when == When::BeforeLogin => {
                self.event = Some(ClearEvent::NeedPermit);
                self.next = Some(Next::Permit(frame));
                return;
            }
            Ok((entry, _)) if entry.when.check(self.front.state.phase).is_err() => {
                Err(NOT_BEFORE_TLS.into())
            }
            Ok((entry, naming)) if frame == Frame::End => {
                let reading = Reading {
                    naming,
                    permit: None,
                };
                (entry.begin)(&mut cursor, reading, &mut self.front.state)
            }
            Ok(_) => Err(cursor.error("the end of the line").into()),
            Err(_) => Err(NOT_BEFORE_TLS.into()),
        };
        match begun {
            Ok(Begun::StartTls) => self.starttls(),
            Ok(Begun::Capability) => {
                self.front.framer.take_text();
                self.front.capability();
            }
            Ok(Begun::Answered(completion)) => {
                self.front.framer.take_text();
                self.front.complete(&completion);
            }
            // None of those may come here.
            Ok(Begun::Login(_) | Begun::Asked(_)) => {
                self.front.turn_down_frame(frame, NOT_BEFORE_TLS.into());
            }
            Err(refusal) => self.front.turn_down_frame(frame, refusal),
        }
    }

    fn starttls(&mut self) {
        self.front.framer.take_text();
        let bytes = self.front.framer.pending();
        let responses = &mut self.front.state.responses;
        match self.front.state.phase {
            Phase::Clear(StartTls::Offered, _) if bytes > 0 => {
                responses.tagged("BAD Nothing may follow STARTTLS");
                self.front.hang_up(Violation::Injected(Injected {
                    found_by: End::Server,
                    bytes,
                }));
            }
            Phase::Clear(StartTls::Offered, _) => {
                responses.tagged("OK Begin TLS now");
                self.event = Some(ClearEvent::StartTls);
                self.next = Some(Next::Handshake);
            }
            _ => responses.tagged("NO There is no certificate; tell the operator"),
        }
    }
}
