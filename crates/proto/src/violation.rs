//! [`Violation`]: how a client can break a protocol beyond repair, the same for IMAP, POP3 and submission.

use pillarbox_policy::RefusalCode;

use crate::Injected;
use crate::line::LineError;

/// How a client broke the protocol beyond repair. It got the reply it was owed; the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Bytes followed STARTTLS or STLS in the clear (S1).
    #[error(transparent)]
    Injected(#[from] Injected),
    /// Lines cannot be told apart any more (S8).
    #[error("the client broke the line grammar: {0}")]
    Line(LineError),
    /// An HTTP request (S6).
    #[error("the client sent an HTTP request")]
    Http,
    /// More bad commands than [`crate::SessionLimits`] allows.
    #[error("too many bad commands")]
    TooManyBadCommands,
    /// More commands before a login than [`crate::SessionLimits`] allows.
    #[error("too many commands before a login")]
    TooManyCommands,
    /// More failed logins than [`crate::SessionLimits`] allows.
    #[error("too many failed logins")]
    TooManyFailedLogins,
    /// IMAP: a literal that is neither wanted nor small enough to read past.
    #[error("a literal of {0} octets that nobody asked for")]
    Literal(u64),
    /// Submission: content, or a chunk, far over the limit.
    #[error("the client sends content without end")]
    TooMuchContent,
    /// Submission: a BDAT whose length cannot be read, so that its chunk cannot be told from commands.
    #[error("the client sent a BDAT without a readable length")]
    UnreadableChunk,
}

impl Violation {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Injected(injected) => injected.code(),
            _ => RefusalCode::ProtocolViolation,
        }
    }
}
