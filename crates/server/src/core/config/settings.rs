//! [`Settings`]: a configuration that was checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use pillarbox_names::{Domain, Host, Label, Network, Service, TlsStart};
use pillarbox_transport::CertificateFiles;

/// A configuration in which everything was checked that can be checked without opening anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of this server: greetings, Received fields, and what certificates should name.
    pub hostname: Host,
    /// The mail domains whose addresses are accounts here. At least one.
    pub domains: Vec<Domain>,
    /// The folder of the store and the server's own secrets.
    pub data: PathBuf,
    /// Certificates. The first is the default for clients that send no name. At least one.
    pub certificates: Vec<CertificateFiles>,
    /// Listeners that are on. At least one.
    pub listeners: Vec<ListenerSettings>,
    /// Balancers that are believed when they say who a client is, by their networks.
    pub balancers: Vec<Network>,
    /// Limits.
    pub limits: ResourceLimits,
    /// The log.
    pub log: LogSettings,
    /// The store.
    pub store: StoreSettings,
}

impl Settings {
    /// Whether addresses of this domain are accounts here.
    #[must_use]
    pub fn is_local(&self, domain: &Domain) -> bool {
        self.domains.contains(domain)
    }

    /// The keys in which `new` differs that take effect only when the server starts.
    #[must_use]
    pub fn needs_restart(&self, new: &Self) -> Vec<String> {
        let (was, will) = (&self.limits, &new.limits);
        let listeners = Label::ALL.into_iter().map(|label| {
            let differs = self.listener(label) != new.listener(label);
            (listener_key(label), differs)
        });
        let rest = [
            ("listeners.balancers", self.balancers != new.balancers),
            ("limits.connections", was.connections != will.connections),
            (
                "limits.connections_per_address",
                was.connections_per_address != will.connections_per_address,
            ),
            ("limits.shutdown_seconds", was.shutdown != will.shutdown),
            ("log.format", self.log.format != new.log.format),
            ("store.shards", self.store != new.store),
        ];
        let rest = rest.map(|(key, differs)| (key.to_owned(), differs));
        [("data".to_owned(), self.data != new.data)]
            .into_iter()
            .chain(listeners)
            .chain(rest)
            .filter_map(|(key, differs)| differs.then_some(key))
            .collect()
    }

    /// These settings, except that the keys of [`Settings::needs_restart`] are as they were in `old`.
    #[must_use]
    pub(crate) fn until_restart(mut self, old: &Self) -> Self {
        self.data.clone_from(&old.data);
        self.listeners.clone_from(&old.listeners);
        self.balancers.clone_from(&old.balancers);
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
        let pairs = Service::ALL.map(|service| {
            [TlsStart::Implicit, TlsStart::StartTls].map(|start| Label::new(service, start))
        });
        pairs
            .into_iter()
            .filter(|[implicit, starttls]| {
                self.listener(*starttls).is_some() && self.listener(*implicit).is_none()
            })
            .map(|[implicit, starttls]| {
                format!(
                    "{} is off while {} is on: clients should be offered TLS from the first byte (RFC 8314 section 4)",
                    listener_key(implicit),
                    listener_key(starttls)
                )
            })
            .collect()
    }

    /// The listener of this label, if it is on.
    #[must_use]
    pub fn listener(&self, label: Label) -> Option<&ListenerSettings> {
        self.listeners
            .iter()
            .find(|listener| listener.label == label)
    }
}

/// The key of a listener's addresses in the configuration file.
pub(super) fn listener_key(label: Label) -> String {
    format!("listeners.{}", label.as_str())
}

/// One listener and the addresses it listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerSettings {
    /// What it speaks, and how TLS starts on it.
    pub label: Label,
    /// Where; at least one.
    pub addresses: Vec<SocketAddr>,
}

/// Limits on what clients may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimits {
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
