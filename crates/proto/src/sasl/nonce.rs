//! [`Nonce`]: randomness as an input.

use super::coding;

/// One end's part of a SCRAM nonce (RFC 5802 §5.1): printable, without a comma.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// Octets of randomness that go in.
    pub const RANDOM: usize = 18;

    /// The nonce of these octets, which must be fresh and come from a cryptographic source.
    #[must_use]
    pub fn from_random(random: [u8; Self::RANDOM]) -> Self {
        Self(coding::encode(&random).to_string())
    }

    /// As it stands in messages.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nonce of a published example, which is no base64 of 18 octets.
    #[cfg(test)]
    pub(crate) fn of_example(text: &str) -> Self {
        Self(text.to_owned())
    }
}
