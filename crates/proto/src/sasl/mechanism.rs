//! [`Mechanism`]: the mechanisms there are, by strength, and the one rule of what a server lists.

use std::fmt;

use pillarbox_policy::Channel;

/// A SASL mechanism that Pillarbox speaks. Ordered by strength, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mechanism {
    /// `LOGIN`, never standardised. Server side only, for old clients, and only inside TLS.
    Login,
    /// `PLAIN`, RFC 4616.
    Plain,
    /// `SCRAM-SHA-256`, RFC 7677: the password never crosses the wire.
    ScramSha256,
    /// `SCRAM-SHA-256-PLUS`: besides, nobody can stand in the middle of the TLS connection (RFC 9266).
    ScramSha256Plus,
}

impl Mechanism {
    /// Every mechanism, weakest first.
    pub const ALL: [Self; 4] = [
        Self::Login,
        Self::Plain,
        Self::ScramSha256,
        Self::ScramSha256Plus,
    ];

    /// The name in the IANA registry of SASL mechanisms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }

    /// The mechanism of this name, without regard to ASCII case.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.as_str().as_bytes().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a server lists and accepts on this channel, strongest first, where policy permits a login at all (R5802-1,
/// R7677-1).
///
/// `SCRAM-SHA-256-PLUS` stands in it exactly where the connection has a channel binding, which `transport`
/// gives it only under TLS 1.3 or the extended master secret. `LOGIN` stands in it only inside TLS.
///
/// A server machine asks its [`super::server::Offer`], which also knows whether the binding was used.
#[must_use]
pub fn mechanisms_offered(channel: Channel<'_>) -> &'static [Mechanism] {
    match channel.facts().map(|facts| facts.binding().is_some()) {
        Some(true) => &[
            Mechanism::ScramSha256Plus,
            Mechanism::ScramSha256,
            Mechanism::Plain,
            Mechanism::Login,
        ],
        Some(false) => &[Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login],
        None => &[Mechanism::ScramSha256, Mechanism::Plain],
    }
}
