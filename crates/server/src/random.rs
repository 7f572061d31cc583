//! Randomness of the system, in one place.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

/// The system has no randomness to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system has no randomness to give")]
pub struct NoRandomness;

/// Fresh and unpredictable octets, zeroed when dropped.
pub(crate) fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; N]);
    rand::fill(&mut *bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn no_two_are_the_same() {
        assert_ne!(*bytes::<18>().unwrap(), *bytes::<18>().unwrap());
    }
}
