//! The operator's way to accounts and login records, whether the server runs or not.
//!
//! The store has one owner. While the server runs it is the server, which answers on a Unix socket in its
//! data folder (mode 0600 in a folder of mode 0700); otherwise it is the command itself. [`Operator`] finds
//! out which. Both go through the same function, so they cannot differ.
//!
//! On the socket: one [`AdminRequest`] as a line of JSON, one [`Answer`] as a line of JSON, then the end. Passwords
//! never cross it; what verifies them does.

mod operator;
mod perform;
mod socket;
#[cfg(test)]
mod tests;

use pillarbox_store::{LoginRecord, ScramKeys, Verifiers};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

pub use operator::{Operator, OperatorError};
pub(crate) use socket::AdminSocket;

use crate::core::clock::Rfc3339;

/// The socket's name in the data folder.
const SOCKET: &str = "admin.sock";

/// The longest answer, in octets.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// The most login records given at once.
pub const MOST_LOGINS: u32 = 100_000;

/// What an operator can ask for.
#[derive(Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum AdminRequest {
    /// Make an account.
    AddAccount {
        /// Its address.
        address: String,
        /// What verifies its password.
        verifiers: StoredVerifiers,
    },
    /// List all accounts.
    ListAccounts,
    /// Set an account's password.
    SetPassword {
        /// Its address.
        address: String,
        /// What verifies its password.
        verifiers: StoredVerifiers,
    },
    /// Remove an account and all its mail.
    RemoveAccount {
        /// Its address.
        address: String,
    },
    /// The newest login records.
    ListLogins {
        /// Of one account, or of all.
        account: Option<String>,
        /// How many at most.
        limit: u32,
    },
}

impl std::fmt::Debug for AdminRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AddAccount { .. } => "AddAccount(..)",
            Self::ListAccounts => "ListAccounts",
            Self::SetPassword { .. } => "SetPassword(..)",
            Self::RemoveAccount { .. } => "RemoveAccount(..)",
            Self::ListLogins { .. } => "ListLogins(..)",
        })
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// It was done, to the account of this address.
    Done {
        /// The address, as it is stored.
        address: String,
    },
    /// All accounts.
    Accounts {
        /// By address.
        accounts: Vec<AccountSummary>,
    },
    /// Login records.
    Logins {
        /// Newest first.
        logins: Vec<LoginSummary>,
    },
    /// It was not done.
    Refused {
        /// Why, and what to do, for a person.
        message: String,
    },
}

/// What verifies a password, on its way over the socket.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredVerifiers {
    argon2id: String,
    salt: Vec<u8>,
    iterations: u32,
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl Drop for StoredVerifiers {
    fn drop(&mut self) {
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

impl From<Verifiers> for StoredVerifiers {
    fn from(verifiers: Verifiers) -> Self {
        let mut scram = verifiers.scram_sha256;
        Self {
            argon2id: verifiers.argon2id,
            salt: std::mem::take(&mut scram.salt),
            iterations: scram.iterations,
            stored_key: scram.stored_key,
            server_key: scram.server_key,
        }
    }
}

impl From<StoredVerifiers> for Verifiers {
    fn from(mut stored: StoredVerifiers) -> Self {
        Self {
            argon2id: std::mem::take(&mut stored.argon2id),
            scram_sha256: ScramKeys {
                salt: std::mem::take(&mut stored.salt),
                iterations: stored.iterations,
                stored_key: stored.stored_key,
                server_key: stored.server_key,
            },
        }
    }
}

/// An account, as far as an operator wants to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSummary {
    /// Its address.
    pub address: String,
    /// When it was made, RFC 3339.
    pub created: String,
    /// The weakest way in it may use: `cleartext`, `starttls` or `implicit`.
    pub least: String,
    /// Until when, where that is `cleartext`; RFC 3339.
    pub cleartext_until: Option<String>,
    /// The least TLS version.
    pub least_tls: String,
    /// When its password crossed a wire in clear, RFC 3339 (S4.1-6).
    pub password_exposed: Option<String>,
}

/// A login record with all its TLS facts (S4-17).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginSummary {
    /// When, RFC 3339.
    pub at: String,
    /// `ok`, or a stable word for why not.
    pub outcome: String,
    /// The login name that was tried.
    pub login: String,
    /// The listener's name.
    pub listener: String,
    /// Address and port of the client.
    pub remote: String,
    /// SASL mechanism or command.
    pub mechanism: String,
    /// `TLSv1.3`, or `none`.
    pub tls: String,
    /// How TLS began.
    pub how: Option<String>,
    /// Where TLS ended: `here`, or the address of the balancer in front of us.
    pub tls_end: Option<String>,
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
    /// What the client says it is.
    pub client: Option<String>,
}

impl From<LoginRecord> for LoginSummary {
    fn from(record: LoginRecord) -> Self {
        let tls = record.tls.as_ref();
        Self {
            at: Rfc3339(record.at).to_string(),
            outcome: record.outcome.to_string(),
            login: record.login,
            listener: record.listener.as_str().to_owned(),
            remote: record.remote.to_string(),
            mechanism: record.mechanism.as_str().to_owned(),
            tls: tls.map_or("none".to_owned(), |tls| tls.version.to_string()),
            how: tls.map(|tls| tls.start.as_str().to_owned()),
            tls_end: tls.map(|tls| tls.end.to_string()),
            cipher_suite: tls.map(|tls| tls.suite.clone()),
            group: tls.and_then(|tls| tls.group.clone()),
            sni: tls.and_then(|tls| tls.sni.clone()),
            alpn: tls.and_then(|tls| tls.alpn.clone()),
            resumed: tls.is_some_and(|tls| tls.resumed),
            client_certificate: tls.and_then(|tls| tls.client_certificate.clone()),
            client: record.client,
        }
    }
}
