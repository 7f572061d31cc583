//! Which certificates speak for which server.

use pillarbox_testkit::{Leaf, TestCa};
use proptest::prelude::*;

use super::*;

fn matches(leaf: &Leaf, identity: &ServerIdentity, srv_label: &str) -> Option<String> {
    identity.matched_by(&leaf.self_signed().chain()[0], srv_label)
}

fn host(name: &str) -> ServerIdentity {
    match name.parse() {
        Ok(address) => ServerIdentity::address(address),
        Err(_) => ServerIdentity::host(name.parse().unwrap()),
    }
}

/// R9525-2 and R7817-3, as a table: presented, reference, whether they match.
#[test]
fn dns_ids() {
    for (presented, reference, expected) in [
        ("mail.example.net", "mail.example.net", true),
        ("MAIL.Example.NET", "mail.example.net", true),
        ("mail.example.net", "MAIL.example.NET.", true),
        ("xn--bcher-kva.example", "bücher.example", true),
        ("*.example.net", "mail.example.net", true),
        ("*.example.net", "example.net", false),
        ("*.example.net", "a.mail.example.net", false),
        ("*.net", "example.net", false),
        ("*", "localhost", false),
        ("m*.example.net", "mail.example.net", false),
        ("*il.example.net", "mail.example.net", false),
        ("mail.*.net", "mail.example.net", false),
        ("*.*.example.net", "a.b.example.net", false),
        ("*.*.net", "a.b.net", false),
        ("example.net", "mail.example.net", false),
        ("mail.example.net.evil.example", "mail.example.net", false),
        ("badexample.net", "example.net", false),
        ("", "mail.example.net", false),
    ] {
        let leaf = Leaf::new(&[presented]);
        let matched = matches(&leaf, &host(reference), "_imaps").is_some();
        assert_eq!(matched, expected, "{presented} for {reference}");
    }
}

/// R9525-2: an account by address matches an iPAddress name only, and exactly.
#[test]
fn addresses() {
    for (presented, reference, expected) in [
        ("192.0.2.7", "192.0.2.7", true),
        ("192.0.2.8", "192.0.2.7", false),
        ("2001:db8::1", "2001:db8:0::1", true),
        ("mail.example.net", "192.0.2.7", false),
        ("192.0.2.7", "mail.example.net", false),
    ] {
        let leaf = Leaf::new(&[presented]);
        let matched = matches(&leaf, &host(reference), "_imaps").is_some();
        assert_eq!(matched, expected, "{presented} for {reference}");
    }
}

/// R9525-1.
#[test]
fn a_common_name_is_never_an_identity() {
    let leaf = Leaf::new(&[]).common_name("mail.example.net");
    assert_eq!(matches(&leaf, &host("mail.example.net"), "_imaps"), None);
    let other = Leaf::new(&["other.example.net"]).common_name("mail.example.net");
    assert_eq!(matches(&other, &host("mail.example.net"), "_imaps"), None);
    let right = Leaf::new(&["mail.example.net"]).common_name("unrelated");
    let name = matches(&right, &host("mail.example.net"), "_imaps");
    assert_eq!(name.as_deref(), Some("mail.example.net"));
}

/// R7817-1: the mail domain is a reference beside the host.
#[test]
fn a_mail_domain_is_a_dns_id_too() {
    let identity = host("mail.example.net").with_mail_domain("example.org".parse().unwrap());
    let name = matches(&Leaf::new(&["example.org"]), &identity, "_imaps");
    assert_eq!(name.as_deref(), Some("example.org"));
    assert_eq!(
        matches(&Leaf::new(&["cname.example.com"]), &identity, "_imaps"),
        None
    );
    assert_eq!(
        matches(
            &Leaf::new(&["example.org"]),
            &host("mail.example.net"),
            "_imaps"
        ),
        None
    );
}

/// R7817-2: SRV-IDs match by service and mail domain, written without `_tcp`.
#[test]
fn srv_ids() {
    let identity = host("imap.host.net").with_mail_domain("example.org".parse().unwrap());
    for (presented, label, expected) in [
        ("_imaps.example.org", "_imaps", true),
        ("_IMAPS.Example.ORG", "_imaps", true),
        ("_imap.example.org", "_imaps", false),
        ("_imaps.example.org", "_imap", false),
        ("_pop3s.example.org", "_imaps", false),
        ("_imaps.other.org", "_imaps", false),
        ("_imaps._tcp.example.org", "_imaps", false),
        ("_imaps.*.org", "_imaps", false),
        ("example.org", "_imaps", false),
    ] {
        let leaf = Leaf::new(&["unrelated.example"]).srv_id(presented);
        let matched = matches(&leaf, &identity, label).is_some();
        assert_eq!(matched, expected, "{presented} for {label}");
    }
    let leaf = Leaf::new(&[]).srv_id("_imaps.example.org");
    assert_eq!(matches(&leaf, &host("example.org"), "_imaps"), None);
}

/// R7817-3.
#[test]
fn uris_are_not_used() {
    let leaf = Leaf::new(&[]).uri("imaps://mail.example.net");
    assert_eq!(matches(&leaf, &host("mail.example.net"), "_imaps"), None);
}

#[test]
fn an_address_is_not_sent_as_sni() {
    assert_eq!(host("192.0.2.7").sni(), None);
    assert_eq!(
        host("Bücher.example").sni().as_deref(),
        Some("xn--bcher-kva.example")
    );
}

proptest! {
    #[test]
    fn no_presented_name_panics_and_only_equal_or_wildcard_ones_match(
        presented in "[a-c*.]{0,12}", reference in "[a-c]{1,3}(\\.[a-c]{1,3}){0,3}",
    ) {
        if dns_id_matches(&presented, &reference) {
            let parent = reference.split_once('.').map(|(_, parent)| format!("*.{parent}"));
            prop_assert!(presented == reference || Some(presented) == parent);
        }
    }

    #[test]
    fn no_bytes_make_an_srv_name_panic(value in proptest::collection::vec(any::<u8>(), 0..40)) {
        srv_name(&value);
    }

    #[test]
    fn no_bytes_make_a_certificate_panic(
        at in 0usize..2000, with in any::<u8>(), cut in 0usize..2000,
    ) {
        let mut bytes = leaf_der().to_vec();
        let length = bytes.len();
        bytes[at % length] = with;
        bytes.truncate(length - cut % length);
        let identity = host("imap.host.net").with_mail_domain("example.org".parse().unwrap());
        identity.matched_by(&CertificateDer::from(bytes), "_imaps");
    }
}

fn leaf_der() -> &'static [u8] {
    static LEAF: std::sync::LazyLock<CertificateDer<'static>> = std::sync::LazyLock::new(|| {
        let leaf = Leaf::new(&["imap.host.net"]).srv_id("_imaps.example.org");
        TestCa::new().issue(&leaf).chain().remove(0)
    });
    &LEAF
}
