//! The server's machine.
//!
//! ```
//! use pillarbox_proto::{Machine, Sealed, Start, Step};
//! use pillarbox_proto::pop3::server::{Config, Server};
//!
//! let channel = Sealed::new(pillarbox_testkit::facts());
//! let mut server = Server::<Sealed>::start(&channel, Config::default());
//! server.input(b"NOOP\r\n");
//! assert_eq!(server.poll(), Step::Output(b"+OK Pillarbox ready\r\n".into()));
//! assert_eq!(server.poll(), Step::Output(b"-ERR log in first\r\n".into()));
//! assert_eq!(server.poll(), Step::NeedInput);
//! ```
//!
//! The session answers an [`Event`] by the method its documentation names; until then the machine says
//! [`Step::NeedReply`](crate::Step::NeedReply). An answer that nobody asked for changes nothing.
//!
//! A password, or a mailbox, needs TLS, or a window of the operator's:
//! ```
//! use pillarbox_proto::{LoginChannel, LoginMachine, pop3::maildrop::Maildrop, pop3::server::Server};
//! use pillarbox_proto::sasl::LoginAnswer;
//! fn let_in<C: LoginChannel>(server: &mut Server<C>) {
//!     server.answer_login(LoginAnswer::Accept);
//! }
//! fn open<C: LoginChannel>(server: &mut Server<C>, maildrop: Maildrop) {
//!     server.open(maildrop);
//! }
//! ```
//! ```compile_fail,E0599
//! use pillarbox_proto::{Clear, LoginMachine, pop3::server::Server, sasl::LoginAnswer};
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

use pillarbox_policy::SecretBytes;

use super::maildrop::{Entry, Maildrop};
use super::stuffing::Stuffer;
use crate::line::LineError;
use crate::sasl::{LoginReply, Logins, MAX_LINE};
use crate::server::protocol::{Progress, Protocol, Shared};
use crate::server::{self, Goodbye};
use crate::{LoginChannel, SessionLimits};

pub use crate::Violation;
pub use crate::sasl::LoginsInClear;
pub use crate::server::StartTls;

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

/// What a session is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Its limits.
    pub limits: Limits,
    /// Whether STLS can succeed. Asked of cleartext sessions only.
    pub starttls: StartTls,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            starttls: StartTls::Offered,
        }
    }
}

/// What the session has to know or answer.
pub type Event = server::Event<Request>;

/// What a POP3 session is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
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

/// The server's machine.
pub type Server<C> = server::Server<Pop3, C>;

impl<C: LoginChannel> Server<C> {
    /// Whether the client has logged in and the maildrop is open.
    #[must_use]
    pub fn is_in_transaction(&self) -> bool {
        !self.protocol.shared.is_over()
            && !matches!(
                self.protocol.state,
                State::Authorization { .. } | State::AwaitMaildrop
            )
    }
}

/// What a session is, over any channel.
#[derive(Debug)]
pub struct Pop3 {
    shared: Shared<Request>,
    state: State,
    starttls: StartTls,
    maildrop: Maildrop,
}

#[derive(Debug)]
enum State {
    /// AUTHORIZATION. Holds the login that USER gave in the command just before.
    Authorization {
        user: Option<SecretBytes>,
    },
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

/// The one answer to every login on a cleartext channel that may not be, whatever its arguments (S4.1-5).
const PRIVACY_REQUIRED: &str = "-ERR [AUTH] encryption is required before logging in";

impl Protocol for Pop3 {
    type Config = Config;
    type Request = Request;

    /// Each reply by itself: a session waits for the answer to most of its commands.
    const FLUSH: usize = 1;
    const CHALLENGE: &'static [u8] = b"+ ";

    fn new(config: Config, logins: Logins) -> Self {
        let limits = config.limits;
        let command = limits.command_line.saturating_sub(2);
        Self {
            // There is none inside TLS.
            starttls: if logins.are_sealed() {
                StartTls::NoCertificate
            } else {
                config.starttls
            },
            shared: Shared::new(command, MAX_LINE, limits.session, logins),
            state: State::Authorization { user: None },
            maildrop: Maildrop::default(),
        }
    }

    fn shared(&self) -> &Shared<Request> {
        &self.shared
    }

    fn shared_mut(&mut self) -> &mut Shared<Request> {
        &mut self.shared
    }

    fn greet(&mut self) {
        self.say("+OK Pillarbox ready");
    }

    fn work(&mut self) -> Progress {
        match self.state {
            State::Authorization { .. } | State::Transaction => {
                match self.shared.lines.next_line() {
                    Ok(Some(line)) => self.line(line.as_bytes()),
                    Ok(None) => return Progress::NeedInput,
                    Err(error) => self.broken_line(error),
                }
                Progress::Done
            }
            State::Listing { what, next } => {
                self.list_on(what, next);
                Progress::Done
            }
            State::AwaitMaildrop
            | State::Retrieving { .. }
            | State::Sending(_)
            | State::Updating => Progress::NeedReply,
        }
    }

    fn permitted_login(&mut self, line: &[u8]) {
        let user = self.take_user();
        self.authorization_command(user, line);
    }

    fn refuse_login(&mut self) {
        self.take_user();
        self.error(PRIVACY_REQUIRED);
    }

    fn login_reply(&mut self, reply: LoginReply) {
        Self::login_reply(self, reply);
    }

    fn last_words(&mut self, violation: Violation) {
        match violation {
            Violation::Line(error) => self.say(&format!("-ERR {error}; lines end in CRLF")),
            Violation::TooManyCommands => self.say("-ERR too many commands before login"),
            Violation::Injected(_) => self.say("-ERR nothing may follow STLS before the reply"),
            // Nothing is answered that could help whoever sent a browser here (S6).
            _ => {}
        }
    }

    /// Who is silent gets no response (RFC 1939 §3), and none stands within a message. Messages marked deleted stay
    /// (RFC 1939 §6).
    fn say_goodbye(&mut self, why: Goodbye) {
        let is_telling = matches!(self.state, State::Sending(_) | State::Listing { .. });
        if why == Goodbye::ShuttingDown && !is_telling {
            self.say("-ERR [SYS/TEMP] the server is going down; come back in a moment");
        }
        self.shared.end(Ok(()));
    }
}

impl Pop3 {
    fn line(&mut self, line: &[u8]) {
        match self.state {
            State::Authorization { .. } => self.authorization_line(line),
            _ => self.transaction_line(line),
        }
    }

    fn broken_line(&mut self, error: LineError) {
        if error.is_fatal() {
            return self.give_up(Violation::Line(error));
        }
        self.take_user();
        self.error(&format!("-ERR {error}"));
    }

    /// The login that USER gave, which serves the next command alone.
    fn take_user(&mut self) -> Option<SecretBytes> {
        match &mut self.state {
            State::Authorization { user } => user.take(),
            _ => None,
        }
    }

    fn say(&mut self, line: &str) {
        self.shared.say(line);
    }

    /// Answers a line that is wrong, and ends the session after too many of them.
    fn error(&mut self, line: &str) {
        self.say(line);
        let counted = self.shared.counts.bad();
        self.unless_too_many(counted);
    }

    fn entry(&self, number: NonZeroU32) -> Option<Entry> {
        self.maildrop.get(number)
    }
}
