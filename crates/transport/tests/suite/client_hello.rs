//! What our client offers, read off the wire octet by octet: S5-10, S5-11, S5-12, R8997-4, R9325-1, R9325-6,
//! R9325-8, R9325-11, R9325-12, R9325-14, R10015-1, SA-8.

use std::collections::BTreeMap;

use crate::support::Begin;
use pillarbox_names::Service;
use pillarbox_testkit::TestCa;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// The nine suites, best first, and the empty one that stands for renegotiation_info (RFC 5746 §3.3).
const SUITES: [u16; 10] = [
    0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xcca9, 0xc02f, 0xc030, 0xcca8, 0x00ff,
];
const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const EXTENDED_MASTER_SECRET: u16 = 23;
const PRE_SHARED_KEY: u16 = 41;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;
const PSK_KEY_EXCHANGE_MODES: u16 = 45;

/// Takes octets off the front.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn number(&mut self, octets: usize) -> usize {
        let taken = self.take(octets);
        taken
            .iter()
            .fold(0, |number, octet| number << 8 | usize::from(*octet))
    }

    /// A vector behind its length in so many octets.
    fn vector(&mut self, octets: usize) -> &'a [u8] {
        let length = self.number(octets);
        self.take(length)
    }
}

fn pairs(octets: &[u8]) -> Vec<u16> {
    octets
        .chunks(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect()
}

struct ClientHello {
    version: usize,
    suites: Vec<u16>,
    compression: Vec<u8>,
    extensions: BTreeMap<u16, Vec<u8>>,
}

async fn hello(service: Service, name: &str) -> ClientHello {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut head = [0; 5];
        socket.read_exact(&mut head).await.unwrap();
        assert_eq!(head[0], 22, "the first octet is that of a handshake");
        let mut record = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
        socket.read_exact(&mut record).await.unwrap();
        record
    });
    let dialer = crate::support::dialer(service, &TestCa::new());
    let result = crate::support::dial(
        Begin::Implicit,
        &dialer,
        address,
        &crate::support::host(name),
    )
    .await;
    assert!(result.is_err());
    let record = heard.await.unwrap();
    let mut message = Octets(&record);
    assert_eq!(message.number(1), 1, "ClientHello");
    let mut body = Octets(message.vector(3));
    let version = body.number(2);
    body.take(32);
    body.vector(1);
    let suites = pairs(body.vector(2));
    let compression = body.vector(1).to_vec();
    let mut rest = Octets(body.vector(2));
    let mut extensions = BTreeMap::new();
    while !rest.0.is_empty() {
        let kind = u16::try_from(rest.number(2)).unwrap();
        let content = rest.vector(2).to_vec();
        assert!(extensions.insert(kind, content).is_none(), "{kind} twice");
    }
    ClientHello {
        version,
        suites,
        compression,
        extensions,
    }
}

#[tokio::test]
async fn nothing_weak_is_offered() {
    for service in [Service::Imap, Service::Pop3, Service::Submission] {
        let hello = hello(service, "mail.example.org").await;
        assert_eq!(hello.version, 0x0303);
        assert_eq!(hello.suites, SUITES);
        assert_eq!(hello.compression, [0], "no compression");
        let list = |kind| Octets(&hello.extensions[&kind]).vector(2);
        let versions = Octets(&hello.extensions[&SUPPORTED_VERSIONS]).vector(1);
        assert_eq!(pairs(versions), [0x0304, 0x0303]);
        assert_eq!(
            pairs(list(SUPPORTED_GROUPS)),
            [0x11ec, 0x001d, 0x0017, 0x0018]
        );
        for scheme in pairs(list(SIGNATURE_ALGORITHMS)) {
            // RSA-PSS and EdDSA (8), ML-DSA (9), or a pair of TLS 1.2 with SHA-256 (4), SHA-384 (5) or SHA-512 (6).
            let [hash, signature] = scheme.to_be_bytes();
            assert!(
                matches!(hash, 8 | 9) || (4..=6).contains(&hash) && matches!(signature, 1 | 3),
                "{scheme:#06x}"
            );
        }
        assert!(hello.extensions.contains_key(&EXTENDED_MASTER_SECRET));
        for kind in [PRE_SHARED_KEY, EARLY_DATA] {
            assert!(!hello.extensions.contains_key(&kind), "{kind}");
        }
        if let Some(modes) = hello.extensions.get(&PSK_KEY_EXCHANGE_MODES) {
            assert_eq!(modes, &[1, 1], "psk_dhe_ke alone");
        }
        let mut name = Octets(list(SERVER_NAME));
        assert_eq!(name.number(1), 0);
        assert_eq!(name.vector(2), b"mail.example.org");
        let alpn = hello.extensions.get(&ALPN).map(|alpn| &alpn[3..]);
        let expected: Option<&[u8]> = match service {
            Service::Imap => Some(b"imap"),
            Service::Pop3 => Some(b"pop3"),
            Service::Submission => None,
        };
        assert_eq!(alpn, expected);
    }
}

/// R9325-9: an address is no name.
#[tokio::test]
async fn an_address_is_not_sent_as_a_name() {
    let hello = hello(Service::Imap, "192.0.2.7").await;
    assert!(!hello.extensions.contains_key(&SERVER_NAME));
}
