//! Randomness, which the machines take as an input.

use pillarbox_proto::imap::client::TagSeed;
use pillarbox_proto::sasl::Nonce;
use pillarbox_transport::random::{NoRandomness, bytes};

/// A nonce for one SASL exchange.
pub(crate) fn nonce() -> Result<Nonce, NoRandomness> {
    bytes().map(|octets| Nonce::from_random(*octets))
}

/// Tags for one cleartext phase (C13).
pub(crate) fn tag_seed() -> Result<TagSeed, NoRandomness> {
    bytes().map(|octets| TagSeed::from_random(*octets))
}

/// A number in `0..n`, for weights; `n` of zero is taken for one. Without randomness it is the first, which
/// is as good a server as any.
pub(crate) fn below(n: u64) -> u64 {
    let wide = u128::from(u64::from_le_bytes(bytes().map_or([0; 8], |octets| *octets)));
    u64::try_from((wide * u128::from(n)) >> 64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn below_stays_below() {
        for n in [0, 1, 2, 257, u64::MAX] {
            for _ in 0..100 {
                assert!(super::below(n) < n.max(1));
            }
        }
    }
}
