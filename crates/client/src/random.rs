//! Randomness, which the machines take as an input.

use aws_lc_rs::rand;
use pillarbox_proto::imap::client::TagSeed;
use pillarbox_proto::sasl::Nonce;

/// The system gives no randomness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this system gives no randomness")]
pub(crate) struct NoRandomness;

fn octets<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut octets = [0; N];
    rand::fill(&mut octets).map_err(|_| NoRandomness)?;
    Ok(octets)
}

/// A nonce for one SASL exchange.
pub(crate) fn nonce() -> Result<Nonce, NoRandomness> {
    octets().map(Nonce::from_random)
}

/// Tags for one cleartext phase (C13).
pub(crate) fn tag_seed() -> Result<TagSeed, NoRandomness> {
    octets().map(TagSeed::from_random)
}

/// The left side of a Message-ID.
pub(crate) fn message_id() -> Result<String, NoRandomness> {
    let octets = octets::<16>()?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

/// A number in `0..n`, for weights; `n` of zero is taken for one. Without randomness it is the first, which
/// is as good a server as any.
pub(crate) fn below(n: u64) -> u64 {
    let wide = u128::from(u64::from_le_bytes(octets().unwrap_or_default()));
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
