//! C15: every kind of bad certificate fails closed, on implicit TLS and after STARTTLS, for every service.

use crate::support::{Begin, ask, dial, dialer, host, serve};
use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::{Channel, HandshakeFailure, PeerProof};
use pillarbox_testkit::{Leaf, TestCa, TestCertificate};

const HOST: &str = "mail.example.org";
const SERVICES: [Service; 3] = [Service::Imap, Service::Pop3, Service::Submission];
const BEGINNINGS: [Begin; 2] = [Begin::Implicit, Begin::StartTls];

/// Serves the certificate on all six paths and answers what the client found, which has to be the same on all.
async fn on_every_path(ca: &TestCa, certificate: &TestCertificate) -> HandshakeFailure {
    let mut failures = Vec::new();
    for service in SERVICES {
        for begin in BEGINNINGS {
            let mut server = serve(begin, service, &[certificate]);
            let result = dial(begin, &dialer(service, ca), server.address, &host(HOST)).await;
            failures.push(result.unwrap_err());
            // The server saw the handshake end in an alert, and no session heard a line.
            assert!(
                matches!(server.failure().await, HandshakeFailure::Other(why) if why.contains("alert"))
            );
            assert!(server.ended.try_recv().is_err());
        }
    }
    failures.dedup();
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures.remove(0)
}

#[tokio::test]
async fn expired() {
    let ca = TestCa::new();
    let certificate = ca.issue(&Leaf::new(&["default.example", HOST]).expired());
    assert_eq!(
        on_every_path(&ca, &certificate).await,
        HandshakeFailure::CertificateExpired
    );
}

#[tokio::test]
async fn not_yet_valid() {
    let ca = TestCa::new();
    let certificate = ca.issue(&Leaf::new(&[HOST]).not_yet_valid());
    assert_eq!(
        on_every_path(&ca, &certificate).await,
        HandshakeFailure::CertificateNotYetValid
    );
}

#[tokio::test]
async fn self_signed() {
    let certificate = Leaf::new(&[HOST]).self_signed();
    assert_eq!(
        on_every_path(&TestCa::new(), &certificate).await,
        HandshakeFailure::CertificateChain
    );
}

/// An unknown root that goes by the very name of the trusted one.
#[tokio::test]
async fn unknown_authority() {
    let certificate = TestCa::new().server(&[HOST]);
    assert_eq!(
        on_every_path(&TestCa::new(), &certificate).await,
        HandshakeFailure::CertificateChain
    );
}

#[tokio::test]
async fn meant_for_clients() {
    let ca = TestCa::new();
    let certificate = ca.issue(&Leaf::new(&[HOST]).for_clients());
    assert_eq!(
        on_every_path(&ca, &certificate).await,
        HandshakeFailure::CertificateUnsuitable("it is not meant for servers".to_owned())
    );
}

/// Reached by address: no SNI is sent, so the default certificate comes, whoever it belongs to.
#[tokio::test]
async fn another_hosts() {
    let ca = TestCa::new();
    for leaf in [
        Leaf::new(&["other.example.org"]),
        Leaf::new(&["other.example.org"]).common_name("192.0.2.7"),
        Leaf::new(&["192.0.2.8"]),
    ] {
        let certificate = ca.issue(&leaf);
        for begin in BEGINNINGS {
            let server = serve(begin, Service::Imap, &[&certificate]);
            // By address, so that no SNI is sent and the default certificate comes.
            let identity = host("192.0.2.7");
            let result = dial(
                begin,
                &dialer(Service::Imap, &ca),
                server.address,
                &identity,
            )
            .await;
            assert_eq!(result.unwrap_err(), HandshakeFailure::CertificateName);
        }
    }
}

/// R7817-1: the path error is told before the name error.
#[tokio::test]
async fn path_before_name() {
    let certificate = TestCa::new().server(&["other.example.org"]);
    let server = serve(Begin::Implicit, Service::Imap, &[&certificate]);
    let dialer = dialer(Service::Imap, &TestCa::new());
    let result = dial(Begin::Implicit, &dialer, server.address, &host("192.0.2.7")).await;
    assert_eq!(result.unwrap_err(), HandshakeFailure::CertificateChain);
}

#[tokio::test]
async fn good_ones_are_proved_on_every_path() {
    let ca = TestCa::new();
    let leaves = [
        ca.server(&[HOST]),
        ca.intermediate().server(&[HOST]),
        ca.intermediate().intermediate().server(&["*.example.org"]),
        ca.issue(&Leaf::new(&[HOST]).rsa()),
    ];
    for certificate in &leaves {
        for service in SERVICES {
            for begin in BEGINNINGS {
                let server = serve(begin, service, &[certificate]);
                let dialer = dialer(service, &ca);
                let mut connection = dial(begin, &dialer, server.address, &host(HOST))
                    .await
                    .unwrap();
                let Channel::Sealed(facts) = connection.channel() else {
                    panic!("no TLS");
                };
                assert_eq!(
                    facts.peer(),
                    &PeerProof::Pkix {
                        name: HOST.to_owned()
                    }
                );
                assert_eq!(
                    facts.tls_start(),
                    if begin == Begin::Implicit {
                        TlsStart::Implicit
                    } else {
                        TlsStart::StartTls
                    }
                );
                let mut talker = crate::support::Talker::new();
                let line = ask(&mut connection, &mut talker, "hello\r\n").await;
                let expected = if begin == Begin::Implicit {
                    crate::support::GREETING
                } else {
                    "echo hello"
                };
                assert_eq!(line, expected);
            }
        }
    }
}

/// R7817-2: a certificate with only the SRV-ID of the account's domain, found over an unsigned SRV record.
#[tokio::test]
async fn srv_id_of_the_mail_domain() {
    let ca = TestCa::new();
    let certificate = ca.issue(&Leaf::new(&["unrelated.example"]).srv_id("_imaps.example.org"));
    let identity = host("192.0.2.7").with_mail_domain("example.org".parse().unwrap());
    let dialer = dialer(Service::Imap, &ca);

    let implicit = serve(Begin::Implicit, Service::Imap, &[&certificate]);
    let connection = dial(Begin::Implicit, &dialer, implicit.address, &identity)
        .await
        .unwrap();
    let name = "_imaps.example.org".to_owned();
    assert_eq!(
        connection.channel().facts().unwrap().peer(),
        &PeerProof::Pkix { name }
    );

    // `_imaps` says nothing about STARTTLS.
    let upgraded = serve(Begin::StartTls, Service::Imap, &[&certificate]);
    let result = dial(Begin::StartTls, &dialer, upgraded.address, &identity).await;
    assert_eq!(result.unwrap_err(), HandshakeFailure::CertificateName);
}
