//! What a handshake comes to: facts, names, ALPN, certificates by SNI, reload.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{
    Begin, Talker, ask, certificates, dial, dial_mail, dialer, good, hand_over, host, limits, serve,
};
use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::{
    CipherSuite, Group, HandshakeFailure, PeerProof, TlsEnd, TlsFacts, TlsVersion,
};
use pillarbox_testkit::{Leaf, TestCa};
use pillarbox_transport::{
    Acceptor, CertificateStore, Certificates, HandDriven, NoUsableCertificate, Start, Target,
    Unserved,
};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{AlertDescription, ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

fn facts(connection: &HandDriven) -> &TlsFacts {
    connection.channel().facts().expect("TLS")
}

/// A client that is not ours, to offer what ours does not.
struct Stranger {
    provider: CryptoProvider,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<&'static str>,
    roots: RootCertStore,
}

impl Stranger {
    fn new(ca: &TestCa) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(ca.root_der().clone()).unwrap();
        Self {
            provider: default_provider(),
            versions: vec![&rustls::version::TLS13, &rustls::version::TLS12],
            alpn: Vec::new(),
            roots,
        }
    }

    fn config(&self) -> Arc<ClientConfig> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(self.provider.clone()))
            .with_protocol_versions(&self.versions)
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = self
            .alpn
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        Arc::new(config)
    }

    async fn connect(
        &self,
        address: std::net::SocketAddr,
        name: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        connect(&self.config(), address, name).await
    }
}

async fn connect(
    config: &Arc<ClientConfig>,
    address: std::net::SocketAddr,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let name = name.to_owned().try_into().unwrap();
    let socket = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::clone(config))
        .connect(name, socket)
        .await
}

fn alert(error: std::io::Error) -> AlertDescription {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error:?}"),
    }
}

fn listener(acceptor: &Acceptor) -> (std::net::SocketAddr, mpsc::UnboundedReceiver<HandDriven>) {
    hand_over(Start::Implicit(acceptor.clone()))
}

fn acceptor(ca: &TestCa, service: Service) -> Acceptor {
    let certificates = certificates(&[&good(ca)]);
    Acceptor::new(CertificateStore::new(certificates), service).unwrap()
}

/// Both ends of one handshake have the same facts, but for what each proved of the other (R9266-1: the
/// channel binding is the same 32 bytes).
#[tokio::test]
async fn both_ends_agree_on_the_facts() {
    let ca = TestCa::new();
    let (address, mut taken) = listener(&acceptor(&ca, Service::Imap));
    let dialer = dialer(Service::Imap, &ca);
    let target = Target::Host {
        name: "localhost".to_owned(),
        port: address.port(),
    };
    let client = dialer
        .connect_implicit(&target, &host("mail.example.org"))
        .await
        .unwrap();
    let server = taken.recv().await.unwrap();

    let (client, server) = (client.facts(), facts(&server));
    assert_eq!(client.version(), TlsVersion::Tls13);
    assert_eq!(client.suite(), CipherSuite::Named("TLS_AES_128_GCM_SHA256"));
    assert_eq!(client.group(), Some(Group("X25519MLKEM768")));
    assert_eq!(client.record().sni.as_deref(), Some("mail.example.org"));
    assert_eq!(client.record().alpn.as_deref(), Some("imap"));
    assert_eq!(client.tls_start(), TlsStart::Implicit);
    assert_eq!(client.tls_end(), TlsEnd::Here);
    assert!(!client.record().resumed);
    assert_eq!(
        client.peer(),
        &PeerProof::Pkix {
            name: "mail.example.org".to_owned()
        }
    );
    assert!(client.binding().is_some());

    assert_eq!(server.peer(), &PeerProof::Anonymous);
    assert_eq!(server.version(), client.version());
    assert_eq!(server.suite(), client.suite());
    assert_eq!(server.group(), client.group());
    assert_eq!(
        server.record().sni.as_deref(),
        client.record().sni.as_deref()
    );
    assert_eq!(
        server.record().alpn.as_deref(),
        client.record().alpn.as_deref()
    );
    assert_eq!(server.binding(), client.binding());
    assert_eq!(
        server.record().to_string(),
        "TLSv1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768"
    );
}

/// S4.3-6, S4.3-9, R9325-13: each group alone works and is recorded by its IANA name, in both versions.
#[tokio::test]
async fn every_group_is_recorded_by_its_iana_name() {
    let ca = TestCa::new();
    let (address, mut taken) = listener(&acceptor(&ca, Service::Imap));
    let mut stranger = Stranger::new(&ca);
    let all: [(&'static dyn SupportedKxGroup, &str); 4] = [
        (kx_group::X25519MLKEM768, "X25519MLKEM768"),
        (kx_group::X25519, "x25519"),
        (kx_group::SECP256R1, "secp256r1"),
        (kx_group::SECP384R1, "secp384r1"),
    ];
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for (group, name) in all {
            if version.version == rustls::ProtocolVersion::TLSv1_2 && name == "X25519MLKEM768" {
                continue; // hybrids are for 1.3
            }
            stranger.versions = vec![version];
            stranger.provider.kx_groups = vec![group];
            stranger.connect(address, "mail.example.org").await.unwrap();
            let connection = taken.recv().await.unwrap();
            assert_eq!(facts(&connection).group(), Some(Group(name)));
        }
    }
}

/// S4-13, R9325-2, S4.3-3: every suite alone works with the key it needs, by its IANA name.
#[tokio::test]
async fn every_suite_is_recorded_by_its_iana_name() {
    let ca = TestCa::new();
    let pair = [
        &good(&ca),
        &ca.issue(&Leaf::new(&["mail.example.org"]).rsa()),
    ];
    let store = CertificateStore::new(certificates(&pair));
    let (address, mut taken) = listener(&Acceptor::new(store, Service::Imap).unwrap());
    let mut seen = Vec::new();
    for suite in default_provider().cipher_suites {
        let mut stranger = Stranger::new(&ca);
        stranger.provider.cipher_suites = vec![suite];
        stranger.versions = vec![match suite.version().version {
            rustls::ProtocolVersion::TLSv1_3 => &rustls::version::TLS13,
            _ => &rustls::version::TLS12,
        }];
        stranger.connect(address, "mail.example.org").await.unwrap();
        let connection = taken.recv().await.unwrap();
        assert!(facts(&connection).binding().is_some());
        seen.push(facts(&connection).suite().to_string());
    }
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        ]
    );
}

/// R9325-7 and S4.3-6: a resumed session is told as such; on 1.3 with a group of its own, on 1.2 without one.
/// A ticket of one listener is worth nothing on another.
#[tokio::test]
async fn resumption_is_recorded_and_stays_on_its_listener() {
    for (version, group) in [
        (&rustls::version::TLS13, Some(Group("x25519"))),
        (&rustls::version::TLS12, None),
    ] {
        let ca = TestCa::new();
        let one = acceptor(&ca, Service::Imap);
        let (address, mut taken) = listener(&one);
        let (elsewhere, mut taken_elsewhere) = listener(&acceptor(&ca, Service::Imap));
        let mut stranger = Stranger::new(&ca);
        stranger.versions = vec![version];
        stranger.provider.kx_groups = vec![kx_group::X25519];
        let config = stranger.config();

        for expected in [false, true] {
            let mut client = connect(&config, address, "mail.example.org").await.unwrap();
            let server = taken.recv().await.unwrap();
            assert_eq!(facts(&server).record().resumed, expected);
            if expected {
                assert_eq!(facts(&server).group(), group);
            }
            assert!(facts(&server).binding().is_some());
            server.close().await;
            // Reads the tickets.
            let read = tokio::io::AsyncReadExt::read(&mut client, &mut [0; 10]).await;
            assert_eq!(read.unwrap(), 0);
        }
        connect(&config, elsewhere, "mail.example.org")
            .await
            .unwrap();
        assert!(
            !facts(&taken_elsewhere.recv().await.unwrap())
                .record()
                .resumed
        );
    }
}

/// R9325-9, S4.4-2..4: the certificate of the name that was asked for; the default without a name; alert 112
/// for a name that is not served, and no certificate with it.
#[tokio::test]
async fn certificates_by_name() {
    let ca = TestCa::new();
    let server = serve(
        Begin::Implicit,
        Service::Imap,
        &[
            &ca.server(&["mail.example.net", "192.0.2.7"]),
            &ca.server(&["example.org", "*.example.org"]),
            &ca.server(&["special.example.org"]),
        ],
    );
    let dialer = dialer(Service::Imap, &ca);
    let names_of = |stream: &TlsStream<TcpStream>| {
        let leaf = &stream.get_ref().1.peer_certificates().unwrap()[0];
        let (_, leaf) = x509_parser::parse_x509_certificate(leaf).unwrap();
        let names = leaf.subject_alternative_name().unwrap().unwrap();
        names.value.general_names[0].to_string()
    };
    for (name, first) in [
        ("mail.example.net", "mail.example.net"),
        ("MAIL.example.NET", "mail.example.net"),
        ("example.org", "example.org"),
        ("imap.example.org", "example.org"),
        ("special.example.org", "special.example.org"),
        ("192.0.2.7", "mail.example.net"), // no SNI: the default
    ] {
        let stream = Stranger::new(&ca)
            .connect(server.address, name)
            .await
            .unwrap();
        assert_eq!(names_of(&stream), format!("DNSName({first})"), "{name}");
    }
    for name in ["unknown.example", "a.b.example.org", "net"] {
        let result = dial(Begin::Implicit, &dialer, server.address, &host(name)).await;
        assert_eq!(result.unwrap_err(), HandshakeFailure::UnknownName, "{name}");
        assert_eq!(server.failure().await, HandshakeFailure::UnknownName);
        let error = Stranger::new(&ca)
            .connect(server.address, name)
            .await
            .unwrap_err();
        assert_eq!(alert(error), AlertDescription::UnrecognisedName);
    }
    let failures = server.failures.lock().unwrap();
    let Unserved::Handshake(error) = &failures[0] else {
        panic!("{failures:?}");
    };
    assert_eq!(error.sni.as_deref(), Some("unknown.example"));
}

/// R7301-1, R9325-10, S6: ALPN is strict wherever a client uses it.
#[tokio::test]
async fn alpn() {
    let ca = TestCa::new();
    for (service, offers, expected) in [
        (Service::Imap, vec!["imap"], Ok(Some("imap"))),
        (Service::Imap, vec!["http/1.1", "imap"], Ok(Some("imap"))),
        (Service::Imap, vec![], Ok(None)),
        (Service::Imap, vec!["pop3"], Err(())),
        (Service::Imap, vec!["http/1.1", "h2"], Err(())),
        (Service::Pop3, vec!["pop3"], Ok(Some("pop3"))),
        (Service::Pop3, vec!["imap"], Err(())),
        (Service::Submission, vec![], Ok(None)),
        (Service::Submission, vec!["smtp"], Ok(Some("smtp"))),
        (Service::Submission, vec!["h2"], Err(())),
        (Service::Submission, vec!["http/1.1"], Err(())),
        (Service::Submission, vec!["imap"], Err(())),
    ] {
        let server = serve(Begin::Implicit, service, &[&good(&ca)]);
        let mut stranger = Stranger::new(&ca);
        stranger.alpn = offers;
        let result = stranger.connect(server.address, "mail.example.org").await;
        match (result, expected) {
            (Ok(stream), Ok(expected)) => {
                assert_eq!(
                    stream.get_ref().1.alpn_protocol(),
                    expected.map(str::as_bytes)
                );
            }
            (Err(error), Err(())) => {
                assert_eq!(alert(error), AlertDescription::NoApplicationProtocol);
                assert_eq!(server.failure().await, HandshakeFailure::Alpn);
            }
            (result, _) => panic!("{service:?} {:?}: {result:?}", stranger.alpn),
        }
    }
    // Our own client, led to another service.
    let server = serve(Begin::Implicit, Service::Pop3, &[&good(&ca)]);
    let dialer = dialer(Service::Imap, &ca);
    let result = dial_mail(Begin::Implicit, &dialer, server.address).await;
    assert_eq!(result.unwrap_err(), HandshakeFailure::Alpn);
}

/// A reload serves new connections the new certificate and drops no old one (S4.4-1).
#[tokio::test]
async fn reload_while_connected() {
    let ca = TestCa::new();
    let new_ca = TestCa::new();
    let name = host("mail.example.org");
    let server = serve(Begin::Implicit, Service::Imap, &[&good(&ca)]);
    let dialer_of = |ca| dialer(Service::Imap, ca);
    let mut old = dial(Begin::Implicit, &dialer_of(&ca), server.address, &name)
        .await
        .unwrap();
    let mut talker = Talker::new();
    assert_eq!(
        ask(&mut old, &mut talker, "").await,
        crate::support::GREETING
    );

    let next = certificates(&[&good(&new_ca)]);
    server.store.replace(next).unwrap();

    assert_eq!(
        ask(&mut old, &mut talker, "still here\r\n").await,
        "echo still here"
    );
    dial(Begin::Implicit, &dialer_of(&new_ca), server.address, &name)
        .await
        .unwrap();
    let result = dial(Begin::Implicit, &dialer_of(&ca), server.address, &name).await;
    assert_eq!(result.unwrap_err(), HandshakeFailure::CertificateChain);

    // An empty set is refused, and what is in force stays.
    assert_eq!(
        server.store.replace(Certificates::new()),
        Err(NoUsableCertificate)
    );
    dial(Begin::Implicit, &dialer_of(&new_ca), server.address, &name)
        .await
        .unwrap();
}

/// With no certificate there is no acceptor, so neither an implicit listener nor STARTTLS (S3).
#[test]
fn no_acceptor_without_a_certificate() {
    let store = CertificateStore::new(Certificates::new());
    let result = Acceptor::new(store, Service::Imap);
    assert_eq!(result.err(), Some(NoUsableCertificate));
}

/// An expired certificate is still served; the client is who decides.
#[tokio::test]
async fn a_client_decides_about_an_expired_certificate() {
    let ca = TestCa::new();
    let server = serve(
        Begin::Implicit,
        Service::Imap,
        &[&ca.issue(&Leaf::new(&["mail.example.org"]).expired())],
    );
    let error = Stranger::new(&ca)
        .connect(server.address, "mail.example.org")
        .await
        .unwrap_err();
    let inner = error
        .get_ref()
        .unwrap()
        .downcast_ref::<rustls::Error>()
        .unwrap();
    assert!(
        matches!(
            inner,
            rustls::Error::InvalidCertificate(rustls::CertificateError::ExpiredContext { .. })
        ),
        "{inner:?}"
    );
}

/// A server that never answers does not hold a client for longer than its timeout.
#[tokio::test]
async fn a_stalled_server_times_a_client_out() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::Addresses(vec![silent.local_addr().unwrap()]);
    let mut timeouts = limits().timeouts;
    timeouts.handshake = Duration::from_millis(200);
    let dialer = dialer(Service::Imap, &TestCa::new()).with_timeouts(timeouts);
    let Err(pillarbox_transport::DialError::Handshake(error)) = dialer
        .connect_implicit(&target, &host("mail.example.org"))
        .await
    else {
        panic!("a silent server is no success");
    };
    assert_eq!(error.failure, HandshakeFailure::TimedOut);
}

/// The next address is tried when one does not answer.
#[tokio::test]
async fn the_next_address_is_tried() {
    let ca = TestCa::new();
    let server = serve(Begin::Implicit, Service::Imap, &[&good(&ca)]);
    let closed = {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        socket.local_addr().unwrap()
    };
    let dialer = dialer(Service::Imap, &ca);
    let target = Target::Addresses(vec![closed, server.address]);
    let connection = dialer
        .connect_implicit(&target, &host("mail.example.org"))
        .await
        .unwrap();
    assert_eq!(connection.peer_addr(), server.address);

    let error = dialer
        .connect_clear(&Target::Addresses(vec![closed]))
        .await
        .unwrap_err();
    assert!(
        matches!(error, pillarbox_transport::DialError::Unreachable { .. }),
        "{error}"
    );
    let error = dialer
        .connect_clear(&Target::Addresses(Vec::new()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, pillarbox_transport::DialError::NoAddress(_)),
        "{error}"
    );
}

/// R9325-4: after a failed attempt there is no second one, with lower versions or otherwise.
#[tokio::test]
async fn no_second_attempt_after_a_failure() {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let attempts = tokio::spawn(async move {
        let mut attempts = 0;
        while let Ok(Ok((mut peer, _))) =
            tokio::time::timeout(Duration::from_millis(500), socket.accept()).await
        {
            attempts += 1;
            tokio::io::AsyncReadExt::read_exact(&mut peer, &mut [0; 5])
                .await
                .unwrap();
            peer.set_zero_linger().unwrap();
        }
        attempts
    });
    let dialer = dialer(Service::Imap, &TestCa::new());
    let name = host("mail.example.org");
    let result = dial(Begin::Implicit, &dialer, address, &name).await;
    assert_eq!(result.unwrap_err(), HandshakeFailure::Closed);
    assert_eq!(attempts.await.unwrap(), 1);
}

/// C20: our client does not resume, so every session has had its certificate checked. C21: it sends no SNI for
/// an address.
#[tokio::test]
async fn our_client_never_resumes_and_sends_no_address_as_a_name() {
    let ca = TestCa::new();
    let certificate = ca.server(&["mail.example.org", "192.0.2.7"]);
    let store = CertificateStore::new(certificates(&[&certificate]));
    let (address, mut taken) = listener(&Acceptor::new(store, Service::Imap).unwrap());
    let dialer = dialer(Service::Imap, &ca);
    for (name, sni) in [
        ("mail.example.org", Some("mail.example.org")),
        ("mail.example.org", Some("mail.example.org")),
        ("192.0.2.7", None),
    ] {
        let client = dial(Begin::Implicit, &dialer, address, &host(name))
            .await
            .unwrap();
        let server = taken.recv().await.unwrap();
        assert!(!facts(&server).record().resumed);
        assert_eq!(facts(&server).record().sni.as_deref(), sni);
        server.close().await;
        client.close().await;
    }
}

/// R9325-11: tickets allow no early data, so a client that would send some cannot.
#[tokio::test]
async fn no_early_data() {
    let ca = TestCa::new();
    let (address, mut taken) = listener(&acceptor(&ca, Service::Imap));
    let mut config = Arc::unwrap_or_clone(Stranger::new(&ca).config());
    config.enable_early_data = true;
    let config = Arc::new(config);
    let mut client = connect(&config, address, "mail.example.org").await.unwrap();
    taken.recv().await.unwrap().close().await;
    let read = tokio::io::AsyncReadExt::read(&mut client, &mut [0; 10]).await;
    assert_eq!(read.unwrap(), 0);
    assert_eq!(client.get_ref().1.tls13_tickets_received(), 1);
    let name = "mail.example.org".try_into().unwrap();
    let mut next = rustls::ClientConnection::new(config, name).unwrap();
    assert!(next.early_data().is_none());
}
