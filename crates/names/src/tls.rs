//! TLS versions, the IANA names of cipher suites and key-exchange groups, and where TLS ends.

use std::fmt;
use std::net::IpAddr;

/// A TLS protocol version that Pillarbox negotiates. Older ones do not exist here (R9325-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    Tls12,
    /// TLS 1.3, RFC 8446.
    Tls13,
}

impl TlsVersion {
    /// The name as logs and people write it: `TLSv1.3`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A cipher suite, printed as the Received `tls` clause wants it (S4.3-3, S4.3-4, S4.3-7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CipherSuite {
    /// The name in the IANA TLS Cipher Suites registry, for example `TLS_AES_128_GCM_SHA256`.
    Named(&'static str),
    /// A suite whose name this software does not know: a fault to be mended promptly (S4.3-5).
    Unknown(u16),
}

impl fmt::Display for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Unknown(id) => write!(f, "0x{id:04X}"),
        }
    }
}

/// A key-exchange group by its name in the IANA TLS Supported Groups registry (S4.3-9), for example
/// `X25519MLKEM768`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Group(pub &'static str);

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Where TLS ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsEnd {
    /// In this process, which did the handshake.
    Here,
    /// At a trusted balancer in front of us with this address, which passed the facts on (SA-4).
    Balancer(IpAddr),
}

impl fmt::Display for TlsEnd {
    /// `here`, or the balancer's address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("here"),
            Self::Balancer(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_suite_is_four_hex_digits() {
        assert_eq!(CipherSuite::Unknown(0x1305).to_string(), "0x1305");
        assert_eq!(CipherSuite::Unknown(0x5).to_string(), "0x0005");
    }

    #[test]
    fn versions_are_ordered_and_named() {
        assert!(TlsVersion::Tls12 < TlsVersion::Tls13);
        let names = [TlsVersion::Tls12, TlsVersion::Tls13].map(TlsVersion::as_str);
        assert_eq!(names, ["TLSv1.2", "TLSv1.3"]);
    }
}
