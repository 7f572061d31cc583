//! [`NoTls`]: why a connection has no TLS. Never a bool.

use std::fmt;

use crate::{Refusal, RefusalCode};

/// Why a handshake failed, in the words a person and an operator need.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// The certificate does not name the host we meant.
    CertificateName,
    /// No path from the certificate to a trusted root.
    CertificateChain,
    /// The certificate has expired.
    CertificateExpired,
    /// The certificate is not valid yet.
    CertificateNotYetValid,
    /// The certificate is broken or not meant for this use; the text says how.
    CertificateUnsuitable(String),
    /// The peer speaks no TLS version at or above 1.2; the newest it offered, such as `0x0301`.
    TooOld(u16),
    /// No ALPN protocol in common (R7301-1).
    Alpn,
    /// The name asked for is not served here (R9325-9).
    UnknownName,
    /// The peer did not finish in time.
    TimedOut,
    /// The peer closed the connection during the handshake.
    Closed,
    /// The peer sent something that is not TLS.
    NotTls,
    /// Any other fatal alert or protocol fault, in rustls' words.
    Other(String),
}

impl HandshakeFailure {
    /// The stable machine code, where there is one: an end without a reason has none.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::CertificateName | Self::UnknownName => Some(RefusalCode::CertName),
            Self::CertificateChain | Self::CertificateUnsuitable(_) => Some(RefusalCode::CertChain),
            Self::CertificateExpired | Self::CertificateNotYetValid => {
                Some(RefusalCode::CertExpired)
            }
            Self::TooOld(_) => Some(RefusalCode::LevelTlsVersion),
            Self::NotTls | Self::Alpn => Some(RefusalCode::ProtocolViolation),
            Self::TimedOut | Self::Closed | Self::Other(_) => None,
        }
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CertificateName => f.write_str("the certificate belongs to another host"),
            Self::CertificateChain => {
                f.write_str("the certificate was not issued by anyone this computer trusts")
            }
            Self::CertificateExpired => f.write_str("the certificate has expired"),
            Self::CertificateNotYetValid => f.write_str("the certificate is not valid yet"),
            Self::CertificateUnsuitable(why) => write!(f, "the certificate cannot be used: {why}"),
            Self::TooOld(version) => write!(
                f,
                "the other end speaks nothing newer than TLS version 0x{version:04x}; 1.2 is the least"
            ),
            Self::Alpn => f.write_str("the other end is not a mail service of this kind (ALPN)"),
            Self::UnknownName => {
                f.write_str("the server does not know the name that was asked for")
            }
            Self::TimedOut => f.write_str("the TLS handshake did not finish in time"),
            Self::Closed => f.write_str("the connection was closed during the TLS handshake"),
            Self::NotTls => f.write_str("the other end does not speak TLS on this port"),
            Self::Other(why) => write!(f, "the TLS handshake failed: {why}"),
        }
    }
}

/// Why a connection carries no TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoTls {
    /// Not begun yet: a cleartext session on a port with STARTTLS, or a port without it.
    NotOffered,
    /// The peer ought to offer STARTTLS and did not, or answered it with anything but success (C4).
    StripSuspected,
    /// A handshake was tried and failed.
    HandshakeFailed(HandshakeFailure),
    /// A handshake finished, but below the account's level.
    BelowLevel(Refusal),
    /// A trusted balancer says that the client came to it in the clear.
    NoneAtBalancer,
}

impl fmt::Display for NoTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => f.write_str("the connection is not encrypted"),
            Self::StripSuspected => f.write_str(
                "the server would not start encryption; somebody on the way may be removing it",
            ),
            Self::HandshakeFailed(why) => why.fmt(f),
            Self::BelowLevel(refusal) => refusal.fmt(f),
            Self::NoneAtBalancer => {
                f.write_str("the client's connection to the balancer is not encrypted")
            }
        }
    }
}
