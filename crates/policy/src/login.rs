//! [`LoginOutcome`]: how an attempt to log in ended. The protocol machines report it, the server records it, and
//! the log and the operator's report print it; each attempt has exactly one.

use std::fmt;
use std::str::FromStr;

use crate::{LadderRefusal, TlsVersion};

/// How an attempt to log in ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginOutcome {
    /// The client is logged in.
    Succeeded,
    /// The server refused it.
    Refused(LoginRefusal),
    /// The client did not come to the end of it.
    Aborted(LoginAbort),
    /// The exchange shows that somebody may stand between client and server (RFC 5802 §6).
    TamperingSuspected(Tampering),
}

/// Why a server refuses a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginRefusal {
    /// The login name or its proof is wrong; which of both is neither told nor recorded.
    Credentials,
    /// The client asked to act for another login.
    OtherIdentity,
    /// The client binds to the connection in a way that is not `tls-exporter` (RFC 9266 §3).
    UnsupportedBinding,
    /// The account has climbed past this channel. Its password was not looked at.
    Ladder(LadderRefusal),
    /// The password is right and has to be changed before it can be used again (S4.1-6).
    PasswordChangeNeeded,
    /// Too many attempts have failed of late; nothing was looked at.
    TooManyFailures,
    /// The server cannot tell now.
    Unavailable,
}

/// Why an attempt did not come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginAbort {
    /// The client sent `*`.
    Cancelled,
    /// The client's message does not follow the mechanism's grammar, or broke the protocol.
    Malformed,
    /// The connection ended in the middle.
    Disconnected,
    /// The client took too long.
    TimedOut,
    /// The server was shutting down.
    ShutDown,
}

/// What in an exchange shows that somebody may stand between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tampering {
    /// The client is bound to another TLS connection than this one.
    ChannelBinding,
    /// The client could bind and did not see the PLUS mechanism that is offered: flag `y` (RFC 5802 §6).
    PlusStripped,
    /// The client's channel binding flag does not fit the mechanism that was asked for in its name.
    BindingFlag,
    /// The client's last message belongs to another exchange.
    Nonce,
}

impl LoginOutcome {
    /// Every outcome. No account is refused for want of TLS 1.2: nothing older is spoken.
    pub const ALL: [Self; 19] = [
        Self::Succeeded,
        Self::Refused(LoginRefusal::Credentials),
        Self::Refused(LoginRefusal::OtherIdentity),
        Self::Refused(LoginRefusal::UnsupportedBinding),
        Self::Refused(LoginRefusal::Ladder(LadderRefusal::NeedsTls)),
        Self::Refused(LoginRefusal::Ladder(LadderRefusal::NeedsImplicitTls)),
        Self::Refused(LoginRefusal::Ladder(LadderRefusal::NeedsVersion(
            TlsVersion::Tls13,
        ))),
        Self::Refused(LoginRefusal::PasswordChangeNeeded),
        Self::Refused(LoginRefusal::TooManyFailures),
        Self::Refused(LoginRefusal::Unavailable),
        Self::Aborted(LoginAbort::Cancelled),
        Self::Aborted(LoginAbort::Malformed),
        Self::Aborted(LoginAbort::Disconnected),
        Self::Aborted(LoginAbort::TimedOut),
        Self::Aborted(LoginAbort::ShutDown),
        Self::TamperingSuspected(Tampering::ChannelBinding),
        Self::TamperingSuspected(Tampering::PlusStripped),
        Self::TamperingSuspected(Tampering::BindingFlag),
        Self::TamperingSuspected(Tampering::Nonce),
    ];

    /// The stable word for it in records and logs; never renamed. A refusal of the ladder has its [`RefusalCode`].
    ///
    /// [`RefusalCode`]: crate::RefusalCode
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "ok",
            Self::Refused(LoginRefusal::Credentials) => "bad-credentials",
            Self::Refused(LoginRefusal::OtherIdentity) => "other-identity",
            Self::Refused(LoginRefusal::UnsupportedBinding) => "unsupported-binding",
            Self::Refused(LoginRefusal::Ladder(refusal)) => refusal.code().as_str(),
            Self::Refused(LoginRefusal::PasswordChangeNeeded) => "password-change-needed",
            Self::Refused(LoginRefusal::TooManyFailures) => "too-many-failures",
            Self::Refused(LoginRefusal::Unavailable) => "unavailable",
            Self::Aborted(LoginAbort::Cancelled) => "cancelled",
            Self::Aborted(LoginAbort::Malformed) => "malformed",
            Self::Aborted(LoginAbort::Disconnected) => "disconnected",
            Self::Aborted(LoginAbort::TimedOut) => "timed-out",
            Self::Aborted(LoginAbort::ShutDown) => "shut-down",
            Self::TamperingSuspected(Tampering::ChannelBinding) => "tampering-channel-binding",
            Self::TamperingSuspected(Tampering::PlusStripped) => "tampering-plus-stripped",
            Self::TamperingSuspected(Tampering::BindingFlag) => "tampering-binding-flag",
            Self::TamperingSuspected(Tampering::Nonce) => "tampering-nonce",
        }
    }
}

impl fmt::Display for LoginOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word of no [`LoginOutcome`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no outcome of a login")]
pub struct UnknownOutcome(pub String);

impl FromStr for LoginOutcome {
    type Err = UnknownOutcome;

    fn from_str(word: &str) -> Result<Self, UnknownOutcome> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
            .ok_or_else(|| UnknownOutcome(word.to_owned()))
    }
}
