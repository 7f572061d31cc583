//! The server's machine.
//!
//! ```
//! use pillarbox_proto::{Machine, Sealed, Start, Step};
//! use pillarbox_proto::pop3::server::{Limits, Server};
//!
//! let channel = Sealed::new(pillarbox_testkit::facts());
//! let mut server = Server::<Sealed>::start(&channel, Limits::default());
//! server.input(b"NOOP\r\n");
//! assert_eq!(server.poll(), Step::Output(b"+OK Pillarbox ready\r\n".into()));
//! assert_eq!(server.poll(), Step::Output(b"-ERR log in first\r\n".into()));
//! assert_eq!(server.poll(), Step::NeedInput);
//! ```
//!
//! The session answers an [`Event`] by the method its documentation names; until then the machine says
//! [`Step::NeedReply`]. An answer that nobody asked for changes nothing.
//!
//! A password, or a mailbox, needs TLS, or a window of the operator's:
//! ```
//! use pillarbox_proto::{LoginChannel, pop3::maildrop::Maildrop, pop3::server::Server, sasl::LoginAnswer};
//! fn let_in<C: LoginChannel>(server: &mut Server<C>) {
//!     server.answer_login(LoginAnswer::Accept);
//! }
//! fn open<C: LoginChannel>(server: &mut Server<C>, maildrop: Maildrop) {
//!     server.open(maildrop);
//! }
//! ```
//! ```compile_fail,E0599
//! use pillarbox_proto::{Clear, pop3::server::Server, sasl::LoginAnswer};
//! fn let_in(server: &mut Server<Clear>) {
//!     server.answer_login(LoginAnswer::Accept);
//! }
//! ```
//! ```compile_fail,E0599
//! use pillarbox_proto::{Clear, pop3::maildrop::Maildrop, pop3::server::Server};
//! fn open(server: &mut Server<Clear>, maildrop: Maildrop) {
//!     server.open(maildrop);
//! }
//! ```

mod authorization;
mod transaction;

use std::num::NonZeroU32;

use pillarbox_policy::{LegacyWindow, LoginAbort, SecretBytes};

use super::maildrop::{Entry, Maildrop};
use super::stuffing::Stuffer;
use crate::channel::{End, permit, private};
use crate::line::{LineBuffer, LineError, LineLimits};
use crate::machine::MAX_OUTPUT;
use crate::sasl::{LoginAnswer, LoginEvent, Logins, MAX_LINE};
use crate::session_limits::SessionCounts;
use crate::{
    AsksForPermit, ChannelState, Clear, Injected, Legacy, LoginChannel, Machine, OnChannel, Sealed,
    SessionLimits, Start, Step, Upgrade,
};

pub use crate::Violation;
pub use crate::sasl::LoginsInClear;

/// Limits of a session. Each has a default that suits the open Internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest command, in octets with its CRLF (RFC 2449 §4). Lines of an AUTH exchange have their own
    /// limit, [`MAX_LINE`] (R5034-2).
    pub command_line: usize,
    /// What is the same for all protocols.
    pub session: SessionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 255,
            session: SessionLimits::default(),
        }
    }
}

/// Whether a cleartext session may be upgraded: a listener without a usable certificate may not (S3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stls {
    /// STLS is listed and taken.
    Available,
    /// It is neither.
    Unavailable,
}

/// What a cleartext machine is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClearSettings {
    /// Its limits, which a session under a window keeps.
    pub limits: Limits,
    /// Whether STLS can succeed.
    pub stls: Stls,
    /// Whether CAPA lists logins.
    pub logins: LoginsInClear,
}

/// What the session has to know or answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The reply to STLS is output, and nothing stood behind the command: do the handshake.
    StartTls,
    /// USER, PASS or AUTH came in the clear, and nothing of it was looked at. Read the grants now, and answer with
    /// the window that is open, or [`AsksForPermit::refuse_login`].
    NeedPermit,
    /// A login. Answer with [`Server::answer_login`].
    Login(LoginEvent),
    /// The client has logged in. Answer with [`Server::open`] or [`Server::cannot_open`].
    OpenMaildrop {
        /// The login, prepared.
        login: String,
    },
    /// RETR or TOP. Answer with [`Server::message_begins`], then [`Server::message_piece`] as often as it
    /// takes, then [`Server::message_ends`]; or with [`Server::message_missing`].
    Retrieve {
        /// The message as the maildrop has it.
        entry: Entry,
    },
    /// QUIT: remove the messages marked deleted (RFC 1939 §6). Answer with [`Server::updated`].
    Update {
        /// What to remove.
        entries: Vec<Entry>,
    },
}

/// Why the maildrop cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CannotOpen {
    /// Another session has it (RFC 2449 §8.1.2).
    InUse,
    /// The store cannot give it now.
    Unavailable,
}

/// What became of the messages marked deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// They are gone.
    Removed,
    /// Some are still there (RFC 1939 §6).
    SomeNotRemoved,
}

/// The server's machine over [`Clear`], [`Legacy`] or [`Sealed`].
///
/// Nothing of a cleartext session survives STLS (S1, S2): a sealed one starts from nothing.
#[derive(Debug)]
pub struct Server<C> {
    core: Core,
    channel: C,
}

impl<C: ChannelState> private::Ours for Server<C> {}
impl<C: ChannelState> OnChannel for Server<C> {
    type Channel = C;

    fn channel(&self) -> &C {
        &self.channel
    }
}

impl Start for Server<Clear> {
    type Settings = ClearSettings;

    /// A session on a cleartext port, with its greeting.
    fn start(channel: &Clear, settings: ClearSettings) -> Self {
        let logins = Logins::in_clear(channel, settings.logins);
        let mut core = Core::new(settings.limits, settings.stls, logins);
        core.say("+OK Pillarbox ready");
        Self {
            core,
            channel: channel.share(),
        }
    }
}

impl Start for Server<Sealed> {
    type Settings = Limits;

    /// A session inside TLS, with its greeting where one is due (RFC 2595 §4). A client certificate changes nothing:
    /// the state is AUTHORIZATION (S3.1-4).
    fn start(channel: &Sealed, limits: Limits) -> Self {
        let mut core = Core::new(limits, Stls::Unavailable, Logins::sealed(channel));
        if channel.greeting_is_due() {
            core.say("+OK Pillarbox ready");
        }
        Self {
            core,
            channel: channel.share(),
        }
    }
}

impl Upgrade for Server<Clear> {
    fn nothing_left(&self) -> Result<(), Injected> {
        End::Server.found(self.core.lines.len())
    }
}

impl Upgrade for Server<Legacy> {
    fn nothing_left(&self) -> Result<(), Injected> {
        End::Server.found(self.core.lines.len())
    }
}

impl AsksForPermit for Server<Clear> {
    type Permitted = Server<Legacy>;

    fn permitted(self, channel: Legacy, window: LegacyWindow) -> Server<Legacy> {
        let mut legacy = Server {
            core: self.core,
            channel,
        };
        legacy.permit(Some(window));
        legacy
    }

    fn refuse_login(&mut self) {
        self.core.refuse_login();
    }
}

impl<C: LoginChannel> Server<C> {
    /// Answers [`Event::NeedPermit`], which comes in the clear alone: goes on with the login if the window permits it,
    /// or refuses it as [`AsksForPermit::refuse_login`] does.
    pub fn permit(&mut self, window: Option<LegacyWindow>) {
        match permit(&self.channel, window.as_ref()) {
            Some(permit) => self.core.login_permitted(&permit),
            None => self.core.refuse_login(),
        }
    }
}

impl<C: ChannelState> Server<C> {
    /// The conversation is over: the attempt to log in that is under way, if there is one, ended so. To be put on
    /// record.
    pub fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        self.core.logins.authentication()?.abort(how)
    }

    /// Ends the session without a word, as it is to be after silence (RFC 1939 §3). Messages marked deleted stay.
    pub fn hang_up(&mut self) {
        self.core.event = None;
        self.core.state = State::Over(None);
    }

    /// Ends the session from our side: says why, unless a message is on its way, and closes. Messages marked
    /// deleted stay (RFC 1939 §6).
    pub fn shut_down(&mut self) {
        if !matches!(
            self.core.state,
            State::Sending(_) | State::Listing { .. } | State::Upgrading | State::Over(_)
        ) {
            self.core
                .say("-ERR [SYS/TEMP] the server is going down; come back in a moment");
        }
        self.hang_up();
    }
}

impl<C: LoginChannel> Server<C> {
    /// Answers [`Event::Login`].
    pub fn answer_login(&mut self, answer: LoginAnswer) {
        self.core.answer_login(answer);
    }

    /// Whether the client has logged in and the maildrop is open.
    #[must_use]
    pub fn is_in_transaction(&self) -> bool {
        matches!(
            self.core.state,
            State::Transaction
                | State::Listing { .. }
                | State::Retrieving { .. }
                | State::Sending(_)
                | State::Updating
        )
    }
}

impl<C: ChannelState> Machine for Server<C> {
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

/// What both channels share.
#[derive(Debug)]
struct Core {
    limits: Limits,
    lines: LineBuffer,
    out: Vec<u8>,
    event: Option<Event>,
    state: State,
    logins: Logins,
    stls: Stls,
    maildrop: Maildrop,
    counts: SessionCounts,
}

#[derive(Debug)]
enum State {
    /// AUTHORIZATION. Holds the login that USER gave in the command just before.
    Authorization {
        user: Option<SecretBytes>,
    },
    /// A login came in the clear, in this line, which was not looked at.
    AwaitPermit {
        user: Option<SecretBytes>,
        line: SecretBytes,
    },
    /// The client owes the next line of an exchange.
    Exchange,
    /// The session owes an answer about a login.
    AwaitLogin,
    AwaitMaildrop,
    Transaction,
    Listing {
        what: Column,
        next: u32,
    },
    Retrieving {
        lines: Option<u32>,
    },
    Sending(Stuffer),
    Updating,
    Upgrading,
    /// Over, in order or by a violation.
    Over(Option<Violation>),
}

/// What a listing tells of each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Octets,
    UniqueId,
}

impl Column {
    fn line(self, number: u32, entry: Entry) -> String {
        match self {
            Self::Octets => format!("{number} {}", entry.octets),
            Self::UniqueId => format!("{number} {}", entry.id),
        }
    }
}

impl Core {
    fn new(limits: Limits, stls: Stls, logins: Logins) -> Self {
        Self {
            limits,
            lines: LineBuffer::new(command_lines(limits)),
            out: Vec::new(),
            event: None,
            state: State::Authorization { user: None },
            logins,
            stls,
            maildrop: Maildrop::default(),
            counts: SessionCounts::new(limits.session),
        }
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        loop {
            if !self.out.is_empty() {
                return Step::Output(self.take_output());
            }
            if let Some(event) = self.event.take() {
                return Step::Event(event);
            }
            match self.state {
                State::Authorization { .. } | State::Transaction | State::Exchange => {
                    match self.lines.next_line() {
                        Ok(Some(line)) => self.line(line.as_bytes()),
                        Ok(None) => return Step::NeedInput,
                        Err(error) => self.line_fault(error),
                    }
                }
                State::Listing { what, next } => self.list_on(what, next),
                State::AwaitPermit { .. }
                | State::AwaitLogin
                | State::AwaitMaildrop
                | State::Retrieving { .. }
                | State::Sending(_)
                | State::Updating
                | State::Upgrading => return Step::NeedReply,
                State::Over(None) => return Step::Close,
                State::Over(Some(violation)) => return Step::Err(violation),
            }
        }
    }

    /// At most [`MAX_OUTPUT`] octets; a piece of a message may have grown beyond by doubled dots.
    fn take_output(&mut self) -> SecretBytes {
        if self.out.len() <= MAX_OUTPUT {
            return std::mem::take(&mut self.out).into();
        }
        let rest = self.out.split_off(MAX_OUTPUT);
        std::mem::replace(&mut self.out, rest).into()
    }

    fn line(&mut self, line: &[u8]) {
        match std::mem::replace(&mut self.state, State::Transaction) {
            State::Exchange => self.exchange_line(line),
            State::Authorization { user } => self.authorization_line(user, line),
            _ => self.transaction_line(line),
        }
    }

    fn line_fault(&mut self, error: LineError) {
        if error.is_fatal() {
            self.say(&format!("-ERR {error}; lines end in CRLF"));
            self.state = State::Over(Some(Violation::Line(error)));
            return;
        }
        if matches!(self.state, State::Exchange) {
            return self.exchange_line_too_long();
        }
        if let State::Authorization { user } = &mut self.state {
            *user = None;
        }
        self.error(&format!("-ERR {error}"));
    }

    fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// Answers a line that is wrong, and ends the session after too many of them.
    fn error(&mut self, line: &str) {
        self.say(line);
        let counted = self.counts.bad();
        self.unless_too_many(counted);
    }

    /// Ends the session where a limit was reached.
    fn unless_too_many(&mut self, counted: Result<(), Violation>) {
        if let Err(violation) = counted {
            self.state = State::Over(Some(violation));
        }
    }

    fn entry(&self, number: NonZeroU32) -> Option<Entry> {
        self.maildrop.get(number)
    }
}

fn command_lines(limits: Limits) -> LineLimits {
    LineLimits {
        line: limits.command_line.saturating_sub(2),
        ..LineLimits::default()
    }
}

fn exchange_lines() -> LineLimits {
    LineLimits {
        line: MAX_LINE,
        ..LineLimits::default()
    }
}
