//! [`TlsFacts`]: what one finished TLS handshake is worth.

use std::fmt;

use pillarbox_names::{CipherSuite, Group, TlsEnd, TlsStart, TlsVersion};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::ConnectionId;

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
#[derive(Debug)]
pub struct FactsParts {
    /// The connection they belong to.
    pub connection: ConnectionId,
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
    /// How TLS began.
    pub tls_start: TlsStart,
    /// Where TLS ended.
    pub tls_end: TlsEnd,
    /// What was proved about the peer.
    pub peer: PeerProof,
    /// Channel binding, where the connection has one.
    pub binding: Option<ChannelBinding>,
}

/// What goes on record of a connection's [`TlsFacts`], in types. A copy: it opens no [`crate::Credentials`]
/// and has no channel binding.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsRecord {
    /// Negotiated version.
    pub version: TlsVersion,
    /// Negotiated cipher suite (S4-16).
    pub suite: CipherSuite,
    /// Key-exchange group. Absent on a resumed TLS 1.2 session.
    pub group: Option<Group>,
    /// How TLS began.
    pub tls_start: TlsStart,
    /// Where TLS ended.
    pub tls_end: TlsEnd,
    /// Host name the client sent in the `server_name` extension.
    pub sni: Option<String>,
    /// Negotiated ALPN protocol.
    pub alpn: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// SHA-256 of the client's verified certificate, lower-case hex.
    pub client_certificate: Option<String>,
}

impl fmt::Display for TlsRecord {
    /// `TLSv1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768`, for a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version, self.suite)?;
        self.group.map_or(Ok(()), |group| write!(f, " {group}"))
    }
}

/// What one finished TLS handshake is worth.
///
/// Fields are private and there is no `Default`: a value can only come from [`TlsFacts::assertion`], which
/// is called in the `transport` crate alone (clippy's `disallowed-methods` and a house test hold that).
///
/// Facts can be read, and put on record:
/// ```
/// fn note(facts: &pillarbox_policy::TlsFacts) -> pillarbox_policy::TlsRecord {
///     facts.record()
/// }
/// ```
/// but not made up outside `transport`:
/// ```compile_fail,E0451
/// fn forge(parts: pillarbox_policy::FactsParts) -> pillarbox_policy::TlsFacts {
///     pillarbox_policy::TlsFacts { parts }
/// }
/// ```
/// nor taken away from their connection:
/// ```compile_fail,E0308
/// fn take(facts: &pillarbox_policy::TlsFacts) -> pillarbox_policy::TlsFacts {
///     facts.clone()
/// }
/// ```
#[derive(Debug)]
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

    /// The connection whose facts these are.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.parts.connection
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

    /// How TLS began.
    #[must_use]
    pub fn tls_start(&self) -> TlsStart {
        self.parts.tls_start
    }

    /// Where TLS ended.
    #[must_use]
    pub fn tls_end(&self) -> TlsEnd {
        self.parts.tls_end
    }

    /// What was proved about the peer.
    #[must_use]
    pub fn peer(&self) -> &PeerProof {
        &self.parts.peer
    }

    /// Channel binding for SCRAM-SHA-256-PLUS (R9266-1). Absent where TLS ended at a balancer.
    #[must_use]
    pub fn binding(&self) -> Option<&ChannelBinding> {
        self.parts.binding.as_ref()
    }

    /// What goes on record.
    #[must_use]
    pub fn record(&self) -> TlsRecord {
        let parts = &self.parts;
        TlsRecord {
            version: parts.version,
            suite: parts.suite,
            group: parts.group,
            tls_start: parts.tls_start,
            tls_end: parts.tls_end,
            sni: parts.sni.clone(),
            alpn: parts.alpn.clone(),
            resumed: parts.resumed,
            client_certificate: match &parts.peer {
                PeerProof::ClientCertificate { fingerprint } => Some(fingerprint.clone()),
                _ => None,
            },
        }
    }
}
