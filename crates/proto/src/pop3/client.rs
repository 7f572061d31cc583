//! The client's machine.
//!
//! `Client<Clear>` can ask what the server can do, start TLS and say goodbye. It has no method that takes a
//! password or touches the mailbox, and no text of the server leaves it (C10). STLS consumes it; one byte too
//! many is an error (C1). `Client<Sealed>` starts from nothing, asks for the capabilities anew (R2595-1) and
//! then says [`Event::Ready`].
//!
//! A password inside TLS:
//! ```
//! use pillarbox_policy::Credentials;
//! use pillarbox_proto::pop3::client::{Client, LoginError};
//! use pillarbox_proto::{Sealed, sasl::Nonce};
//! fn log_in(client: &mut Client<Sealed>, ann: &Credentials, nonce: Nonce) -> Result<(), LoginError> {
//!     client.log_in(ann, nonce)
//! }
//! ```
//! A password on a cleartext session:
//! ```compile_fail,E0599
//! use pillarbox_policy::Credentials;
//! use pillarbox_proto::pop3::client::{Client, LoginError};
//! use pillarbox_proto::{Clear, sasl::Nonce};
//! fn log_in(client: &mut Client<Clear>, ann: &Credentials, nonce: Nonce) -> Result<(), LoginError> {
//!     client.log_in(ann, nonce)
//! }
//! ```
//! A mailbox command inside TLS:
//! ```
//! use pillarbox_proto::pop3::client::{Client, NotNow};
//! use pillarbox_proto::Sealed;
//! fn fetch(client: &mut Client<Sealed>) -> Result<(), NotNow> {
//!     client.retrieve(1)
//! }
//! ```
//! A mailbox command on a cleartext session:
//! ```compile_fail,E0599
//! use pillarbox_proto::pop3::client::{Client, NotNow};
//! use pillarbox_proto::Clear;
//! fn fetch(client: &mut Client<Clear>) -> Result<(), NotNow> {
//!     client.retrieve(1)
//! }
//! ```

mod login;
mod mailbox;

use pillarbox_policy::{RefusalCode, SecretBytes};
use zeroize::Zeroizing;

use super::capabilities::{self, Capabilities};
use super::response::{Refused, Response};
use crate::channel::{End, private};
use crate::dots::DotDecoder;
use crate::line::{Line, LineBuffer, LineError, LineLimits};
use crate::machine::MAX_OUTPUT;
use crate::sasl::client::{Exchange, Failure};
use crate::sasl::{MAX_LINE, Mechanism};
use crate::{ChannelState, Clear, Injected, Machine, OnChannel, Sealed, Start, Step, Upgrade};

pub use login::LoginError;

/// The longest line of a server, in octets without CRLF. RFC 2449 §4 allows 512 with it; lines of an AUTH
/// exchange have their own limit, [`MAX_LINE`].
pub const MAX_RESPONSE_LINE: usize = 2048;

/// What the caller has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// In the clear: the server greeted. Go on with [`Client::start_tls`].
    Greeted,
    /// The server agreed to STLS: do the handshake.
    StartTls,
    /// Inside TLS: the capabilities are known; [`Client::log_in`] can begin.
    Ready,
    /// [`Client::ask_capabilities`] was answered; they are in [`Client::capabilities`].
    Capabilities,
    /// The login is done.
    LoggedIn(LoggedInBy),
    /// The server refused the login.
    LoginRefused(Refused),
    /// STAT: messages and their octets.
    Totals {
        /// How many messages there are.
        messages: u32,
        /// Their size.
        octets: u64,
    },
    /// LIST: one message.
    Size {
        /// Its number in this session.
        message: u32,
        /// Its size as the server has it stored.
        octets: u64,
    },
    /// UIDL: one message.
    UniqueId {
        /// Its number in this session.
        message: u32,
        /// Its unique-id: 1 to 70 printable characters.
        id: String,
    },
    /// LIST or UIDL have told of all messages.
    ListEnds,
    /// RETR or TOP: the message follows.
    MessageBegins,
    /// Octets of the message, at most 16 KiB.
    MessagePiece(Vec<u8>),
    /// The message is complete. Without this event it is not (C19).
    MessageEnds,
    /// DELE, RSET or NOOP are done.
    Done,
    /// The server refused the command.
    Refused(Refused),
    /// The server answered QUIT: what was marked deleted is gone.
    Goodbye,
}

/// How a login was done, to be remembered: a fall to a weaker way is worth a warning (C11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LoggedInBy {
    /// USER and PASS.
    UserPass,
    /// AUTH.
    Sasl(Mechanism),
}

/// How a server, or somebody on the way, can break the protocol. Nothing secret was sent to it in the clear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The first line was no `+OK` (C12).
    #[error("the server did not greet as a POP3 server does")]
    NoGreeting,
    /// STLS was answered by anything but `+OK` (C4).
    #[error(
        "the server would not start encryption; somebody on the way may be removing it. Nothing was sent"
    )]
    StlsRefused,
    /// Bytes followed the answer to STLS (C1).
    #[error("{0}")]
    Injected(Injected),
    /// Something was said in the clear before the command it could answer was written (C13).
    #[error(
        "the server answered before it was asked; somebody on the way may be tampering with the connection"
    )]
    EarlyAnswer,
    /// Inside TLS the server spoke without being asked (C13).
    #[error("the server sent something nobody asked for")]
    Unsolicited,
    /// A response that does not follow the protocol.
    #[error("the server's answer does not follow the protocol")]
    Malformed,
    /// Lines cannot be told apart, or one is too long.
    #[error("the server's answer cannot be read: {0}")]
    Line(LineError),
    /// The exchange of the login failed on our side, for example since the server could not prove itself.
    #[error("{0}")]
    Login(Failure),
}

impl Violation {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::StlsRefused => RefusalCode::StarttlsStripped,
            Self::Injected(injected) => injected.code(),
            Self::EarlyAnswer => RefusalCode::ResponseInjection,
            _ => RefusalCode::ProtocolViolation,
        }
    }
}

/// The command cannot be given now: another is under way, or the session is in another state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the POP3 session is not ready for this command")]
pub struct NotNow;

/// The client's machine: over [`Clear`] or over [`Sealed`].
#[derive(Debug)]
pub struct Client<C> {
    core: Core,
    channel: C,
}

impl<C: ChannelState> private::Ours for Client<C> {}
impl<C: ChannelState> OnChannel for Client<C> {
    type Channel = C;

    fn channel(&self) -> &C {
        &self.channel
    }
}

impl Start for Client<Clear> {
    type Settings = ();

    /// A session on a cleartext port. It waits for the greeting.
    fn start(channel: &Clear, (): ()) -> Self {
        Self {
            core: Core::new(State::Greeting, Trust::Nothing),
            channel: channel.share(),
        }
    }
}

impl Start for Client<Sealed> {
    type Settings = ();

    /// Waits for the greeting where one is due, and asks for the capabilities; what was learnt in the clear is
    /// forgotten (C9, R2595-1).
    fn start(channel: &Sealed, (): ()) -> Self {
        let core = if channel.greeting_is_due() {
            Core::new(State::Greeting, Trust::Server)
        } else {
            let mut core = Core::new(State::Authorization, Trust::Server);
            core.write("CAPA", State::Capabilities(Purpose::Ready));
            core
        };
        Self {
            core,
            channel: channel.share(),
        }
    }
}

impl Upgrade for Client<Clear> {
    fn nothing_left(&self) -> Result<(), Injected> {
        End::Client.found(self.core.lines.len())
    }
}

impl Client<Clear> {
    /// Sends STLS, whether it was listed or not: a list in the clear proves nothing (C4).
    ///
    /// # Errors
    /// The greeting has not come, or another command is under way.
    pub fn start_tls(&mut self) -> Result<(), NotNow> {
        self.core.send("STLS", State::Stls)
    }
}

impl<C: ChannelState> Client<C> {
    /// Asks what the server can do. In the clear the answer is a hint and no more.
    ///
    /// # Errors
    /// Another command is under way.
    pub fn ask_capabilities(&mut self) -> Result<(), NotNow> {
        self.core.send("CAPA", State::Capabilities(Purpose::Asked))
    }

    /// What the server listed last on this channel. Empty where it knows no CAPA.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.core.capabilities
    }

    /// Says goodbye. Inside TLS and after login the messages marked deleted are removed now.
    ///
    /// # Errors
    /// Another command is under way.
    pub fn quit(&mut self) -> Result<(), NotNow> {
        self.core.send("QUIT", State::Quit)
    }
}

impl<C: ChannelState> Machine for Client<C> {
    type Event = Event;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        if !matches!(self.core.state, State::Over(_)) {
            self.core.lines.push(bytes);
        }
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        self.core.poll()
    }
}

/// Whether the server's own words may be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// In the clear: anybody may have written them.
    Nothing,
    /// Inside TLS.
    Server,
}

/// What both channels share.
#[derive(Debug)]
struct Core {
    lines: LineBuffer,
    out: SecretBytes,
    event: Option<Event>,
    state: State,
    phase: Phase,
    trust: Trust,
    binding: Binding,
    capabilities: Capabilities,
}

/// Whether the connection's channel binding has served an authentication (R9266-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binding {
    Unused,
    Used,
}

/// The protocol's state, as opposed to what is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Authorization,
    Transaction,
}

/// Why the capabilities were asked for: as a step of the greeting, or by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Ready,
    Asked,
}

/// What a listing tells of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Octets,
    UniqueId,
}

#[derive(Debug)]
enum State {
    Greeting,
    /// Nothing under way, before login.
    Authorization,
    /// Nothing under way, after login.
    Transaction,
    Stls,
    Upgrading,
    Capabilities(Purpose),
    CapabilityLines(Purpose),
    /// AUTH was sent; the initial response did not fit into the command and is owed.
    Auth(Exchange, Option<SecretBytes>),
    /// USER was sent; the line with the password follows.
    User(Zeroizing<String>),
    Pass,
    Stat,
    List(Column, Lines),
    Retrieve,
    Message(DotDecoder),
    /// The end mark was read and not told yet.
    MessageOver,
    /// DELE, RSET, NOOP.
    Simple,
    Quit,
    Over(Option<Violation>),
}

/// What a listing's answer still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    /// The status line.
    Status,
    /// One line a message, and the end mark.
    Messages,
}

impl Core {
    fn new(state: State, trust: Trust) -> Self {
        Self {
            lines: LineBuffer::new(response_lines()),
            out: SecretBytes::new(),
            event: None,
            state,
            phase: Phase::Authorization,
            trust,
            binding: Binding::Unused,
            capabilities: Capabilities::default(),
        }
    }

    fn injected(&self) -> Injected {
        Injected {
            found_by: End::Client,
            bytes: self.lines.len(),
        }
    }

    /// Sends a command, if nothing is under way. Bytes that came before it was sent are no answer to it
    /// (C13).
    fn send(&mut self, command: &str, next: State) -> Result<(), NotNow> {
        match self.state {
            State::Authorization | State::Transaction if self.event.is_none() => {
                if self.lines.is_empty() {
                    self.write(command, next);
                } else {
                    self.state = State::Over(Some(self.unasked()));
                }
                Ok(())
            }
            _ => Err(NotNow),
        }
    }

    /// What it is to speak without being asked.
    fn unasked(&self) -> Violation {
        match self.trust {
            Trust::Nothing => Violation::EarlyAnswer,
            Trust::Server => Violation::Unsolicited,
        }
    }

    fn write(&mut self, line: &str, next: State) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.state = next;
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        loop {
            if !self.out.is_empty() {
                return Step::Output(std::mem::take(&mut self.out));
            }
            if let Some(event) = self.event.take() {
                return Step::Event(event);
            }
            match &self.state {
                State::Authorization | State::Transaction => {
                    if self.lines.is_empty() {
                        return Step::NeedInput;
                    }
                    self.violate(self.unasked());
                }
                State::Upgrading => return Step::NeedReply,
                State::Over(None) => return Step::Close,
                State::Over(Some(violation)) => return Step::Err(violation.clone()),
                State::Message(decoder) => {
                    let decoder = *decoder;
                    if self.lines.is_empty() {
                        return Step::NeedInput;
                    }
                    self.message_bytes(decoder);
                }
                State::MessageOver => {
                    self.rest();
                    self.tell(Event::MessageEnds);
                }
                _ => match self.lines.next_line() {
                    Ok(Some(line)) => self.line(&line),
                    Ok(None) => return Step::NeedInput,
                    Err(error) => self.violate(Violation::Line(error)),
                },
            }
        }
    }

    fn violate(&mut self, violation: Violation) {
        self.state = State::Over(Some(violation));
    }

    fn tell(&mut self, event: Event) {
        self.event = Some(event);
    }

    /// Nothing is under way any more.
    fn rest(&mut self) {
        self.lines.set_limits(response_lines());
        self.state = match self.phase {
            Phase::Authorization => State::Authorization,
            Phase::Transaction => State::Transaction,
        };
    }

    fn line(&mut self, line: &Line) {
        let line = line.as_bytes();
        match std::mem::replace(&mut self.state, State::Over(None)) {
            State::CapabilityLines(purpose) => self.capability_line(purpose, line),
            State::List(column, Lines::Messages) => self.listing_line(column, line),
            State::Auth(exchange, owed) => self.exchange_line(exchange, owed, line),
            State::Stat => self.totals(line),
            state => match Response::parse(line) {
                Some(Response::Ok) => self.accepted(state),
                Some(Response::Err(refused)) => self.refused(&state, refused),
                None => self.violate(match state {
                    State::Greeting => Violation::NoGreeting,
                    State::Stls => Violation::StlsRefused,
                    _ => Violation::Malformed,
                }),
            },
        }
    }

    /// `+OK`.
    fn accepted(&mut self, state: State) {
        match state {
            State::Greeting if self.trust == Trust::Server => {
                if self.lines.is_empty() {
                    self.write("CAPA", State::Capabilities(Purpose::Ready));
                } else {
                    self.violate(self.unasked());
                }
            }
            State::Greeting => {
                self.rest();
                self.tell(Event::Greeted);
            }
            State::Stls if self.lines.is_empty() => {
                self.state = State::Upgrading;
                self.tell(Event::StartTls);
            }
            State::Stls => self.violate(Violation::Injected(self.injected())),
            State::Capabilities(purpose) => {
                self.capabilities = Capabilities::default();
                self.state = State::CapabilityLines(purpose);
            }
            State::User(line) => self.write(&line, State::Pass),
            State::Pass => self.logged_in(LoggedInBy::UserPass),
            State::List(column, _) => self.state = State::List(column, Lines::Messages),
            State::Retrieve => {
                self.state = State::Message(DotDecoder::default());
                self.tell(Event::MessageBegins);
            }
            State::Quit => {
                self.state = State::Over(None);
                self.tell(Event::Goodbye);
            }
            _ => {
                self.rest();
                self.tell(Event::Done);
            }
        }
    }

    /// `-ERR`.
    fn refused(&mut self, state: &State, refused: Refused) {
        match state {
            State::Greeting => self.violate(Violation::NoGreeting),
            State::Stls => self.violate(Violation::StlsRefused),
            // A server without CAPA is an old one; what was listed before counts no more (C5).
            State::Capabilities(purpose) => {
                self.capabilities = Capabilities::default();
                self.capabilities_known(*purpose);
            }
            State::User(_) | State::Pass => {
                self.rest();
                self.tell(Event::LoginRefused(refused));
            }
            State::Quit if self.trust == Trust::Server => {
                self.state = State::Over(None);
                self.tell(Event::Refused(refused));
            }
            State::Quit => self.state = State::Over(None),
            _ => {
                self.rest();
                self.tell(Event::Refused(refused));
            }
        }
    }

    fn capability_line(&mut self, purpose: Purpose, line: &[u8]) {
        if line == b"." {
            self.capabilities_known(purpose);
        } else if self.capabilities.lines() < capabilities::MAX_LINES {
            self.capabilities.add(line);
            self.state = State::CapabilityLines(purpose);
        } else {
            self.violate(Violation::Malformed);
        }
    }

    fn capabilities_known(&mut self, purpose: Purpose) {
        self.rest();
        self.tell(match purpose {
            Purpose::Ready => Event::Ready,
            Purpose::Asked => Event::Capabilities,
        });
    }

    fn message_bytes(&mut self, mut decoder: DotDecoder) {
        let mut piece = Vec::new();
        let held = self.lines.as_bytes();
        let held = held.get(..MAX_OUTPUT).unwrap_or(held);
        let used = decoder.decode(held, &mut piece);
        self.lines.consume(used);
        self.state = if decoder.ended() {
            State::MessageOver
        } else {
            State::Message(decoder)
        };
        if !piece.is_empty() {
            self.tell(Event::MessagePiece(piece));
        }
    }
}

fn response_lines() -> LineLimits {
    LineLimits {
        line: MAX_RESPONSE_LINE,
        ..LineLimits::default()
    }
}

fn exchange_lines() -> LineLimits {
    LineLimits {
        line: MAX_LINE + 2,
        ..LineLimits::default()
    }
}
