//! What a client machine tells its caller, and how things go wrong.

use std::fmt;

use pillarbox_names::Address;
use pillarbox_policy::{Refusal, RefusalCode};

use crate::Injected;
use crate::sasl::{Mechanism, client as sasl};
use crate::smtp::{Capabilities, ContentError, ReplyError, ServerReply};

/// What a client machine tells its caller.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server agreed to TLS and nothing stood behind its answer. Do the handshake.
    StartTls,
    /// The server answered EHLO inside TLS. Log in, or quit.
    Ready(Capabilities),
    /// The login succeeded.
    Authenticated(Mechanism),
    /// It did not; another may be tried.
    NotAuthenticated(LoginFailure),
    /// The sender was accepted, and every recipient answered. [`super::Client::go_ahead`] if any was
    /// accepted, or [`super::Client::give_up`].
    RecipientsAnswered {
        /// How many were accepted.
        accepted: usize,
        /// Those that were not.
        refused: Vec<RefusedRecipient>,
    },
    /// The next piece of content is wanted.
    NeedContent,
    /// The server has taken the message over.
    Sent(ServerReply),
    /// It has not.
    NotSent {
        /// What the server refused.
        stage: Stage,
        /// How.
        reply: ServerReply,
    },
    /// The message was given up, and another can be sent.
    GivenUp,
}

/// A recipient that the server did not accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRecipient {
    /// Who.
    pub address: Address,
    /// How.
    pub reply: ServerReply,
}

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The connection.
    Greeting,
    /// EHLO.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// The login.
    Auth,
    /// The sender.
    Sender,
    /// The beginning of the content.
    Data,
    /// The whole message.
    Content,
    /// RSET.
    Reset,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the connection",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "the login",
            Self::Sender => "the sender",
            Self::Data => "the beginning of the message",
            Self::Content => "the message",
            Self::Reset => "RSET",
        })
    }
}

/// Why a login failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginFailure {
    /// The server refused it.
    #[error("the server refused the login: {0}")]
    Refused(ServerReply),
    /// The exchange failed on our side; the reply to its cancellation was read.
    #[error("{0}")]
    Exchange(#[from] sasl::Failure),
    /// A challenge that is not base64.
    #[error("the server's challenge cannot be read")]
    UnreadableChallenge,
}

/// Why the conversation is over. Close the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The server does not list STARTTLS: it cannot, or somebody on the way removed it (C4).
    #[error(
        "the server does not offer encryption on this port; somebody on the way may be removing it"
    )]
    StartTlsNotOffered,
    /// The server answered STARTTLS with anything but 220 (C4).
    #[error(
        "the server would not start encryption ({0}); somebody on the way may be preventing it"
    )]
    StartTlsRefused(ServerReply),
    /// Bytes stood behind the answer to STARTTLS (C1).
    #[error(transparent)]
    Injected(Injected),
    /// The greeting was not 220, or EHLO not answered with 250; HELO is never tried (C5, C12).
    #[error("the server refused {stage}: {reply}")]
    Refused {
        /// What it refused.
        stage: Stage,
        /// How.
        reply: ServerReply,
    },
    /// A reply in the clear before the command it could answer was written (C13).
    #[error(
        "the server answered before it was asked; somebody on the way may be tampering with the connection"
    )]
    EarlyAnswer,
    /// Inside TLS, a reply before the command it could answer (C13).
    #[error("the server answered something nobody had asked")]
    Unsolicited,
    /// A reply with a code that cannot answer that command.
    #[error("the server's answer to {stage} makes no sense: {reply}")]
    Nonsense {
        /// What it was an answer to.
        stage: Stage,
        /// The answer.
        reply: ServerReply,
    },
    /// The server says it goes away (421).
    #[error("the server closes the connection: {0}")]
    GoingAway(ServerReply),
    /// The server reported a successful login without proving that it is the one we meant (R5802-2).
    #[error("{0}")]
    NotProved(sasl::Failure),
    /// A reply that cannot be read.
    #[error("{0}")]
    Reply(#[from] ReplyError),
    /// The content had the wrong line ends, so the message was cut off.
    #[error("the message was not sent: {0}")]
    Content(#[from] ContentError),
}

impl Failure {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::StartTlsNotOffered | Self::StartTlsRefused(_) => RefusalCode::StarttlsStripped,
            Self::Injected(injected) => injected.code(),
            Self::EarlyAnswer => RefusalCode::ResponseInjection,
            _ => RefusalCode::ProtocolViolation,
        }
    }
}

/// Why a login was not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// The session does not meet the account's level (S5-4).
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The server lists no mechanism that we use.
    #[error("the server offers no way to log in that this program uses")]
    NoMechanism,
    /// Login or password cannot be used.
    #[error("{0}")]
    Prepare(#[from] sasl::Failure),
    /// Something else is under way, or somebody is logged in.
    #[error("the session is not ready for a login")]
    OutOfTurn,
}

/// Why a message was not begun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody is logged in, or something else is under way.
    #[error("the session is not ready to send: log in first")]
    OutOfTurn,
    /// Nobody to send to.
    #[error("the message has no recipients")]
    NoRecipients,
    /// Over the server's limit (RFC 1870 §4).
    #[error("the message has {size} octets, and the server takes at most {limit}")]
    TooLarge {
        /// Octets of the message.
        size: u64,
        /// The server's limit.
        limit: u64,
    },
    /// Addresses or header fields beyond ASCII (RFC 6531 §3.2).
    #[error(
        "the message has addresses or header fields beyond ASCII, and the server cannot take them (no SMTPUTF8)"
    )]
    NeedsSmtpUtf8,
    /// Content beyond ASCII (RFC 6152 §3).
    #[error(
        "the message has content beyond ASCII, and the server cannot take it (no 8BITMIME); encode it"
    )]
    Needs8BitMime,
}
