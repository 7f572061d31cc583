//! S5.5-2: our client has no certificate of its own, and says so where a server asks for one.

use std::sync::Arc;

use crate::foreign::{VERSIONS, builder, converse, serve_one, with_chain};
use crate::support::{Begin, dialer};
use pillarbox_names::Service;
use pillarbox_testkit::{Leaf, TestCa};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const HOST: &str = "mail.example.org";

fn roots(ca: &TestCa) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.root_der().clone()).unwrap();
    Arc::new(roots)
}

/// A server that asks for a certificate and can do without.
fn curious(ca: &TestCa, version: &'static SupportedProtocolVersion) -> ServerConfig {
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots(ca), Arc::new(default_provider()))
            .allow_unauthenticated()
            .build()
            .unwrap();
    let certificate = ca.server(&[HOST]);
    with_chain(
        builder(version).with_client_cert_verifier(verifier),
        &certificate.chain(),
        &certificate.key(),
    )
}

#[tokio::test]
async fn who_asks_for_one_gets_none_and_the_session_goes_on() {
    let ca = TestCa::new();
    let dialer = dialer(Service::Imap, &ca);
    for version in VERSIONS {
        for begin in [Begin::Implicit, Begin::StartTls] {
            assert_eq!(converse(begin, &dialer, curious(&ca, version)).await, 0);
        }
    }
}

/// The server of the test above does ask: a client that has a certificate shows it.
#[tokio::test]
async fn another_client_shows_its_own() {
    let ca = TestCa::new();
    let own = ca.issue(&Leaf::new(&["alice.example.org"]).for_clients());
    for version in VERSIONS {
        let (address, heard) = serve_one(Begin::Implicit, curious(&ca, version)).await;
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots(&ca))
            .with_client_auth_cert(own.chain(), own.key())
            .unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        let mut tls = TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from(HOST).unwrap(), socket)
            .await
            .unwrap();
        tls.write_all(b"hello\r\n").await.unwrap();
        let mut answer = [0; 12];
        tls.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"echo hello\r\n");
        tls.shutdown().await.unwrap();
        drop(tls);
        assert_eq!(heard.await.unwrap(), Ok((1, b"hello\r\n".to_vec())));
    }
}
