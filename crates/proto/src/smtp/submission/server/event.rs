//! What a server machine tells its owner.

use pillarbox_policy::{Code, Secret};

use crate::Injected;
use crate::line::LineError;
use crate::sasl::{Mechanism, server::ScramOutcome};
use crate::smtp::{Mail, Rcpt};

/// Whether a cleartext session lists ways to log in: where a grant is open to its peer. Only a hint to the client;
/// each login is asked about when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginsInClear {
    /// They are listed.
    Listed,
    /// They are not.
    NotListed,
}

/// What a server machine tells its session. The answer each one waits for stands with it; those without one
/// need none.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The go-ahead for TLS is output and nothing stood behind the command. Do the handshake.
    StartTls,
    /// AUTH came in the clear, and nothing of it was looked at. Read the grants now, and answer with the window that
    /// is open, or [`crate::AsksForPermit::refuse_login`].
    NeedPermit,
    /// AUTH begins: [`super::Server::nonce`].
    NeedNonce,
    /// [`super::Server::scram_keys`].
    NeedScramKeys {
        /// How it came.
        mechanism: Mechanism,
        /// Whose; may be nobody's, and is answered all the same.
        login: String,
    },
    /// Is this the password, and may the login be used here? [`super::Server::login_decided`].
    CheckPassword {
        /// How it came.
        mechanism: Mechanism,
        /// The login, prepared.
        login: String,
        /// The password, prepared.
        password: Secret,
    },
    /// May the login be used here? [`super::Server::login_decided`].
    CheckScram {
        /// How it came.
        mechanism: Mechanism,
        /// The login, prepared.
        login: String,
        /// Whether it knew the password.
        outcome: ScramOutcome,
    },
    /// Success was put out.
    Authenticated {
        /// How it came.
        mechanism: Mechanism,
        /// The login, prepared.
        login: String,
    },
    /// May a transaction begin with this sender? [`super::Server::accept`] or [`super::Server::refuse`].
    Sender(Mail),
    /// One more recipient: accept or refuse.
    Recipient(Rcpt),
    /// Content is about to come for the recipients accepted: accept or refuse.
    ContentBegins,
    /// A piece of content, dots undone, at most 16 KiB. [`super::Server::refuse`] may be called now, and the
    /// rest is thrown away.
    Content(Vec<u8>),
    /// All content came, within the limit and with CRLF line ends throughout. Accept when it is on stable
    /// storage, or refuse.
    ContentEnds,
    /// The transaction is over without a message: throw away what came of it.
    TransactionAbandoned,
}

/// How a client broke the protocol beyond repair. It got the reply it was owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Bytes stood behind STARTTLS (S1).
    #[error(transparent)]
    Injected(Injected),
    /// Lines cannot be told apart any more.
    #[error("the client sent a {0}")]
    Line(LineError),
    /// An HTTP request (S6).
    #[error("the client sent an HTTP request")]
    Http,
    /// Too many lines without sense (S6).
    #[error("the client sent too many lines that make no sense")]
    TooManyErrors,
    /// Too many commands before a login.
    #[error("the client sent too many commands without a login")]
    TooManyCommands,
    /// Too many failed logins.
    #[error("too many logins failed")]
    TooManyFailedLogins,
    /// Content, or a chunk, far over the limit.
    #[error("the client sends content without end")]
    TooMuchContent,
    /// A BDAT whose length cannot be read, so that its chunk cannot be told from commands.
    #[error("the client sent a BDAT without a readable length")]
    UnreadableChunk,
}

impl Violation {
    /// The stable machine code.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::Injected(injected) => injected.code(),
            _ => Code::ProtocolViolation,
        }
    }
}

/// The owner's decision about a login. In the clear every answer but the first looks the same, and the same
/// as AUTH without a window (S4.1-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginAnswer {
    /// Let it in. Without effect where a SCRAM proof was refuted.
    Accept,
    /// Do not: wrong or unknown; which is not told.
    Refuse,
    /// The account needs a better channel than this one; its password was not looked at (534).
    ChannelTooWeak,
    /// Right, but the password has to be changed first (S4.1-6, 432).
    PasswordChangeNeeded,
    /// It cannot be told now (454).
    Unavailable,
}
