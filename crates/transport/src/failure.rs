//! [`HandshakeError`], and how rustls' errors become [`HandshakeFailure`]s.

use std::io;
use std::net::SocketAddr;

use pillarbox_policy::HandshakeFailure;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// A TLS handshake that did not come to anything. The connection is closed; there is no way back to
/// cleartext (S7).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no TLS with {peer}: {failure}")]
pub struct HandshakeError {
    /// The other end's address.
    pub peer: SocketAddr,
    /// The name the client asked for, where it came so far (S4-17).
    pub sni: Option<String>,
    /// What went wrong.
    pub failure: HandshakeFailure,
}

/// Reads a failure off the error that ended a handshake and the peer's first octets in it.
pub(crate) fn classify(error: &io::Error, first: &[u8]) -> HandshakeFailure {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(error) => classify_tls(error, first),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => HandshakeFailure::Closed,
            io::ErrorKind::TimedOut => HandshakeFailure::TimedOut,
            _ => HandshakeFailure::Other(error.to_string()),
        },
    }
}

fn classify_tls(error: &Error, first: &[u8]) -> HandshakeFailure {
    if let Some(version) = too_old(error, first) {
        return HandshakeFailure::TooOld(version);
    }
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::NoApplicationProtocol
        | Error::AlertReceived(AlertDescription::NoApplicationProtocol) => HandshakeFailure::Alpn,
        Error::AlertReceived(AlertDescription::UnrecognisedName) => HandshakeFailure::UnknownName,
        Error::AlertReceived(alert) => {
            HandshakeFailure::Other(format!("the other end broke it off with alert {alert:?}"))
        }
        Error::InvalidMessage(_) if !matches!(first, [20..=23, 3, ..]) => HandshakeFailure::NotTls,
        error => HandshakeFailure::Other(error.to_string()),
    }
}

/// The version of a peer that answered our hello with a version from before 1.2: out of its ServerHello, or
/// out of the record of its alert.
fn too_old(error: &Error, first: &[u8]) -> Option<u16> {
    let version = match *first {
        [22, _, _, _, _, 2, _, _, _, major, minor] => u16::from_be_bytes([major, minor]),
        [21, major, minor, ..] => u16::from_be_bytes([major, minor]),
        _ => return None,
    };
    let about_versions = matches!(
        error,
        Error::AlertReceived(AlertDescription::ProtocolVersion)
            | Error::PeerIncompatible(
                PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                    | PeerIncompatible::ServerDoesNotSupportTls12Or13
            )
    );
    (about_versions && version < 0x0303).then_some(version)
}

fn certificate(error: &CertificateError) -> HandshakeFailure {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            HandshakeFailure::CertificateName
        }
        CertificateError::UnknownIssuer => HandshakeFailure::CertificateChain,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            HandshakeFailure::CertificateExpired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            HandshakeFailure::CertificateNotYetValid
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            HandshakeFailure::CertificateUnsuitable("it is not meant for servers".to_owned())
        }
        error => HandshakeFailure::CertificateUnsuitable(error.to_string()),
    }
}
