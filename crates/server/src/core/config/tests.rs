//! What configurations mean, and the exact words in which wrong ones are refused.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_transport::CertificateFiles;

use super::{LogFormat, LogLevel, Settings, StoreSettings, config_keys, load, parse};

const SMALLEST: &str = r#"
hostname = "mail.example.org"
domains = ["example.org"]
[[certificates]]
chain = "chain.pem"
key = "/keys/key.pem"
"#;

fn settings(text: &str) -> Settings {
    parse(text, Path::new("/etc/pillarbox/p.toml")).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(text: &str) -> String {
    parse(text, Path::new("p.toml")).unwrap_err().to_string()
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/pillarboxd.example.toml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_smallest_configuration_listens_everywhere_implicit_first() {
    let settings = settings(SMALLEST);
    let ports: Vec<_> = settings
        .listeners
        .iter()
        .map(|listener| (listener.label.as_str(), listener.addresses[0].port()))
        .collect();
    assert_eq!(
        ports,
        [
            ("imaps", 993),
            ("pop3s", 995),
            ("submissions", 465),
            ("imap", 143),
            ("pop3", 110),
            ("submission", 587)
        ]
    );
    assert!(
        settings
            .listeners
            .iter()
            .all(|listener| listener.addresses.len() == 2)
    );
    assert_eq!(settings.listeners[2].label.start, TlsStart::Implicit);
    assert_eq!(settings.listeners[5].label.start, TlsStart::StartTls);
    assert_eq!(settings.data, PathBuf::from("/var/lib/pillarbox"));
    assert_eq!(
        settings.certificates,
        [CertificateFiles {
            chain: "/etc/pillarbox/chain.pem".into(),
            key: "/keys/key.pem".into()
        }]
    );
    assert_eq!(settings.limits.message_size, 52_428_800);
    assert_eq!(settings.limits.shutdown, Duration::from_secs(10));
    assert_eq!(settings.log.format, LogFormat::Text);
    assert_eq!(settings.log.level, LogLevel::Info);
    assert_eq!(settings.store, StoreSettings { shards: 4 });
    assert!(settings.is_local(&"Example.ORG".parse().unwrap()));
    assert!(!settings.is_local(&"example.com".parse().unwrap()));
}

#[test]
fn an_empty_list_switches_a_listener_off() {
    let text = format!("{SMALLEST}[listeners]\nimap = []\npop3 = [\"127.0.0.1:0\"]\n");
    let settings = settings(&text);
    assert!(
        !settings
            .listeners
            .iter()
            .any(|on| on.label.as_str() == "imap")
    );
    assert_eq!(
        settings
            .listener(Label::new(Service::Pop3, TlsStart::StartTls))
            .unwrap()
            .addresses,
        ["127.0.0.1:0".parse().unwrap()]
    );
}

#[test]
fn the_example_is_the_default_and_names_every_key() {
    let example = example();
    let as_shipped = settings(&example);
    let uncommented: String = example
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert_eq!(
        as_shipped,
        settings(&uncommented),
        "what the example says is the default"
    );
    for key in config_keys() {
        let last = key.rsplit('.').next().unwrap();
        assert!(
            uncommented
                .lines()
                .any(|line| line.starts_with(&format!("{last} = "))),
            "{key} is missing from docs/pillarboxd.example.toml"
        );
    }
}

#[test]
fn balancers_are_networks() {
    let settings = settings(&format!(
        "{SMALLEST}\n[listeners]\nbalancers = [\"192.0.2.1\", \"2001:db8::/64\"]\n"
    ));
    let balancers: Vec<_> = settings.balancers.iter().map(ToString::to_string).collect();
    assert_eq!(balancers, ["192.0.2.1/32", "2001:db8::/64"]);
}

#[test]
fn every_key_is_listed() {
    assert_eq!(
        config_keys(),
        [
            "hostname",
            "domains",
            "data",
            "certificates.chain",
            "certificates.key",
            "listeners.imaps",
            "listeners.pop3s",
            "listeners.submissions",
            "listeners.imap",
            "listeners.pop3",
            "listeners.submission",
            "listeners.balancers",
            "limits.message_size",
            "limits.connections",
            "limits.connections_per_address",
            "limits.shutdown_seconds",
            "log.format",
            "log.level",
            "store.shards",
        ]
    );
    let about_tls = [
        "tls",
        "ssl",
        "secure",
        "insecure",
        "plain",
        "cleartext",
        "verify",
    ];
    assert!(
        !config_keys()
            .iter()
            .any(|key| about_tls.iter().any(|word| key.contains(word))),
        "TLS is not a key"
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = r#"hostnam = "mail.example.org"
domains = ["example.org", "exa mple.org", "EXAMPLE.org"]
data = 7
tls = false

[[certificates]]
chain = "chain.pem"

[listeners]
imaps = "[::]:993"
pop3s = ["995"]
imap = ["0.0.0.0:143"]
pop3 = ["0.0.0.0:143"]

[limits]
message_size = "50 MB"
connections = "many"
connections_per_address = 0

[log]
format = "xml"
level = "INFO"

[store]
shards = -1
"#;
    assert_eq!(
        refused(text),
        r#"p.toml: hostname is missing
  hint: write the name clients connect to: hostname = "mail.example.org"
p.toml:1:1: there is no key "hostnam"
  hint: did you mean "hostname"?
p.toml:2:27: "exa mple.org" is not a mail domain: only letters, digits, hyphens and dots can stand in it
  hint: write what stands behind the @, such as "example.org"
p.toml:2:43: the domain "example.org" stands here twice
  hint: remove one of them
p.toml:3:8: data should be a text in quotes, and is a whole number
  hint: write a text in quotes
p.toml:4:1: there is no key "tls"
  hint: the keys here are: hostname, domains, data, certificates, listeners, limits, log, store
p.toml:6:1: this certificate has no "key"
  hint: add the path of a PEM file: key = "..."
p.toml:10:9: listeners.imaps should be a list of texts, and is a text
  hint: put it in brackets: imaps = ["[::]:993"]
p.toml:11:10: "995" is not an address and port
  hint: write it like "192.0.2.1:995" or "[::]:995"
p.toml:13:9: 0.0.0.0:143 is taken by listeners.imap already
  hint: give each listener an address and port of its own
p.toml:16:16: "50 MB" is not a size
  hint: write a size from "64 KiB" to "1 GiB", such as "50 MiB"
p.toml:17:15: limits.connections should be a whole number, and is a text
  hint: leave out the quotes
p.toml:18:27: limits.connections_per_address cannot be 0
  hint: write a number from 1 to 1000000
p.toml:21:10: log.format cannot be "xml"
  hint: write one of "json", "text"
p.toml:22:9: log.level cannot be "INFO"
  hint: write one of "error", "warn", "info", "debug", "trace"
p.toml:25:10: store.shards is out of range
  hint: write a whole number that is not negative"#
    );
}

#[test]
fn an_empty_file_says_what_is_needed() {
    assert_eq!(
        refused(""),
        r#"p.toml: hostname is missing
  hint: write the name clients connect to: hostname = "mail.example.org"
p.toml: domains is missing
  hint: list what stands behind the @ in your addresses: domains = ["example.org"]
p.toml: there is no certificate, and nothing is served without one
  hint: add a section: [[certificates]] with chain = "chain.pem" and key = "key.pem""#
    );
}

#[test]
fn what_is_not_toml_is_said_with_its_place() {
    let message = refused("hostname = mail.example.org\ndomains = [\n");
    assert!(
        message.starts_with("p.toml:1:12: this is not TOML: "),
        "{message}"
    );
    // The rest would be an echo of the first mistake.
    assert_eq!(message.matches("hint: ").count(), 1, "{message}");
}

#[test]
fn a_missing_file_is_said_with_its_name() {
    let message = load(Path::new("/nonexistent/p.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("/nonexistent/p.toml: cannot be read: No such file or directory"),
        "{message}"
    );
    assert!(message.contains("\n  hint: "), "{message}");
}

#[test]
fn all_listeners_off_is_refused() {
    let text = format!(
        "{SMALLEST}[listeners]\nimaps = []\npop3s = []\nsubmissions = []\nimap = []\npop3 = []\nsubmission = []\n"
    );
    assert_eq!(
        refused(&text),
        "p.toml: every listener is switched off\n  hint: remove one of the empty lists in [listeners]"
    );
}

#[test]
fn starttls_without_its_implicit_sibling_is_warned_of() {
    let text = format!("{SMALLEST}[listeners]\nimaps = []\n");
    assert_eq!(
        settings(&text).warnings(),
        [
            "listeners.imaps is off while listeners.imap is on: clients should be offered TLS from the first byte (RFC 8314 section 4)"
        ]
    );
    assert!(settings(SMALLEST).warnings().is_empty());
}

#[test]
fn a_change_knows_what_it_needs() {
    let old = settings(SMALLEST);
    let live = settings(
        &SMALLEST
            .replace("chain.pem", "other.pem")
            .replace("[\"example.org\"]", "[\"example.org\", \"example.net\"]"),
    );
    assert!(old.needs_restart(&live).is_empty());
    let cold = settings(&format!(
        "data = \"/elsewhere\"\n{SMALLEST}[listeners]\nimap = []\n[store]\nshards = 2\n[log]\nformat = \"json\"\n"
    ));
    assert_eq!(
        old.needs_restart(&cold),
        ["data", "listeners.imap", "log.format", "store.shards"]
    );
    assert!(
        old.needs_restart(&cold.clone().until_restart(&old))
            .is_empty(),
        "what needs a restart stays as it was until then"
    );
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _any = parse(&text, Path::new("p.toml"));
    }

    #[test]
    fn no_bent_example_makes_it_panic(at in 0usize..3000, with in "[\\[\\]\"=#a0.\\n]{0,3}") {
        let mut text = example();
        let at = text.floor_char_boundary(at.min(text.len()));
        text.insert_str(at, &with);
        let _any = parse(&text, Path::new("p.toml"));
    }
}
