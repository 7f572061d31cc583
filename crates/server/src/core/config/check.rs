//! From [`Entered`] to [`Settings`]: every value is looked at, and everything that is wrong is said.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pillarbox_names::{Domain, Host, Label, Network};
use pillarbox_transport::CertificateFiles;
use toml::Spanned;

use super::entered::{Entered, EnteredCertificate};
use super::problem::Problems;
use super::settings::{
    ListenerSettings, LogFormat, LogLevel, LogSettings, ResourceLimits, Settings, StoreSettings,
    listener_key,
};

const DATA: &str = "/var/lib/pillarbox";
const MESSAGE_SIZE: u64 = 50 * MIB;
const CONNECTIONS: u64 = 10_000;
const CONNECTIONS_PER_ADDRESS: u64 = 100;
const SHUTDOWN_SECONDS: u64 = 10;
const SHARDS: u64 = 4;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// Checks everything. `None` if there is a problem that leaves no settings to speak of; there may be
/// problems beside `Some` as well.
pub(super) fn check(
    entered: Entered,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<Settings> {
    let hostname = hostname(entered.hostname, problems);
    let domains = domains(entered.domains, problems);
    let data = path(entered.data, "data", folder, problems);
    let certificates = certificates(entered.certificates, folder, problems);
    let listeners = listeners(entered.listeners, problems);
    let balancers = balancers(entered.balancers, problems);
    let limits = ResourceLimits {
        message_size: message_size(entered.message_size, problems),
        connections: count(
            entered.connections,
            "limits.connections",
            CONNECTIONS,
            1_000_000,
            problems,
        ),
        connections_per_address: count(
            entered.connections_per_address,
            "limits.connections_per_address",
            CONNECTIONS_PER_ADDRESS,
            1_000_000,
            problems,
        ),
        shutdown: Duration::from_secs(number(
            entered.shutdown_seconds,
            "limits.shutdown_seconds",
            SHUTDOWN_SECONDS,
            (1, 600),
            problems,
        )),
    };
    let log = LogSettings {
        format: word(
            entered.log_format,
            "log.format",
            &[("json", LogFormat::Json), ("text", LogFormat::Text)],
            LogFormat::Text,
            problems,
        ),
        level: word(
            entered.log_level,
            "log.level",
            &[
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
                ("trace", LogLevel::Trace),
            ],
            LogLevel::Info,
            problems,
        ),
    };
    let shards = number(entered.shards, "store.shards", SHARDS, (1, 64), problems);
    Some(Settings {
        hostname: hostname?,
        domains,
        data: data.unwrap_or_else(|| PathBuf::from(DATA)),
        certificates,
        listeners,
        balancers,
        limits,
        log,
        store: StoreSettings {
            shards: u16::try_from(shards).ok()?,
        },
    })
}

fn hostname(entered: Option<Spanned<String>>, problems: &mut Problems<'_>) -> Option<Host> {
    let Some(entered) = entered else {
        problems.whole(
            "hostname is missing",
            "write the name clients connect to: hostname = \"mail.example.org\"",
        );
        return None;
    };
    match Host::parse(entered.get_ref()) {
        Ok(name) => Some(name),
        Err(why) => {
            problems.at(
                entered.span(),
                format!("\"{}\" is not a host name: {why}", entered.get_ref()),
                "write the name clients connect to, such as \"mail.example.org\"",
            );
            None
        }
    }
}

fn domains(
    entered: Option<Spanned<Vec<Spanned<String>>>>,
    problems: &mut Problems<'_>,
) -> Vec<Domain> {
    let mut domains: Vec<Domain> = Vec::new();
    let Some(entered) = entered else {
        problems.whole(
            "domains is missing",
            "list what stands behind the @ in your addresses: domains = [\"example.org\"]",
        );
        return domains;
    };
    if entered.get_ref().is_empty() {
        problems.at(
            entered.span(),
            "domains is empty",
            "list what stands behind the @ in your addresses: domains = [\"example.org\"]",
        );
    }
    for entered in entered.into_inner() {
        match Domain::parse(entered.get_ref()) {
            Ok(name) if domains.contains(&name) => problems.at(
                entered.span(),
                format!("the domain \"{name}\" stands here twice"),
                "remove one of them",
            ),
            Ok(name) => domains.push(name),
            Err(why) => problems.at(
                entered.span(),
                format!("\"{}\" is not a mail domain: {why}", entered.get_ref()),
                "write what stands behind the @, such as \"example.org\"",
            ),
        }
    }
    domains
}

/// A path; one that is relative starts at the folder of the configuration file.
fn path(
    entered: Option<Spanned<String>>,
    key: &str,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Option<PathBuf> {
    let entered = entered?;
    if entered.get_ref().is_empty() {
        problems.at(
            entered.span(),
            format!("{key} is empty"),
            "write a path; one that is relative starts at this file's folder",
        );
    }
    Some(folder.join(entered.get_ref()))
}

fn certificates(
    entered: Vec<Spanned<EnteredCertificate>>,
    folder: &Path,
    problems: &mut Problems<'_>,
) -> Vec<CertificateFiles> {
    if entered.is_empty() {
        problems.whole(
            "there is no certificate, and nothing is served without one",
            "add a section: [[certificates]] with chain = \"chain.pem\" and key = \"key.pem\"",
        );
    }
    let mut certificates = Vec::new();
    for entered in entered {
        let span = entered.span();
        let EnteredCertificate { chain, key } = entered.into_inner();
        for (name, value) in [("chain", &chain), ("key", &key)] {
            if value.is_none() {
                problems.at(
                    span.clone(),
                    format!("this certificate has no \"{name}\""),
                    format!("add the path of a PEM file: {name} = \"...\""),
                );
            }
        }
        let chain = path(chain, "certificates.chain", folder, problems);
        let key = path(key, "certificates.key", folder, problems);
        if let (Some(chain), Some(key)) = (chain, key) {
            certificates.push(CertificateFiles { chain, key });
        }
    }
    certificates
}

fn listeners(
    entered: Vec<Option<Spanned<Vec<Spanned<String>>>>>,
    problems: &mut Problems<'_>,
) -> Vec<ListenerSettings> {
    let mut taken: HashMap<SocketAddr, Label> = HashMap::new();
    let mut listeners = Vec::new();
    if entered
        .iter()
        .all(|list| matches!(list, Some(list) if list.get_ref().is_empty()))
    {
        problems.whole(
            "every listener is switched off",
            "remove one of the empty lists in [listeners]",
        );
    }
    for (label, entered) in Label::ALL.into_iter().zip(entered) {
        let addresses = match entered {
            None => everywhere(label.default_port()),
            Some(entered) => addresses(entered.into_inner(), label, &mut taken, problems),
        };
        if !addresses.is_empty() {
            listeners.push(ListenerSettings { label, addresses });
        }
    }
    listeners
}

fn balancers(
    entered: Option<Spanned<Vec<Spanned<String>>>>,
    problems: &mut Problems<'_>,
) -> Vec<Network> {
    let mut balancers = Vec::new();
    for entered in entered.map(Spanned::into_inner).unwrap_or_default() {
        match entered.get_ref().parse() {
            Ok(network) => balancers.push(network),
            Err(why) => problems.at(
                entered.span(),
                format!("\"{}\" is not a network: {why}", entered.get_ref()),
                "write an address or a network, like \"192.0.2.1\" or \"2001:db8::/64\"",
            ),
        }
    }
    balancers
}

/// All addresses of the machine.
fn everywhere(port: u16) -> Vec<SocketAddr> {
    vec![
        (IpAddr::V4(Ipv4Addr::UNSPECIFIED), port).into(),
        (IpAddr::V6(Ipv6Addr::UNSPECIFIED), port).into(),
    ]
}

fn addresses(
    entered: Vec<Spanned<String>>,
    label: Label,
    taken: &mut HashMap<SocketAddr, Label>,
    problems: &mut Problems<'_>,
) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for entered in entered {
        let Ok(address) = entered.get_ref().parse::<SocketAddr>() else {
            problems.at(
                entered.span(),
                format!("\"{}\" is not an address and port", entered.get_ref()),
                format!(
                    "write it like \"192.0.2.1:{port}\" or \"[::]:{port}\"",
                    port = label.default_port()
                ),
            );
            continue;
        };
        // Port 0 is "any free port": two of them never meet.
        if address.port() != 0
            && let Some(other) = taken.insert(address, label)
        {
            problems.at(
                entered.span(),
                format!("{address} is taken by {} already", listener_key(other)),
                "give each listener an address and port of its own",
            );
            continue;
        }
        addresses.push(address);
    }
    addresses
}

fn message_size(entered: Option<Spanned<String>>, problems: &mut Problems<'_>) -> u64 {
    let Some(entered) = entered else {
        return MESSAGE_SIZE;
    };
    let hint = "write a size from \"64 KiB\" to \"1 GiB\", such as \"50 MiB\"";
    let Some(size) = size(entered.get_ref()) else {
        problems.at(
            entered.span(),
            format!("\"{}\" is not a size", entered.get_ref()),
            hint,
        );
        return MESSAGE_SIZE;
    };
    if !(64 * KIB..=GIB).contains(&size) {
        problems.at(
            entered.span(),
            format!("limits.message_size cannot be {}", entered.get_ref()),
            hint,
        );
    }
    size
}

/// A size such as `50 MiB`.
fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = match unit.trim_start() {
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => GIB,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

fn number(
    entered: Option<Spanned<u64>>,
    key: &str,
    default: u64,
    (least, most): (u64, u64),
    problems: &mut Problems<'_>,
) -> u64 {
    let Some(entered) = entered else {
        return default;
    };
    let number = *entered.get_ref();
    if !(least..=most).contains(&number) {
        problems.at(
            entered.span(),
            format!("{key} cannot be {number}"),
            format!("write a number from {least} to {most}"),
        );
        return default;
    }
    number
}

fn count(
    entered: Option<Spanned<u64>>,
    key: &str,
    default: u64,
    most: u64,
    problems: &mut Problems<'_>,
) -> usize {
    usize::try_from(number(entered, key, default, (1, most), problems)).unwrap_or(usize::MAX)
}

fn word<T: Copy>(
    entered: Option<Spanned<String>>,
    key: &str,
    words: &[(&str, T)],
    default: T,
    problems: &mut Problems<'_>,
) -> T {
    let Some(entered) = entered else {
        return default;
    };
    if let Some((_, value)) = words.iter().find(|(word, _)| word == entered.get_ref()) {
        return *value;
    }
    let all: Vec<String> = words
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect();
    problems.at(
        entered.span(),
        format!("{key} cannot be \"{}\"", entered.get_ref()),
        format!("write one of {}", all.join(", ")),
    );
    default
}
