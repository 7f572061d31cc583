//! What a session may cost before it is cut off.

use crate::SessionLimits;
use crate::imap::framing::FrameLimits;

/// Limits of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Lines and commands before authentication.
    pub before_login: FrameLimits,
    /// Lines and commands after it. Clients that name thousands of messages in one command need room.
    pub after_login: FrameLimits,
    /// What is the same for all protocols.
    pub session: SessionLimits,
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
            session: SessionLimits::default(),
            message: 64 * 1024 * 1024,
            skip: 1024 * 1024,
        }
    }
}
