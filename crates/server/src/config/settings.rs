//! [`Settings`]: a configuration that was checked.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::context::{Opening, Service};

/// A configuration in which everything was checked that can be checked without opening anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of this server: greetings, Received fields, and what certificates should name.
    pub hostname: String,
    /// The mail domains whose addresses are accounts here, in lower case.
    pub domains: Vec<String>,
    /// The folder of the store and the server's own secrets.
    pub data: PathBuf,
    /// Certificates. The first is the default for clients that send no name.
    pub certificates: Vec<CertificateFiles>,
    /// Listeners that are on.
    pub listeners: Vec<ListenerSettings>,
    /// Limits.
    pub limits: Limits,
    /// The log.
    pub log: LogSettings,
    /// The store.
    pub store: StoreSettings,
}

impl Settings {
    /// Whether addresses of this domain are accounts here. Compared without regard to ASCII case.
    #[must_use]
    pub fn is_local(&self, domain: &str) -> bool {
        self.domains
            .iter()
            .any(|local| local.eq_ignore_ascii_case(domain))
    }
}

/// A certificate chain and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// One listener and the addresses it listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// `imaps`, `pop3s`, `submissions`, `imap`, `pop3` or `submission`.
    pub name: &'static str,
    /// What it speaks.
    pub service: Service,
    /// How TLS begins on it.
    pub opening: Opening,
    /// Where; at least one.
    pub addresses: Vec<SocketAddr>,
}

/// Limits on what clients may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the largest message taken, by APPEND or submission (RFC 1870 SIZE).
    pub message_size: u64,
    /// Connections at once, over all listeners.
    pub connections: u32,
    /// Connections at once from one address (an IPv6 /64 counts as one).
    pub connections_per_ip: u32,
}

/// How the log is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// Its format.
    pub format: LogFormat,
    /// A level, or `tracing` filter directives such as `info,pillarbox_server=debug`.
    pub level: String,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person's eyes.
    Text,
}

/// The store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSettings {
    /// Writer threads among which accounts are shared out. Fixed when the data folder is first used.
    pub shards: u16,
}
