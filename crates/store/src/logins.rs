//! [`Logins`]: authentication attempts on record.

use std::fmt;

use async_trait::async_trait;
use pillarbox_policy::{LadderRefusal, Timestamp, TlsVersion};

use crate::{AccountId, StoreError};

/// One authentication attempt with all its TLS facts, kept on record (S4-17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRecord {
    /// When.
    pub at: Timestamp,
    /// The account, where the login name is one.
    pub account: Option<AccountId>,
    /// The login name that was tried; cut to 255 octets.
    pub login: String,
    /// Name of the listener: `imaps`, `pop3s`, `submissions`, `imap`, `pop3`, `submission`.
    pub listener: String,
    /// Address and port of the client.
    pub remote: String,
    /// How TLS began: `implicit`, `starttls`, `proxied`; absent in the clear.
    pub how: Option<String>,
    /// `TLSv1.3`; absent in the clear.
    pub tls_version: Option<String>,
    /// IANA name of the suite.
    pub cipher_suite: Option<String>,
    /// IANA name of the key-exchange group.
    pub group: Option<String>,
    /// The name the client asked for.
    pub sni: Option<String>,
    /// ALPN protocol agreed on.
    pub alpn: Option<String>,
    /// Whether the TLS session was resumed.
    pub resumed: bool,
    /// SHA-256 of the client's certificate.
    pub client_certificate: Option<String>,
    /// SASL mechanism or command: `PLAIN`, `SCRAM-SHA-256-PLUS`, `LOGIN`, `USER`.
    pub mechanism: String,
    /// What the client says it is (IMAP ID, EHLO name); cut to 255 octets.
    pub client: Option<String>,
    /// How it ended.
    pub outcome: LoginOutcome,
}

/// How an authentication attempt ended. Every attempt that began ends as exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The account is logged in.
    Succeeded,
    /// The server said no.
    Refused(LoginRefusal),
    /// It ended before it was decided.
    Aborted(LoginAbort),
    /// Somebody may stand between client and server. The client was told no more than with a wrong password.
    TamperingSuspected(Tampering),
}

/// Why the server refused a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// No such account, or the proof is wrong.
    BadCredentials,
    /// The client asked to act for another account than it proved to be.
    OtherIdentity,
    /// The client asked for a channel binding that cannot be had, or that does not fit the mechanism.
    BindingUnsupported,
    /// The account's ladder does not admit the channel. The proof was not looked at.
    Ladder(LadderRefusal),
    /// Too many attempts had failed. Nothing was looked at.
    TooManyFailures,
    /// The server could not tell.
    Unavailable,
}

/// How an attempt ended before it was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginAbort {
    /// The client cancelled the exchange.
    Cancelled,
    /// The client sent what no client would.
    Malformed,
    /// The connection was lost.
    ConnectionLost,
    /// The client took too long.
    TimedOut,
    /// The server is shutting down.
    ShuttingDown,
}

/// What makes the server think that somebody stands in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tampering {
    /// The client is bound to another TLS connection than the one it came over (RFC 5802 section 6).
    BindingMismatch,
    /// The client says that the server cannot bind, although it offers to: somebody removed the -PLUS
    /// mechanism from the list (RFC 5802 section 6).
    BindingRemoved,
    /// The client's nonce belongs to another exchange.
    NonceMismatch,
}

impl LoginOutcome {
    /// Every outcome. (Nothing older than TLS 1.2 is spoken, so no account is refused for want of it.)
    pub const ALL: [Self; 17] = [
        Self::Succeeded,
        Self::Refused(LoginRefusal::BadCredentials),
        Self::Refused(LoginRefusal::OtherIdentity),
        Self::Refused(LoginRefusal::BindingUnsupported),
        Self::Refused(LoginRefusal::Ladder(LadderRefusal::NeedsTls)),
        Self::Refused(LoginRefusal::Ladder(LadderRefusal::NeedsImplicitTls)),
        Self::Refused(LoginRefusal::Ladder(LadderRefusal::NeedsVersion(
            TlsVersion::Tls13,
        ))),
        Self::Refused(LoginRefusal::TooManyFailures),
        Self::Refused(LoginRefusal::Unavailable),
        Self::Aborted(LoginAbort::Cancelled),
        Self::Aborted(LoginAbort::Malformed),
        Self::Aborted(LoginAbort::ConnectionLost),
        Self::Aborted(LoginAbort::TimedOut),
        Self::Aborted(LoginAbort::ShuttingDown),
        Self::TamperingSuspected(Tampering::BindingMismatch),
        Self::TamperingSuspected(Tampering::BindingRemoved),
        Self::TamperingSuspected(Tampering::NonceMismatch),
    ];

    /// A stable word for logs, records and programs; a policy code in capitals where one says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "ok",
            Self::Refused(refusal) => match refusal {
                LoginRefusal::BadCredentials => "bad-credentials",
                LoginRefusal::OtherIdentity => "other-identity",
                LoginRefusal::BindingUnsupported => "binding-unsupported",
                LoginRefusal::Ladder(refusal) => refusal.code().as_str(),
                LoginRefusal::TooManyFailures => "too-many-failures",
                LoginRefusal::Unavailable => "unavailable",
            },
            Self::Aborted(abort) => match abort {
                LoginAbort::Cancelled => "cancelled",
                LoginAbort::Malformed => "malformed",
                LoginAbort::ConnectionLost => "connection-lost",
                LoginAbort::TimedOut => "timed-out",
                LoginAbort::ShuttingDown => "shutting-down",
            },
            Self::TamperingSuspected(tampering) => match tampering {
                Tampering::BindingMismatch => "binding-mismatch",
                Tampering::BindingRemoved => "binding-removed",
                Tampering::NonceMismatch => "nonce-mismatch",
            },
        }
    }

    /// The outcome with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }
}

impl fmt::Display for LoginOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Login records, kept for 30 days.
#[async_trait]
pub trait Logins: Send + Sync + fmt::Debug + 'static {
    /// Puts an attempt on record. May answer before it is on stable storage.
    async fn record(&self, record: LoginRecord) -> Result<(), StoreError>;

    /// The newest records, newest first, at most `limit`; of one account, or of all attempts.
    async fn newest(
        &self,
        account: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<LoginRecord>, StoreError>;
}
