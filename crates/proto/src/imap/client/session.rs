//! [`State`]: how far a session inside TLS has come, and the [`Command`] under way.

use std::any::Any;
use std::collections::VecDeque;

use pillarbox_policy::SecretBytes;

use super::capability::Capabilities;
use super::command::{CommandText, NotNow};
use super::event::{Done, Event};
use super::fetch::MessageData;
use super::machine::{Client, Phase};
use super::response::{Response, ResponseCode};
use super::violation::Violation;
use crate::channel::Sealed;
use crate::imap::framing::{FrameLimits, Framer};

/// What is read of one response at most, bodies aside: a SEARCH of 100,000 messages fits.
pub(super) const LIMITS: FrameLimits = FrameLimits {
    line: 1024 * 1024,
    text: 1024 * 1024,
    discard: 0,
};

/// How many ALERTs of one connection are passed on (C10).
const ALERTS: u8 = 16;

/// Whether this connection's handshake sent a certificate of the account: only then may the server greet
/// with PREAUTH (C6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientCertificate {
    /// None was sent.
    NotSent,
    /// One was sent.
    Sent,
}

/// How far the session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Session {
    Greeting(ClientCertificate),
    NotAuthenticated,
    Authenticated,
    Selected,
}

/// The event that follows, if any.
pub(super) type Outcome = Result<Option<Event>, Violation>;

/// A command that was sent and waits for its tagged response.
pub(super) trait Command: Any + Send + Sync {
    /// Takes an untagged response that answers this command, and gives back every other. (What nobody takes tells
    /// nothing, C9.)
    fn take<'a>(&mut self, response: Response<'a>) -> Result<Option<Event>, Response<'a>> {
        Err(response)
    }

    /// The server asks for more than the text of the command.
    fn continued(&mut self, _: &[u8], _: &mut SecretBytes) -> Outcome {
        Err(Violation::UnexpectedContinuation)
    }

    /// The tagged OK.
    fn succeeded(self: Box<Self>, code: Option<ResponseCode>, state: &mut State) -> Outcome;

    /// The tagged NO or BAD.
    fn refused(&self, _: &mut State) -> Result<(), Violation> {
        Ok(())
    }
}

/// A command that has no response of its own.
impl Command for Done {
    fn succeeded(self: Box<Self>, _: Option<ResponseCode>, _: &mut State) -> Outcome {
        Ok(Some(Event::Done(*self)))
    }
}

/// A command that has responses of one kind.
pub(super) struct Answered {
    pub(super) take: for<'a> fn(Response<'a>) -> Result<Event, Response<'a>>,
    pub(super) done: Done,
}

impl Command for Answered {
    fn take<'a>(&mut self, response: Response<'a>) -> Result<Option<Event>, Response<'a>> {
        (self.take)(response).map(Some)
    }

    fn succeeded(self: Box<Self>, _: Option<ResponseCode>, _: &mut State) -> Outcome {
        Ok(Some(Event::Done(self.done)))
    }
}

/// The command under way.
pub(super) struct Current {
    pub(super) tag: String,
    pub(super) command: Box<dyn Command>,
    /// What follows once the server has allowed a literal.
    pub(super) segments: VecDeque<SecretBytes>,
}

/// What is being read beside ordinary responses.
pub(super) enum Reading {
    Response,
    /// A body streams past; this is what was said about its message.
    Body(Box<MessageData>),
    /// The rest of a response that was too long.
    Skipping,
}

/// What the machine keeps inside TLS.
pub struct State {
    pub(super) channel: Sealed,
    pub(super) framer: Framer,
    pub(super) reading: Reading,
    /// Literals that came in the response being read while a body was awaited.
    pub(super) literals: u8,
    pub(super) out: SecretBytes,
    pub(super) events: VecDeque<Event>,
    pub(super) session: Session,
    pub(super) capabilities: Capabilities,
    pub(super) current: Option<Current>,
    tags: u64,
    pub(super) alerts: u8,
    pub(super) closing: bool,
    pub(super) broken: Option<Violation>,
}

impl Phase for Sealed {
    type State = State;
}

impl State {
    pub(super) fn new(channel: &Sealed, session: Session) -> Self {
        Self {
            channel: channel.share(),
            framer: Framer::new(LIMITS),
            reading: Reading::Response,
            literals: 0,
            out: SecretBytes::new(),
            events: VecDeque::new(),
            session,
            capabilities: Capabilities::default(),
            current: None,
            tags: 0,
            alerts: ALERTS,
            closing: false,
            broken: None,
        }
    }

    /// Whether a command that needs the session to have come as far as `least` can be given now.
    pub(super) fn may_begin(&self, least: Session) -> Result<(), NotNow> {
        if self.current.is_some()
            || self.closing
            || self.broken.is_some()
            || matches!(self.session, Session::Greeting(_))
        {
            return Err(NotNow::Busy);
        }
        if self.session >= least {
            Ok(())
        } else if least == Session::Selected && self.session == Session::Authenticated {
            Err(NotNow::NotSelected)
        } else {
            Err(NotNow::NotAuthenticated)
        }
    }

    /// Sends a command.
    pub(super) fn send(&mut self, text: CommandText, command: impl Command) {
        self.tags += 1;
        let tag = format!("A{:04}", self.tags);
        self.out.extend_from_slice(tag.as_bytes());
        self.out.push(b' ');
        let mut segments = text.finish();
        if let Some(first) = segments.pop_front() {
            self.out.extend_from_slice(&first);
        }
        self.current = Some(Current {
            tag,
            command: Box::new(command),
            segments,
        });
    }

    /// The command under way, if it is of this type.
    pub(super) fn under_way<C: Command>(&mut self) -> Option<&mut C> {
        let command: &mut dyn Any = self.current.as_mut()?.command.as_mut();
        command.downcast_mut()
    }
}

impl Client<Sealed> {
    /// Sends a command if the session has come at least as far as `least`.
    pub(super) fn begin(
        &mut self,
        least: Session,
        text: CommandText,
        command: impl Command,
    ) -> Result<(), NotNow> {
        self.state.may_begin(least)?;
        self.state.send(text, command);
        Ok(())
    }

    pub(super) fn needs(&self, capability: &'static str) -> Result<(), NotNow> {
        if self.state.capabilities.has(capability) {
            Ok(())
        } else {
            Err(NotNow::Unsupported(capability))
        }
    }
}
