//! [`Settings`]: a configuration that was checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pillarbox_transport::{CertificateFiles, Service};

use crate::context::Opening;

/// A configuration in which everything was checked that can be checked without opening anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of this server, in lower case: greetings, Received fields, and what certificates should name.
    pub hostname: String,
    /// The mail domains whose addresses are accounts here, in lower case. At least one.
    pub domains: Vec<String>,
    /// The folder of the store and the server's own secrets.
    pub data: PathBuf,
    /// Certificates. The first is the default for clients that send no name. At least one.
    pub certificates: Vec<CertificateFiles>,
    /// Listeners that are on. At least one.
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

    /// The keys in which `new` differs that take effect only when the server starts.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let mut keys = Vec::new();
        if self.data != new.data {
            keys.push("data");
        }
        for spec in &LISTENERS {
            let of = |settings: &Self| settings.listener(spec.name).cloned();
            if of(self) != of(new) {
                keys.push(spec.key);
            }
        }
        if self.limits.connections != new.limits.connections {
            keys.push("limits.connections");
        }
        if self.limits.connections_per_address != new.limits.connections_per_address {
            keys.push("limits.connections_per_address");
        }
        if self.limits.shutdown != new.limits.shutdown {
            keys.push("limits.shutdown_seconds");
        }
        if self.log.format != new.log.format {
            keys.push("log.format");
        }
        if self.store != new.store {
            keys.push("store.shards");
        }
        keys
    }

    /// These settings, except that the keys of [`Settings::needs_restart`] are as they were in `old`.
    #[must_use]
    pub(crate) fn until_restart(mut self, old: &Self) -> Self {
        self.data.clone_from(&old.data);
        self.listeners.clone_from(&old.listeners);
        self.limits.connections = old.limits.connections;
        self.limits.connections_per_address = old.limits.connections_per_address;
        self.limits.shutdown = old.limits.shutdown;
        self.log.format = old.log.format;
        self.store = old.store;
        self
    }

    /// What can be used but should be otherwise.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let is_on = |service, opening| {
            self.listeners
                .iter()
                .any(|listener| listener.service == service && listener.opening == opening)
        };
        let key = |service, opening| {
            LISTENERS
                .iter()
                .find(|spec| spec.service == service && spec.opening == opening)
                .map_or("", |spec| spec.key)
        };
        [Service::Imap, Service::Pop3, Service::Submission]
            .into_iter()
            .filter(|service| {
                is_on(*service, Opening::StartTls) && !is_on(*service, Opening::Implicit)
            })
            .map(|service| {
                format!(
                    "{} is off while {} is on: clients should be offered TLS from the first byte (RFC 8314 section 4)",
                    key(service, Opening::Implicit),
                    key(service, Opening::StartTls)
                )
            })
            .collect()
    }

    /// The listener of this name, if it is on.
    #[must_use]
    pub fn listener(&self, name: &str) -> Option<&ListenerSettings> {
        self.listeners.iter().find(|listener| listener.name == name)
    }
}

/// A listener there can be.
#[derive(Debug)]
pub(super) struct ListenerSpec {
    pub name: &'static str,
    pub key: &'static str,
    pub service: Service,
    pub opening: Opening,
    pub port: u16,
}

/// The listeners there can be, implicit TLS first (S3-1, S7.1, S7.2, S7.3; RFC 9051, 1939, 6409 for the rest).
pub(super) const LISTENERS: [ListenerSpec; 6] = [
    ListenerSpec {
        name: "imaps",
        key: "listeners.imaps",
        service: Service::Imap,
        opening: Opening::Implicit,
        port: 993,
    },
    ListenerSpec {
        name: "pop3s",
        key: "listeners.pop3s",
        service: Service::Pop3,
        opening: Opening::Implicit,
        port: 995,
    },
    ListenerSpec {
        name: "submissions",
        key: "listeners.submissions",
        service: Service::Submission,
        opening: Opening::Implicit,
        port: 465,
    },
    ListenerSpec {
        name: "imap",
        key: "listeners.imap",
        service: Service::Imap,
        opening: Opening::StartTls,
        port: 143,
    },
    ListenerSpec {
        name: "pop3",
        key: "listeners.pop3",
        service: Service::Pop3,
        opening: Opening::StartTls,
        port: 110,
    },
    ListenerSpec {
        name: "submission",
        key: "listeners.submission",
        service: Service::Submission,
        opening: Opening::StartTls,
        port: 587,
    },
];

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
    /// Connections at once, on each address that is listened on.
    pub connections: usize,
    /// Of these, connections from one client address (an IPv6 /64 counts as one).
    pub connections_per_address: usize,
    /// How long sessions may take to end when the server shuts down.
    pub shutdown: Duration,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// Its format.
    pub format: LogFormat,
    /// The least important thing that is written.
    pub level: LogLevel,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a person's eyes.
    Text,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// What the operator has to act on.
    Error,
    /// What looks wrong: refused logins, handshakes that failed.
    Warn,
    /// Logins and what the server itself does.
    Info,
    /// Every connection.
    Debug,
    /// Everything there is; never what clients send.
    Trace,
}

/// The store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreSettings {
    /// Writer threads among which accounts are shared out. Fixed when the data folder is first used.
    pub shards: u16,
}
