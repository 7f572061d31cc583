//! [`Network`]: an address prefix, and the one rule for who counts as one client.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A prefix of IPv4 or IPv6 addresses. An IPv4 address that an IPv6 socket wrapped (`::ffff:192.0.2.1`) is the
/// IPv4 address it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    first: IpAddr,
    prefix: u8,
}

/// The text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// What stands before the slash is no IP address.
    #[error("it does not begin with an IP address; write it like 192.0.2.0/24 or 2001:db8::/32")]
    Address,
    /// What stands after the slash is no length for this kind of address.
    #[error("the prefix length is wrong: 0 to 32 for IPv4, 0 to 128 for IPv6")]
    Prefix,
    /// Bits are set after the prefix, so that it is unclear which of the two is meant.
    #[error("the address has bits set beyond its prefix; its network is {0}")]
    HostBits(Network),
}

impl Network {
    /// What counts as one client: an IPv4 address, or the /64 that one IPv6 subscriber has at the least.
    #[must_use]
    pub fn of(client: IpAddr) -> Self {
        match client.to_canonical() {
            v4 @ IpAddr::V4(_) => Self::new(v4, 32),
            v6 @ IpAddr::V6(_) => Self::new(v6, 64),
        }
    }

    /// The network of `prefix` bits that this address lies in. A longer prefix than the address has bits is the
    /// address alone.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let prefix = prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                let first = Ipv4Addr::from_bits(v4.to_bits() & mask).into();
                Self { first, prefix }
            }
            IpAddr::V6(v6) => {
                let prefix = prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                let first = Ipv6Addr::from_bits(v6.to_bits() & mask).into();
                Self { first, prefix }
            }
        }
    }

    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.first.is_ipv4()
            && Self::new(address, self.prefix).first == self.first
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

impl std::str::FromStr for Network {
    type Err = NetworkError;

    /// Reads `10.0.0.0/8`, `2001:db8::/32`, or an address alone.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|prefix| *prefix <= bits && !digits.starts_with('+'))
                .ok_or(NetworkError::Prefix)?,
        };
        let is_mapped = address != address.to_canonical();
        let prefix = if is_mapped {
            prefix.checked_sub(96).ok_or(NetworkError::Prefix)?
        } else {
            prefix
        };
        let network = Self::new(address, prefix);
        if network.first == address.to_canonical() {
            Ok(network)
        } else {
            Err(NetworkError::HostBits(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_is_an_ipv4_address_or_an_ipv6_subscriber() {
        assert_eq!(
            Network::of(ip("2001:db8::1")),
            Network::of(ip("2001:db8::ffff:2"))
        );
        assert_ne!(
            Network::of(ip("2001:db8::1")),
            Network::of(ip("2001:db8:0:1::1"))
        );
        assert_ne!(Network::of(ip("192.0.2.1")), Network::of(ip("192.0.2.2")));
        assert_eq!(
            Network::of(ip("::ffff:192.0.2.1")).to_string(),
            "192.0.2.1/32"
        );
    }

    #[test]
    fn reads_and_prints() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        assert_eq!(
            "192.0.2.1".parse::<Network>().unwrap().to_string(),
            "192.0.2.1/32"
        );
        assert_eq!("::1".parse::<Network>().unwrap().to_string(), "::1/128");
        assert_eq!(
            "::ffff:10.0.0.0/104"
                .parse::<Network>()
                .unwrap()
                .to_string(),
            "10.0.0.0/8"
        );
        for (text, error) in [
            ("", NetworkError::Address),
            ("example.org/8", NetworkError::Address),
            ("10.0.0.0/33", NetworkError::Prefix),
            ("10.0.0.0/", NetworkError::Prefix),
            ("10.0.0.0/+8", NetworkError::Prefix),
            ("::/129", NetworkError::Prefix),
            (
                "10.1.0.0/8",
                NetworkError::HostBits("10.0.0.0/8".parse().unwrap()),
            ),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }

    #[test]
    fn holds_what_lies_in_it() {
        let network: Network = "10.0.0.0/8".parse().unwrap();
        assert!(network.contains(ip("10.255.0.1")));
        assert!(network.contains(ip("::ffff:10.0.0.1")));
        assert!(!network.contains(ip("11.0.0.1")));
        assert!(!network.contains(ip("::10.0.0.1")));
    }

    proptest! {
        #[test]
        fn an_address_lies_in_each_of_its_networks(bits in any::<u128>(), v4 in any::<bool>(), prefix in 0u8..=128) {
            let address = if v4 {
                IpAddr::V4(Ipv4Addr::from_bits((bits & 0xffff_ffff) as u32))
            } else {
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            };
            let network = Network::new(address, prefix);
            prop_assert!(network.contains(address));
            prop_assert!(Network::of(address).contains(address));
            prop_assert_eq!(network.to_string().parse::<Network>(), Ok(network));
        }
    }
}
