//! What a session may cost before it is cut off, and how it can break the protocol beyond repair.

use pillarbox_policy::Code;

use crate::imap::framing::FrameLimits;
use crate::line::LineError;
use crate::{Injected, imap::framing::FrameError};

/// Limits of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lines and commands before authentication.
    pub before_login: FrameLimits,
    /// Lines and commands after it. Clients that name thousands of messages in one command need room.
    pub after_login: FrameLimits,
    /// Commands that could not be read before the session ends, before authentication.
    pub bad_before_login: u32,
    /// The same after authentication, counted since the last good command.
    pub bad_after_login: u32,
    /// Failed authentications before the session ends.
    pub failed_logins: u32,
    /// The largest message APPEND takes, in octets.
    pub message: u64,
    /// The largest unwanted literal that is read past, in octets; a larger one ends the session.
    pub skip: u64,
}

impl Default for Limits {
    /// 8 KiB a line before authentication and 64 KiB after it, 128 KiB a command, 64 MiB a message.
    fn default() -> Self {
        Self {
            before_login: FrameLimits {
                line: 8 * 1024,
                text: 16 * 1024,
                discard: 0,
            },
            after_login: FrameLimits {
                line: 64 * 1024,
                text: 128 * 1024,
                discard: 64 * 1024,
            },
            bad_before_login: 5,
            bad_after_login: 50,
            failed_logins: 3,
            message: 64 * 1024 * 1024,
            skip: 1024 * 1024,
        }
    }
}

/// How a client can break the protocol beyond repair. Where a reply is owed it was put out before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// Bytes followed STARTTLS in the clear (S1).
    #[error(transparent)]
    Injected(#[from] Injected),
    /// The line grammar was broken in a way after which lines cannot be told apart (S8).
    #[error("the client broke the line grammar: {0}")]
    Line(LineError),
    /// The first words are those of an HTTP request (S6). Nothing was answered.
    #[error("the client speaks HTTP")]
    Http,
    /// Too many commands that could not be read.
    #[error("too many bad commands")]
    TooManyBad,
    /// Too many failed authentications.
    #[error("too many failed logins")]
    TooManyLogins,
    /// A literal that is neither wanted nor small enough to read past.
    #[error("a literal of {0} octets that nobody asked for")]
    Literal(u64),
    /// A command longer than the limit.
    #[error("a command over the limit")]
    TextTooLong,
}

impl Violation {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Injected(injected) => injected.code(),
            _ => Code::ProtocolViolation,
        }
    }
}

impl From<FrameError> for Violation {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Line(error) => Self::Line(error),
            FrameError::TextTooLong => Self::TextTooLong,
        }
    }
}
