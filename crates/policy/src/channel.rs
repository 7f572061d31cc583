//! The server's side: may this session authenticate now? One rule, one function.

use crate::{NoTls, Timestamp, TlsFacts};

/// What a server session runs over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// TLS, with its facts.
    Sealed(TlsFacts),
    /// Cleartext, with the reason.
    Clear(NoTls),
}

impl Channel {
    /// The facts, where there are any.
    #[must_use]
    pub fn facts(&self) -> Option<&TlsFacts> {
        match self {
            Self::Sealed(facts) => Some(facts),
            Self::Clear(_) => None,
        }
    }
}

/// A listener on which the operator has granted named accounts a dated exception for cleartext (S4.1-12).
///
/// Without one a machine does not even parse the arguments of LOGIN, AUTH, USER and PASS on a cleartext
/// channel. Which accounts may use it is decided by their [`crate::Ladder`], before any password is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyWindow {
    until: Timestamp,
}

impl LegacyWindow {
    /// A window that is open at `now`, if the operator's grant lasts that long.
    #[must_use]
    pub fn open(until: Timestamp, now: Timestamp) -> Option<Self> {
        (now < until).then_some(Self { until })
    }

    /// When it closes.
    #[must_use]
    pub fn until(&self) -> Timestamp {
        self.until
    }
}

/// The answer to "may this session authenticate now?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayAuthenticate {
    /// Credentials may be taken on this channel; here is the proof a machine asks for.
    Yes(AuthPermit),
    /// Not before TLS: say PRIVACYREQUIRED / 530 / -ERR without looking at the arguments (S4.1-4, R9051-1).
    NotBeforeTls,
}

/// Proof that [`may_authenticate`] said yes. A machine parses credentials only when it holds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthPermit(());

/// May this session authenticate now? Asked by CAPABILITY, EHLO, CAPA, LOGIN, AUTHENTICATE, USER/PASS and
/// AUTH alike (R4954-1, R9051-1, R5034-1, R2595-2).
#[must_use]
pub fn may_authenticate(channel: &Channel, window: Option<&LegacyWindow>) -> MayAuthenticate {
    match (channel, window) {
        (Channel::Sealed(_), _) | (Channel::Clear(_), Some(_)) => {
            MayAuthenticate::Yes(AuthPermit(()))
        }
        (Channel::Clear(_), None) => MayAuthenticate::NotBeforeTls,
    }
}
