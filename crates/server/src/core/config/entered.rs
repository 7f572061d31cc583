//! [`Entered`]: a configuration as it was typed, with the place of every value. Holes are allowed.

use pillarbox_names::Label;
use toml::Spanned;
use toml::de::DeTable;

use super::problem::Problems;
use super::section::Section;

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Entered {
    pub hostname: Option<Spanned<String>>,
    pub domains: Option<Spanned<Vec<Spanned<String>>>>,
    pub data: Option<Spanned<String>>,
    pub certificates: Vec<Spanned<EnteredCertificate>>,
    /// In the order of [`Label::ALL`].
    pub listeners: Vec<Option<Spanned<Vec<Spanned<String>>>>>,
    pub balancers: Option<Spanned<Vec<Spanned<String>>>>,
    pub message_size: Option<Spanned<String>>,
    pub connections: Option<Spanned<u64>>,
    pub connections_per_address: Option<Spanned<u64>>,
    pub shutdown_seconds: Option<Spanned<u64>>,
    pub log_format: Option<Spanned<String>>,
    pub log_level: Option<Spanned<String>>,
    pub shards: Option<Spanned<u64>>,
    /// The full names of all keys that there are.
    pub keys: Vec<String>,
}

/// One `[[certificates]]`.
#[derive(Debug)]
pub(super) struct EnteredCertificate {
    pub chain: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
}

impl Entered {
    /// Reads a table; unknown keys and wrong types are problems.
    pub(super) fn read(table: DeTable<'_>, problems: &mut Problems<'_>) -> Self {
        let mut keys = Vec::new();
        let mut file = Section::new("", table);

        let hostname = file.text("hostname", problems);
        let domains = file.texts("domains", problems);
        let data = file.text("data", problems);

        let mut certificates = Vec::new();
        for section in file.sections("certificates", "certificates.", problems) {
            let span = section.span();
            let mut section = section.into_inner();
            certificates.push(Spanned::new(
                span,
                EnteredCertificate {
                    chain: section.text("chain", problems),
                    key: section.text("key", problems),
                },
            ));
            section.end(problems);
        }
        keys.extend(["certificates.chain", "certificates.key"].map(str::to_owned));

        let mut section = file.section("listeners", "listeners.", problems);
        let listeners = Label::ALL
            .iter()
            .map(|label| section.texts(label.as_str(), problems))
            .collect();
        let balancers = section.texts("balancers", problems);
        keys.extend(section.end(problems));

        let mut section = file.section("limits", "limits.", problems);
        let message_size = section.text("message_size", problems);
        let connections = section.number("connections", problems);
        let connections_per_address = section.number("connections_per_address", problems);
        let shutdown_seconds = section.number("shutdown_seconds", problems);
        keys.extend(section.end(problems));

        let mut section = file.section("log", "log.", problems);
        let log_format = section.text("format", problems);
        let log_level = section.text("level", problems);
        keys.extend(section.end(problems));

        let mut section = file.section("store", "store.", problems);
        let shards = section.number("shards", problems);
        keys.extend(section.end(problems));

        let top = file.end(problems);
        let is_section = |key: &str| {
            keys.iter()
                .any(|other| other.split('.').next() == Some(key))
        };
        let mut all: Vec<String> = top.into_iter().filter(|key| !is_section(key)).collect();
        all.append(&mut keys);

        Self {
            hostname,
            domains,
            data,
            certificates,
            listeners,
            balancers,
            message_size,
            connections,
            connections_per_address,
            shutdown_seconds,
            log_format,
            log_level,
            shards,
            keys: all,
        }
    }
}
