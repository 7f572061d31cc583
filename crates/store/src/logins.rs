//! [`Logins`]: authentication attempts on record.

use std::fmt;

use async_trait::async_trait;
use pillarbox_policy::{LoginOutcome, Timestamp};

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
