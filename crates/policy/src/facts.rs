//! [`TlsFacts`]: what one finished TLS handshake is worth.

use std::fmt;

use pillarbox_names::TlsStart;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::{CipherSuite, Group, TlsVersion};

/// What was proved about the other end.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PeerProof {
    /// Nothing: on a server, the client showed no certificate.
    Anonymous,
    /// The certificate has a valid path to a trusted root and names the host we meant (R7817-1).
    Pkix {
        /// The reference identity that matched.
        name: String,
    },
    /// A DNSSEC-secure TLSA record matched (S5.3-2).
    Dane {
        /// The reference identity that was looked up.
        name: String,
    },
    /// Only a certificate pinned by the user at set-up matched. Never meets a [`crate::Level`] other than
    /// [`crate::Level::Unprotected`] (S5.3-4, S5.4-8).
    Pinned {
        /// SHA-256 of the certificate, lower-case hex.
        fingerprint: String,
    },
    /// On a server: the client's certificate was asked for, and verified.
    ClientCertificate {
        /// SHA-256 of the certificate, lower-case hex.
        fingerprint: String,
    },
}

impl PeerProof {
    /// Whether this proves that a server is the one that was meant (S5-5, S5.3-4).
    #[must_use]
    pub fn authenticates_server(&self) -> bool {
        matches!(self, Self::Pkix { .. } | Self::Dane { .. })
    }
}

/// `tls-exporter` channel binding data (RFC 9266, R9266-1): 32 bytes bound to one TLS connection.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelBinding([u8; 32]);

impl ChannelBinding {
    /// Wraps the exporter's output.
    #[must_use]
    pub fn tls_exporter(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, for SCRAM's `c=` attribute.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    #[must_use]
    pub fn matches(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl fmt::Debug for ChannelBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelBinding(..)")
    }
}

impl Drop for ChannelBinding {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The parts of [`TlsFacts`], as `transport` reads them off a finished handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactsParts {
    /// Negotiated version.
    pub version: TlsVersion,
    /// Negotiated cipher suite.
    pub suite: CipherSuite,
    /// Key-exchange group. Absent on a resumed TLS 1.2 session.
    pub group: Option<Group>,
    /// Host name the client sent in the `server_name` extension.
    pub sni: Option<String>,
    /// Negotiated ALPN protocol.
    pub alpn: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// How TLS started.
    pub tls_start: TlsStart,
    /// What was proved about the peer.
    pub peer: PeerProof,
    /// Channel binding, where the connection has one.
    pub binding: Option<ChannelBinding>,
}

/// What one finished TLS handshake is worth.
///
/// Fields are private and there is no `Default`: a value can only come from [`TlsFacts::assertion`], which
/// is called in the `transport` crate alone (clippy's `disallowed-methods` and a house test hold that).
///
/// Facts can be read:
/// ```
/// fn suite(facts: &pillarbox_policy::TlsFacts) -> String {
///     facts.suite().to_string()
/// }
/// ```
/// but not made up outside `transport`:
/// ```compile_fail,E0451
/// fn forge(parts: pillarbox_policy::FactsParts) -> pillarbox_policy::TlsFacts {
///     pillarbox_policy::TlsFacts { parts }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    parts: FactsParts,
}

impl TlsFacts {
    /// Asserts that a handshake with these outcomes has finished. Its origin can be determined by looking
    /// for the callers of this function; there is one, in `transport`.
    #[must_use]
    pub fn assertion(parts: FactsParts) -> Self {
        Self { parts }
    }

    /// Negotiated version.
    #[must_use]
    pub fn version(&self) -> TlsVersion {
        self.parts.version
    }

    /// Negotiated cipher suite (S4-16, S4-17).
    #[must_use]
    pub fn suite(&self) -> CipherSuite {
        self.parts.suite
    }

    /// Negotiated key-exchange group (S4.3-6).
    #[must_use]
    pub fn group(&self) -> Option<Group> {
        self.parts.group
    }

    /// The name the client asked for.
    #[must_use]
    pub fn sni(&self) -> Option<&str> {
        self.parts.sni.as_deref()
    }

    /// The ALPN protocol agreed on.
    #[must_use]
    pub fn alpn(&self) -> Option<&str> {
        self.parts.alpn.as_deref()
    }

    /// Whether an earlier session was resumed.
    #[must_use]
    pub fn resumed(&self) -> bool {
        self.parts.resumed
    }

    /// How TLS started.
    #[must_use]
    pub fn tls_start(&self) -> TlsStart {
        self.parts.tls_start
    }

    /// What was proved about the peer.
    #[must_use]
    pub fn peer(&self) -> &PeerProof {
        &self.parts.peer
    }

    /// Channel binding for SCRAM-SHA-256-PLUS (R9266-1).
    #[must_use]
    pub fn binding(&self) -> Option<&ChannelBinding> {
        self.parts.binding.as_ref()
    }
}

impl fmt::Display for TlsFacts {
    /// `TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768`, for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version(), self.suite())?;
        if let Some(group) = self.group() {
            write!(f, " {group}")?;
        }
        Ok(())
    }
}
