//! [`Indicator`]: the sign that tells a person whether an account or a connection is confidential.

use std::fmt;

use pillarbox_policy::{Channel, Level, PeerProof, TlsFacts};
use serde::Serialize;

/// The confidentiality sign (S5-7, S5-8, S5-9, S5.4-8). It is words, not colour alone, and it is computed from
/// the connection at hand, never kept from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "sign", rename_all = "kebab-case")]
pub enum Indicator {
    /// At the account's level, which is not "unprotected", and by a server that was proved to be the right
    /// one.
    Locked {
        /// What protects it, for a person.
        by: String,
    },
    /// Anything else.
    NotProtected {
        /// Why, for a person.
        why: String,
    },
}

impl Indicator {
    /// The sign of a connection under an account's level.
    #[must_use]
    pub fn of(level: Level, channel: Channel<'_>) -> Self {
        match channel {
            Channel::Sealed(facts) => Self::of_facts(level, facts),
            Channel::Clear(facts) => Self::NotProtected {
                why: facts.reason().to_string(),
            },
        }
    }

    /// The sign of a finished handshake under an account's level.
    #[must_use]
    pub fn of_facts(level: Level, facts: &TlsFacts) -> Self {
        let tls = facts.record();
        if level == Level::Unprotected {
            return Self::NotProtected {
                why: format!(
                    "this account asks for no protection; this connection happens to have {tls}"
                ),
            };
        }
        if let Err(refusal) = level.permits(facts) {
            return Self::NotProtected {
                why: refusal.to_string(),
            };
        }
        match facts.peer() {
            PeerProof::Pkix { name } => Self::Locked {
                by: format!("{tls}, {name} verified by a certificate authority"),
            },
            PeerProof::Dane { name } => Self::Locked {
                by: format!("{tls}, {name} verified by signed DNS (DANE)"),
            },
            PeerProof::Anonymous
            | PeerProof::Pinned { .. }
            | PeerProof::ClientCertificate { .. } => Self::NotProtected {
                why: format!("{tls}, but nothing proves that this is the right server"),
            },
        }
    }

    /// The sign of an account while there is no connection: what it demands of each.
    #[must_use]
    pub fn demanded(level: Level) -> Self {
        match level {
            Level::Unprotected => Self::NotProtected {
                why: "this account asks for no protection".to_owned(),
            },
            Level::Default | Level::Tls13 => Self::Locked {
                by: format!(
                    "{} or newer and a verified server on every connection",
                    level.least_version()
                ),
            },
        }
    }

    /// Whether the sign is the positive one.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}

impl fmt::Display for Indicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { by } => write!(f, "[locked] {by}"),
            Self::NotProtected { why } => write!(f, "[NOT PROTECTED] {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use pillarbox_policy::{ClearFacts, ConnectionId, HandshakeFailure, NoTls, TlsVersion};
    use pillarbox_testkit::{facts, facts_with};

    use super::*;

    #[test]
    fn a_verified_session_at_the_level_is_locked_and_says_why() {
        let sign = Indicator::of_facts(Level::Default, &facts());
        assert_eq!(
            sign.to_string(),
            "[locked] TLSv1.3 TLS_AES_256_GCM_SHA384 X25519MLKEM768, mail.example.org verified by a certificate authority"
        );
    }

    /// S5-9, S5.4-8: every version, proof and level; positive in exactly the cells that deserve it.
    #[test]
    fn the_whole_matrix() {
        let name = "mail.example.org".to_owned();
        let fingerprint = "00".repeat(32);
        let proofs = [
            (PeerProof::Pkix { name: name.clone() }, true),
            (PeerProof::Dane { name }, true),
            (
                PeerProof::Pinned {
                    fingerprint: fingerprint.clone(),
                },
                false,
            ),
            (PeerProof::ClientCertificate { fingerprint }, false),
            (PeerProof::Anonymous, false),
        ];
        for level in Level::ALL {
            for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
                for (peer, proved) in &proofs {
                    let facts = facts_with(|parts| {
                        parts.version = version;
                        parts.peer = peer.clone();
                    });
                    let expected =
                        *proved && level != Level::Unprotected && version >= level.least_version();
                    let sign = Indicator::of(level, Channel::Sealed(&facts));
                    assert_eq!(
                        sign.is_locked(),
                        expected,
                        "{level} {version} {peer:?}: {sign}"
                    );
                }
            }
        }
    }

    #[test]
    fn cleartext_is_never_locked() {
        for level in Level::ALL {
            for reason in [
                NoTls::NotOffered,
                NoTls::StripSuspected,
                NoTls::HandshakeFailed(HandshakeFailure::CertificateExpired),
            ] {
                let peer = [192, 0, 2, 1].into();
                let facts = ClearFacts::new(ConnectionId::fresh(), peer, reason);
                let sign = Indicator::of(level, Channel::Clear(&facts));
                assert!(sign.to_string().starts_with("[NOT PROTECTED]"), "{sign}");
            }
        }
    }

    #[test]
    fn an_account_shows_what_it_demands() {
        assert!(!Indicator::demanded(Level::Unprotected).is_locked());
        assert!(
            Indicator::demanded(Level::Default)
                .to_string()
                .contains("TLSv1.2")
        );
        assert!(
            Indicator::demanded(Level::Tls13)
                .to_string()
                .contains("TLSv1.3")
        );
    }
}
