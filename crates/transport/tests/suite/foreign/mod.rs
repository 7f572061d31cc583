//! A server that is not ours: rustls with whatever it is given, which our own acceptor would not load.

use std::net::SocketAddr;
use std::sync::Arc;

use pillarbox_policy::HandshakeFailure;
use pillarbox_transport::Dialer;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::server::WantsServerCert;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{
    AlertDescription, ConfigBuilder, ServerConfig, SupportedProtocolVersion, WantsVerifier, version,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::{Begin, GREETING, Talker, ask, dial, host};

pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// What the server knows of its only connection: how the handshake failed, or the client's certificates and the
/// bytes that came inside TLS.
pub(crate) type Heard = Result<(usize, Vec<u8>), rustls::Error>;

pub(crate) fn builder(
    version: &'static SupportedProtocolVersion,
) -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
}

/// Serves this chain without a look at it.
pub(crate) fn with_chain(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> ServerConfig {
    with_key(builder, chain, any_supported_type(key).unwrap())
}

pub(crate) fn with_key(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    chain: &[CertificateDer<'static>],
    key: Arc<dyn SigningKey>,
) -> ServerConfig {
    let certified = CertifiedKey::new(chain.to_vec(), key);
    builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

/// Answers one connection: the beginning of the toy protocol where TLS comes by STARTTLS, then an echo.
pub(crate) async fn serve_one(
    begin: Begin,
    config: ServerConfig,
) -> (SocketAddr, JoinHandle<Heard>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        if begin == Begin::StartTls {
            agree(&mut socket).await;
        }
        let mut tls = match TlsAcceptor::from(Arc::new(config)).accept(socket).await {
            Ok(tls) => tls,
            Err(error) => return Err(error.downcast::<rustls::Error>().unwrap()),
        };
        let certificates = tls.get_ref().1.peer_certificates().map_or(0, <[_]>::len);
        let (mut heard, mut buffer) = (Vec::new(), [0; 256]);
        loop {
            match tls.read(&mut buffer).await {
                Ok(0) | Err(_) => return Ok((certificates, heard)),
                Ok(count) => {
                    heard.extend(&buffer[..count]);
                    tls.write_all(&[b"echo ", &buffer[..count]].concat())
                        .await
                        .unwrap();
                    tls.flush().await.unwrap();
                }
            }
        }
    });
    (address, task)
}

async fn agree(socket: &mut TcpStream) {
    let greeting = format!("{GREETING}\r\n");
    socket.write_all(greeting.as_bytes()).await.unwrap();
    let mut line = String::new();
    BufReader::new(&mut *socket)
        .read_line(&mut line)
        .await
        .unwrap();
    assert_eq!(line, "STARTTLS\r\n");
    socket.write_all(b"OK begin\r\n").await.unwrap();
}

/// The failure our client finds in this chain, the same on every path and in both versions. The server hears an
/// alert in place of the end of the handshake, and so nothing inside TLS.
pub(crate) async fn refused(
    dialer: &Dialer,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> HandshakeFailure {
    refused_with_key(dialer, chain, any_supported_type(key).unwrap()).await
}

pub(crate) async fn refused_with_key(
    dialer: &Dialer,
    chain: &[CertificateDer<'static>],
    key: Arc<dyn SigningKey>,
) -> HandshakeFailure {
    let mut failures = Vec::new();
    for begin in [Begin::Implicit, Begin::StartTls] {
        for version in VERSIONS {
            let config = with_key(
                builder(version).with_no_client_auth(),
                chain,
                Arc::clone(&key),
            );
            let (address, heard) = serve_one(begin, config).await;
            let result = dial(begin, dialer, address, &host("mail.example.org")).await;
            failures.push(result.unwrap_err());
            match heard.await.unwrap() {
                Err(rustls::Error::AlertReceived(alert)) => {
                    assert_ne!(alert, AlertDescription::CloseNotify);
                }
                heard => panic!("{heard:?}"),
            }
        }
    }
    failures.dedup();
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures.remove(0)
}

/// The session begins on every path, in both versions.
pub(crate) async fn accepted(
    dialer: &Dialer,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) {
    for begin in [Begin::Implicit, Begin::StartTls] {
        for version in VERSIONS {
            let config = with_chain(builder(version).with_no_client_auth(), chain, key);
            assert_eq!(converse(begin, dialer, config).await, 0);
        }
    }
}

/// A session of one line and its echo. Answers how many certificates the client showed.
pub(crate) async fn converse(begin: Begin, dialer: &Dialer, config: ServerConfig) -> usize {
    let (address, heard) = serve_one(begin, config).await;
    let mut connection = dial(begin, dialer, address, &host("mail.example.org"))
        .await
        .unwrap();
    let line = ask(&mut connection, &mut Talker::new(), "hello\r\n").await;
    assert_eq!(line, "echo hello");
    connection.close().await;
    let (certificates, heard) = heard.await.unwrap().unwrap();
    assert_eq!(heard, b"hello\r\n");
    certificates
}
