//! Randomness of the system, in one place. Machines, records and names of messages take it as an input.

use zeroize::Zeroizing;

use crate::provider::provider;

/// The system has no randomness to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system has no randomness to give")]
pub struct NoRandomness;

/// Fresh and unpredictable octets of the source that TLS uses, zeroed when dropped.
///
/// # Errors
/// The system has none.
pub fn bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0; N]);
    let source = provider().secure_random;
    source.fill(&mut *bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A name nobody else uses: 16 fresh octets in lower-case hex.
///
/// # Errors
/// The system has no randomness.
pub fn unique_name() -> Result<String, NoRandomness> {
    let octets = bytes::<16>()?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_twice() {
        assert_ne!(*bytes::<18>().unwrap(), *bytes::<18>().unwrap());
        let name = unique_name().unwrap();
        assert_eq!(name.len(), 32);
        assert_ne!(name, unique_name().unwrap());
    }
}
