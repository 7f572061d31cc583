//! [`Logins`]: authentication attempts on record.

use std::fmt;
use std::net::SocketAddr;

use async_trait::async_trait;
use pillarbox_names::{Label, TlsStart};
use pillarbox_policy::{LoginOutcome, Timestamp, TlsEnd, TlsRecord, TlsVersion};

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
    /// The listener.
    pub listener: Label,
    /// Address and port of the client.
    pub remote: SocketAddr,
    /// The TLS connection; absent in the clear.
    pub tls: Option<LoginTls>,
    /// How the client proved who it is.
    pub mechanism: LoginMechanism,
    /// What the client says it is (IMAP ID, EHLO name); cut to 255 octets.
    pub client: Option<String>,
    /// How it ended.
    pub outcome: LoginOutcome,
}

/// What is on record of a TLS connection. Suite and group are names of open registries, so they are texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTls {
    /// How TLS began.
    pub start: TlsStart,
    /// Where TLS ended.
    pub end: TlsEnd,
    /// Its version.
    pub version: TlsVersion,
    /// IANA name of the suite, or its number.
    pub suite: String,
    /// IANA name of the key-exchange group.
    pub group: Option<String>,
    /// The name the client asked for.
    pub sni: Option<String>,
    /// ALPN protocol agreed on.
    pub alpn: Option<String>,
    /// Whether the TLS session was resumed.
    pub resumed: bool,
    /// SHA-256 of the client's certificate, lower-case hex.
    pub client_certificate: Option<String>,
}

impl From<TlsRecord> for LoginTls {
    fn from(tls: TlsRecord) -> Self {
        Self {
            start: tls.tls_start,
            end: tls.tls_end,
            version: tls.version,
            suite: tls.suite.to_string(),
            group: tls.group.map(|group| group.to_string()),
            sni: tls.sni,
            alpn: tls.alpn,
            resumed: tls.resumed,
            client_certificate: tls.client_certificate,
        }
    }
}

/// How a client proved who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginMechanism {
    /// Login name and password in turn: IMAP's LOGIN command, or the mechanism of that name.
    Login,
    /// POP3's USER and PASS (RFC 1939 section 7).
    UserPass,
    /// SASL PLAIN (RFC 4616).
    Plain,
    /// SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
    /// SCRAM-SHA-256-PLUS (RFC 7677), bound to the TLS connection.
    ScramSha256Plus,
}

impl LoginMechanism {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Login,
        Self::UserPass,
        Self::Plain,
        Self::ScramSha256,
        Self::ScramSha256Plus,
    ];

    /// The word for logs, records and programs: the name of the command or the mechanism.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::UserPass => "USER",
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
        }
    }

    /// The mechanism with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|mechanism| mechanism.as_str() == word)
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
