//! Headers, right and wrong.

use ppp::v2::{Builder, Command, IPv4, Protocol, Version};
use proptest::prelude::*;

use super::*;

fn header(tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let addresses = IPv4::new([192, 0, 2, 7], [192, 0, 2, 1], 40_000, 993);
    let mut builder =
        Builder::with_addresses(Version::Two | Command::Proxy, Protocol::Stream, addresses);
    for (kind, value) in tlvs {
        builder = builder.write_tlv(*kind, value).unwrap();
    }
    builder.build().unwrap()
}

fn ssl(flags: u8, parts: &[(u8, &[u8])]) -> Vec<u8> {
    let mut value = vec![flags, 0, 0, 0, 0];
    for (kind, part) in parts {
        value.push(*kind);
        value.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        value.extend_from_slice(part);
    }
    value
}

fn read(octets: &[u8]) -> Result<Option<Reported>, ProxyError> {
    reported(&Header::try_from(octets).map_err(ProxyError::Malformed)?)
}

fn tls(octets: &[u8]) -> Result<Option<ReportedTls>, ProxyError> {
    let reported = read(octets)?.unwrap();
    assert_eq!(reported.client, "192.0.2.7:40000".parse().unwrap());
    Ok(reported.tls)
}

#[test]
fn what_haproxy_says_of_a_client_over_tls() {
    let reported = ssl(
        7,
        &[
            (SSL_VERSION, b"TLSv1.3"),
            (SSL_CIPHER, b"TLS_AES_128_GCM_SHA256"),
            (SSL_GROUP, b"X25519MLKEM768"),
        ],
    );
    let octets = header(&[
        (ALPN, b"imap"),
        (AUTHORITY, b"mail.example.org"),
        (SSL, &reported),
    ]);
    assert_eq!(
        tls(&octets).unwrap(),
        Some(ReportedTls {
            version: TlsVersion::Tls13,
            suite: CipherSuite::Named("TLS_AES_128_GCM_SHA256"),
            group: Some(Group("X25519MLKEM768")),
            sni: Some("mail.example.org".to_owned()),
            alpn: Some("imap".to_owned()),
        })
    );
    let reported = ssl(
        1,
        &[
            (SSL_VERSION, b"TLSv1.2"),
            (SSL_CIPHER, b"ECDHE-RSA-AES128-GCM-SHA256"),
            (SSL_GROUP, b"prime256v1"),
        ],
    );
    let reported = tls(&header(&[(SSL, &reported)])).unwrap().unwrap();
    assert_eq!(
        reported.suite,
        CipherSuite::Named("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
    );
    assert_eq!(reported.group, Some(Group("secp256r1")));
}

#[test]
fn no_tls_is_no_tls() {
    assert_eq!(tls(&header(&[])).unwrap(), None);
    assert_eq!(tls(&header(&[(SSL, &ssl(0, &[]))])).unwrap(), None);
}

#[test]
fn tls_that_is_too_weak_or_not_told_of_is_refused() {
    let refused = |parts: &[(u8, &[u8])]| tls(&header(&[(SSL, &ssl(1, parts))])).unwrap_err();
    let good = (SSL_CIPHER, b"TLS_AES_128_GCM_SHA256".as_slice());
    for version in [b"TLSv1.1".as_slice(), b"SSLv3", b"TLSv1.4"] {
        let why = refused(&[(SSL_VERSION, version), good]);
        assert!(matches!(why, ProxyError::Weak(_)), "{why}");
    }
    let why = refused(&[(SSL_VERSION, b"TLSv1.2"), (SSL_CIPHER, b"AES128-SHA")]);
    assert!(matches!(why, ProxyError::Weak(_)), "{why}");
    for parts in [&[(SSL_VERSION, b"TLSv1.3".as_slice())][..], &[good], &[]] {
        assert!(matches!(refused(parts), ProxyError::NoDetails));
    }
    for short in 0..5 {
        let why = tls(&header(&[(SSL, &[1, 0, 0, 0, 0][..short])])).unwrap_err();
        assert!(matches!(why, ProxyError::NoDetails), "{why}");
    }
}

#[test]
fn a_client_that_has_no_address_is_refused() {
    let unknown = Builder::with_addresses(
        Version::Two | Command::Proxy,
        Protocol::Stream,
        Addresses::Unspecified,
    );
    let why = read(&unknown.build().unwrap()).unwrap_err();
    assert!(matches!(why, ProxyError::NoClient), "{why}");
    let alive = Builder::with_addresses(
        Version::Two | Command::Local,
        Protocol::Unspecified,
        Addresses::Unspecified,
    );
    assert_eq!(read(&alive.build().unwrap()).unwrap(), None);
}

proptest! {
    /// Whatever stands in the fields, the answer is one of ours, and no panic.
    #[test]
    fn any_fields_can_be_read(junk in proptest::collection::vec(any::<u8>(), 0..300), flags in any::<u8>()) {
        let mut value = vec![flags, 0, 0, 0, 0];
        value.extend(&junk);
        let _ = read(&header(&[(SSL, &value)]));
        let mut octets = header(&[]);
        let length = u16::try_from(12 + junk.len()).unwrap().to_be_bytes();
        octets[14..16].copy_from_slice(&length);
        octets.extend(junk);
        let _ = read(&octets);
    }
}

#[test]
fn claims_that_contradict_each_other_are_refused() {
    let said =
        |version: &[u8], cipher: &[u8]| ssl(7, &[(SSL_VERSION, version), (SSL_CIPHER, cipher)]);
    for (version, cipher) in [
        ("TLSv1.3", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("TLSv1.2", "TLS_AES_128_GCM_SHA256"),
        ("TLSv1.3", ""),
    ] {
        let octets = header(&[(SSL, &said(version.as_bytes(), cipher.as_bytes()))]);
        assert!(
            matches!(tls(&octets), Err(ProxyError::Weak(_))),
            "{version} {cipher}"
        );
    }
    let one = said(b"TLSv1.3", b"TLS_AES_128_GCM_SHA256");
    let other = said(b"TLSv1.2", b"ECDHE-RSA-AES128-GCM-SHA256");
    let octets = header(&[(SSL, &one), (SSL, &other)]);
    assert!(matches!(tls(&octets), Err(ProxyError::Twice(SSL))));
}
