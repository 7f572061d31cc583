//! [`Logins`]: whether a server's session takes logins, by what it runs over.

use pillarbox_policy::AuthPermit;

use super::authentication::Authentication;
use super::mechanism::{Mechanism, mechanisms_offered};
use crate::channel::{ChannelState, Sealed, permit};

/// Whether a cleartext session lists ways to log in: where a grant is open to its peer. Only a hint to the client;
/// each login is asked about when it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginsInClear {
    /// They are listed.
    Listed,
    /// They are not.
    NotListed,
}

/// How logins are taken.
#[derive(Debug)]
pub enum Logins {
    /// In the clear: each is asked about before it is looked at. What is listed meanwhile, if anything.
    Ask {
        listed: Option<&'static [Mechanism]>,
    },
    /// In the clear: this one is permitted.
    Once(Authentication),
    /// Inside TLS.
    Open(Authentication),
}

impl Logins {
    /// Of a session in the clear.
    pub(crate) fn in_clear(channel: &impl ChannelState, logins: LoginsInClear) -> Self {
        Self::Ask {
            listed: match logins {
                LoginsInClear::Listed => Some(mechanisms_offered(channel.view())),
                LoginsInClear::NotListed => None,
            },
        }
    }

    /// Of a session inside TLS.
    pub(crate) fn sealed(channel: &Sealed) -> Self {
        match permit(channel, None) {
            Some(permit) => Self::Open(Authentication::new(&permit)),
            None => Self::Ask { listed: None },
        }
    }

    /// The login that comes next may be read.
    pub(crate) fn permitted(&mut self, permit: &AuthPermit<'_>) {
        *self = Self::Once(Authentication::new(permit));
    }

    /// In the clear, the next login is asked about anew.
    pub(crate) fn ask_again(&mut self) {
        if let Self::Once(authentication) = self {
            let listed = Some(authentication.mechanisms());
            *self = Self::Ask { listed };
        }
    }

    /// What is listed, where anything is.
    pub(crate) fn listed(&self) -> Option<&'static [Mechanism]> {
        match self {
            Self::Ask { listed } => *listed,
            Self::Once(authentication) | Self::Open(authentication) => {
                Some(authentication.mechanisms())
            }
        }
    }

    /// Where a login may be read.
    pub(crate) fn authentication(&mut self) -> Option<&mut Authentication> {
        match self {
            Self::Ask { .. } => None,
            Self::Once(authentication) | Self::Open(authentication) => Some(authentication),
        }
    }

    pub(crate) fn are_sealed(&self) -> bool {
        matches!(self, Self::Open(_))
    }
}

#[cfg(test)]
mod tests;
