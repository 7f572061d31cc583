//! What an attempt to log in ends in: [`AccountHandle`] or [`Denied`].

use pillarbox_policy::{Admission, LadderRefusal};
use pillarbox_store::{AccountId, LoginOutcome, LoginRefusal};

/// Proof that an account has logged in. Made by [`super::Authenticator`] and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountHandle {
    /// The account.
    pub id: AccountId,
    /// Its full address, as it was given when the account was made.
    pub address: String,
    /// The ladder admitted the channel.
    admission: Admission,
}

impl AccountHandle {
    pub(super) fn new(id: AccountId, address: String, admission: Admission) -> Self {
        Self {
            id,
            address,
            admission,
        }
    }

    /// The ladder's admission of the channel this login came over.
    #[must_use]
    pub fn admission(&self) -> Admission {
        self.admission
    }
}

/// Why an attempt was refused, as far as the peer may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The login name or its proof is wrong; which of them is not told. IMAP `[AUTHENTICATIONFAILED]`,
    /// SMTP `535 5.7.8`, POP3 `-ERR [AUTH]`.
    #[error("wrong login name or password")]
    Credentials,
    /// Every refusal on a cleartext channel, whatever its reason: the session answers byte for byte what it
    /// answers to a login where none is permitted before TLS (S4.1-4, S4.1-5). IMAP `[PRIVACYREQUIRED]`,
    /// SMTP `538 5.7.11`, POP3 `-ERR [AUTH]`.
    #[error("encryption is required before logging in")]
    PrivacyRequired,
    /// Inside TLS: the account has climbed past this channel. The password was not looked at, so this says
    /// nothing about it. IMAP `[PRIVACYREQUIRED]`, SMTP `534 5.7.9`, POP3 `-ERR [AUTH]`.
    #[error("{0}")]
    Ladder(LadderRefusal),
    /// Too many attempts have failed lately for this name from this address; nothing was looked at. IMAP
    /// `[UNAVAILABLE]`, SMTP `454 4.7.0`, POP3 `-ERR [SYS/TEMP]`.
    #[error("too many failed attempts; try again in a minute")]
    TooManyFailures,
    /// The server cannot tell now. IMAP `[UNAVAILABLE]`, SMTP `454 4.7.0`, POP3 `-ERR [SYS/TEMP]`.
    #[error("logging in is not possible at the moment; try again later")]
    Unavailable,
}

/// What became of an attempt, as it stands in the log and the login record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    BadCredentials,
    Ladder(LadderRefusal),
    TooManyFailures,
    Unavailable,
}

impl Outcome {
    /// What the peer is told inside TLS; on a cleartext channel it is told [`Denied::PrivacyRequired`].
    pub(crate) fn denied_inside_tls(self) -> Option<Denied> {
        match self {
            Self::Ok => None,
            Self::BadCredentials => Some(Denied::Credentials),
            Self::Ladder(refusal) => Some(Denied::Ladder(refusal)),
            Self::TooManyFailures => Some(Denied::TooManyFailures),
            Self::Unavailable => Some(Denied::Unavailable),
        }
    }
}

impl From<Outcome> for LoginOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Ok => Self::Succeeded,
            Outcome::BadCredentials => Self::Refused(LoginRefusal::BadCredentials),
            Outcome::Ladder(refusal) => Self::Refused(LoginRefusal::Ladder(refusal)),
            Outcome::TooManyFailures => Self::Refused(LoginRefusal::TooManyFailures),
            Outcome::Unavailable => Self::Refused(LoginRefusal::Unavailable),
        }
    }
}
