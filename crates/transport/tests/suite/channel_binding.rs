//! R9266-1: the channel binding is what somebody else computes for the same connection: label
//! `EXPORTER-Channel-Binding`, an empty context that is present, 32 octets; in TLS 1.3 and in 1.2.

use std::sync::Arc;

use crate::support::{certificates, good, hand_over};
use pillarbox_names::Service;
use pillarbox_testkit::TestCa;
use pillarbox_transport::{Acceptor, CertificateStore, Start};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

#[tokio::test]
async fn an_independent_exporter_computes_the_same() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let ca = TestCa::new();
        let certificates = certificates(&[&good(&ca)]);
        let acceptor = Acceptor::new(CertificateStore::new(certificates), Service::Imap).unwrap();
        let (address, mut taken) = hand_over(Start::Implicit(acceptor));
        let mut roots = RootCertStore::empty();
        roots.add(ca.root_der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpStream::connect(address).await.unwrap();
        let name = "mail.example.org".try_into().unwrap();
        let client = TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .unwrap();
        let server = taken.recv().await.unwrap();
        let binding = server.channel().facts().unwrap().binding().unwrap();
        let export = |label: &[u8], context: Option<&[u8]>| {
            client
                .get_ref()
                .1
                .export_keying_material([0_u8; 32], label, context)
                .unwrap()
        };
        assert_eq!(
            *binding.as_bytes(),
            export(b"EXPORTER-Channel-Binding", Some(b""))
        );
        assert_ne!(
            *binding.as_bytes(),
            export(b"EXPORTER-channel-binding", Some(b""))
        );
        if version.version == rustls::ProtocolVersion::TLSv1_2 {
            // Only there an absent context differs from an empty one (RFC 5705 §4).
            assert_ne!(
                *binding.as_bytes(),
                export(b"EXPORTER-Channel-Binding", None)
            );
        }
    }
}
