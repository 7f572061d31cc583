//! The rule by which facts meet a [`Level`], the [`Refusal`] where they do not, and its stable machine codes, the same
//! in client, server log and audit.

use std::fmt;

use crate::{Level, PeerProof, TlsFacts, TlsVersion};

/// The stable machine code of a refusal (`docs/attacks.md`, H5). Codes are never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalCode {
    /// STARTTLS was missing or refused.
    StarttlsStripped,
    /// Bytes followed a server's answer to STARTTLS in the clear (C1).
    ResponseInjection,
    /// Bytes followed a client's STARTTLS in the clear (S1).
    CommandInjection,
    /// A PREAUTH greeting on a cleartext connection (C6).
    PreauthCleartext,
    /// The certificate names another host.
    CertName,
    /// No trusted path.
    CertChain,
    /// Expired certificate.
    CertExpired,
    /// TLS older than the level demands.
    LevelTlsVersion,
    /// The peer is not authenticated well enough for the level.
    LevelPeer,
    /// Discovery data that cannot be trusted without the user's answer.
    DiscoveryUntrusted,
    /// Only a pin speaks for the server (S5.3-4).
    PinOnly,
    /// The connection ended without close_notify (C19).
    Truncated,
    /// A password was offered on a cleartext channel.
    PrivacyRequired,
    /// The account has climbed past this channel.
    LadderRung,
    /// Something a peer may not say in this state.
    ProtocolViolation,
}

impl RefusalCode {
    /// The code as logs and `--json` output carry it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StarttlsStripped => "STARTTLS_STRIPPED",
            Self::ResponseInjection => "RESPONSE_INJECTION",
            Self::CommandInjection => "COMMAND_INJECTION",
            Self::PreauthCleartext => "PREAUTH_CLEARTEXT",
            Self::CertName => "CERT_NAME",
            Self::CertChain => "CERT_CHAIN",
            Self::CertExpired => "CERT_EXPIRED",
            Self::LevelTlsVersion => "LEVEL_TLS_VERSION",
            Self::LevelPeer => "LEVEL_PEER",
            Self::DiscoveryUntrusted => "DISCOVERY_UNTRUSTED",
            Self::PinOnly => "PIN_ONLY",
            Self::Truncated => "TRUNCATED",
            Self::PrivacyRequired => "PRIVACY_REQUIRED",
            Self::LadderRung => "LADDER_RUNG",
            Self::ProtocolViolation => "PROTOCOL_VIOLATION",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a session does not meet a [`Level`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The TLS version is below the level's floor (S5-4, R8997-5).
    #[error("this account needs {needed} or newer, and the connection has only {offered}")]
    Version {
        /// What the level asks for.
        needed: TlsVersion,
        /// What was negotiated.
        offered: TlsVersion,
    },
    /// Nothing proved that the server is the right one (S5-5).
    #[error("nothing proves that this is the right server, and level \"{level}\" asks for proof")]
    Unauthenticated {
        /// The account's level.
        level: Level,
    },
    /// Only a pin speaks for the server (S5.3-4).
    #[error("only a pinned certificate speaks for this server; that never meets level \"{level}\"")]
    PinOnly {
        /// The account's level.
        level: Level,
    },
}

impl Level {
    /// Whether a session with these facts meets the level.
    ///
    /// # Errors
    /// The first way in which it falls short.
    pub fn permits(self, facts: &TlsFacts) -> Result<(), Refusal> {
        if facts.version() < self.least_version() {
            return Err(Refusal::Version {
                needed: self.least_version(),
                offered: facts.version(),
            });
        }
        if self == Self::Unprotected || facts.peer().authenticates_server() {
            return Ok(());
        }
        match facts.peer() {
            PeerProof::Pinned { .. } => Err(Refusal::PinOnly { level: self }),
            _ => Err(Refusal::Unauthenticated { level: self }),
        }
    }
}

impl Refusal {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::Version { .. } => RefusalCode::LevelTlsVersion,
            Self::Unauthenticated { .. } => RefusalCode::LevelPeer,
            Self::PinOnly { .. } => RefusalCode::PinOnly,
        }
    }
}
