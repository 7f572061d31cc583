//! The server's side: may this session authenticate now? One rule, one function.

use std::net::IpAddr;

use crate::{ConnectionId, LegacyWindow, NoTls, TlsFacts};

/// What is known of a connection without TLS.
#[derive(Debug, PartialEq, Eq)]
pub struct ClearFacts {
    connection: ConnectionId,
    peer: IpAddr,
    reason: NoTls,
}

impl ClearFacts {
    /// Of this connection with `peer`, which has no TLS for this reason.
    #[must_use]
    pub fn new(connection: ConnectionId, peer: IpAddr, reason: NoTls) -> Self {
        Self {
            connection,
            peer,
            reason,
        }
    }

    /// The connection whose facts these are.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// The other end's address.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Why there is no TLS.
    #[must_use]
    pub fn reason(&self) -> &NoTls {
        &self.reason
    }
}

/// What a session runs over: a view of its connection, which it cannot outlive.
#[derive(Debug, Clone, Copy)]
pub enum Channel<'c> {
    /// TLS, with its facts.
    Sealed(&'c TlsFacts),
    /// Cleartext, with the reason.
    Clear(&'c ClearFacts),
}

impl<'c> Channel<'c> {
    /// The facts, where there are any.
    #[must_use]
    pub fn facts(self) -> Option<&'c TlsFacts> {
        match self {
            Self::Sealed(facts) => Some(facts),
            Self::Clear(_) => None,
        }
    }

    /// The connection it is a view of.
    #[must_use]
    pub fn connection(self) -> ConnectionId {
        match self {
            Self::Sealed(facts) => facts.connection(),
            Self::Clear(facts) => facts.connection(),
        }
    }
}

/// The answer to "may this session authenticate now?".
#[derive(Debug)]
pub enum MayAuthenticate<'c> {
    /// Credentials may be taken on this channel; here is the proof a machine asks for.
    Yes(AuthPermit<'c>),
    /// Not before TLS: say PRIVACYREQUIRED / 530 / -ERR without looking at the arguments (S4.1-4, R9051-1).
    NotBeforeTls,
}

/// Proof that [`may_authenticate`] said yes to one channel. A machine parses credentials only when it holds
/// one.
///
/// It can be used for its channel:
/// ```
/// use pillarbox_policy::{AuthPermit, Channel};
/// fn channel<'c>(permit: &AuthPermit<'c>) -> Channel<'c> {
///     permit.channel()
/// }
/// ```
/// It cannot be used twice or kept for the next login:
/// ```compile_fail,E0382
/// use pillarbox_policy::AuthPermit;
/// fn twice(permit: AuthPermit<'_>, log_in: fn(AuthPermit<'_>)) {
///     log_in(permit);
///     log_in(permit);
/// }
/// ```
/// nor outlive its channel:
/// ```compile_fail,E0505
/// use pillarbox_policy::{Channel, MayAuthenticate, TlsFacts, may_authenticate};
/// fn keep(facts: TlsFacts) {
///     let answer = may_authenticate(Channel::Sealed(&facts), None);
///     drop(facts);
///     let MayAuthenticate::Yes(_permit) = answer else { return };
/// }
/// ```
/// nor be made up:
/// ```compile_fail,E0451
/// use pillarbox_policy::{AuthPermit, Channel};
/// fn forge(channel: Channel<'_>) -> AuthPermit<'_> {
///     AuthPermit { channel }
/// }
/// ```
#[derive(Debug)]
pub struct AuthPermit<'c> {
    channel: Channel<'c>,
}

impl<'c> AuthPermit<'c> {
    /// The channel it permits.
    #[must_use]
    pub fn channel(&self) -> Channel<'c> {
        self.channel
    }
}

/// May this session authenticate now? Asked by CAPABILITY, EHLO, CAPA, LOGIN, AUTHENTICATE, USER/PASS and
/// AUTH alike (R4954-1, R9051-1, R5034-1, R2595-2).
///
/// In the clear only with a window that was opened for this very peer (S4.1-12).
#[must_use]
pub fn may_authenticate<'c>(
    channel: Channel<'c>,
    window: Option<&LegacyWindow>,
) -> MayAuthenticate<'c> {
    let permitted = match channel {
        Channel::Sealed(_) => true,
        Channel::Clear(facts) => window.is_some_and(|window| window.peer() == facts.peer()),
    };
    if permitted {
        MayAuthenticate::Yes(AuthPermit { channel })
    } else {
        MayAuthenticate::NotBeforeTls
    }
}
