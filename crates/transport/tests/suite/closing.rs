//! How connections end: close_notify from whoever closes first, truncation told apart from it (S3.4-1,
//! S3.4-2, C19), and injected cleartext that no one ever reads (S1, C1, R9051-3).

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Begin, GREETING, Over, Talker, Toy, dial_mail, dialer, good, pair, serve};
use pillarbox_names::Service;
use pillarbox_policy::HandshakeFailure;
use pillarbox_testkit::TestCa;
use pillarbox_transport::{ConnectionError, Driven};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A TLS client that is not ours, past the greeting.
async fn stranger(ca: &TestCa, address: std::net::SocketAddr) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.root_der().clone()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(address).await.unwrap();
    let name = "mail.example.org".try_into().unwrap();
    let mut tls = TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .unwrap();
    let mut greeting = vec![0; GREETING.len() + 2];
    tls.read_exact(&mut greeting).await.unwrap();
    tls
}

/// S3.4-1: when we close, the last reply comes first, then close_notify, then FIN. tokio-rustls answers a FIN
/// without close_notify with an error, so reading to the end proves it.
#[tokio::test]
async fn we_say_close_notify_after_the_last_reply() {
    let ca = TestCa::new();
    let mut server = serve(Begin::Implicit, Service::Imap, &[&good(&ca)]);
    let mut client = stranger(&ca, server.address).await;
    client.write_all(b"QUIT\r\n").await.unwrap();
    client.flush().await.unwrap();
    let mut last = String::new();
    client.read_to_string(&mut last).await.unwrap();
    assert_eq!(last, "BYE\r\n");
    assert_eq!(server.ended.recv().await.unwrap(), "closed by us");
}

/// S3.4-2: a client may send close_notify and FIN and be gone.
#[tokio::test]
async fn a_clean_goodbye_is_told_from_truncation() {
    let ca = TestCa::new();
    let mut server = serve(Begin::Implicit, Service::Imap, &[&good(&ca)]);
    let mut client = stranger(&ca, server.address).await;
    client.shutdown().await.unwrap(); // close_notify, then FIN
    drop(client);
    assert_eq!(server.ended.recv().await.unwrap(), "PeerClosed");

    // FIN without close_notify.
    let mut client = stranger(&ca, server.address).await;
    client.write_all(b"half a li").await.unwrap();
    client.flush().await.unwrap();
    client.get_mut().0.shutdown().await.unwrap();
    assert_eq!(server.ended.recv().await.unwrap(), "Truncated");

    // RST.
    let client = stranger(&ca, server.address).await;
    client.get_ref().0.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(server.ended.recv().await.unwrap(), "Truncated");
}

/// The same for our client: a server that vanishes in the middle of a reply.
#[tokio::test]
async fn our_client_tells_truncation_too() {
    let (mut client, mut server) = pair(Over::Tls).await;
    let (mut toy, mut talker) = (Toy::greeting(), Talker::new());
    let driven = tokio::time::timeout(Duration::from_millis(100), server.drive(&mut toy)).await;
    assert!(driven.is_err(), "it waits for a line");
    drop(server); // no close_notify
    assert_eq!(
        client.drive(&mut talker).await.unwrap(),
        Driven::Event(GREETING.to_owned())
    );
    let error = client.drive(&mut talker).await.unwrap_err();
    assert!(matches!(error, ConnectionError::Truncated), "{error:?}");

    let (mut client, server) = pair(Over::Tls).await;
    server.close().await;
    let error = client.drive(&mut talker).await.unwrap_err();
    assert!(matches!(error, ConnectionError::PeerClosed), "{error:?}");
    client.close().await;
}

/// A record that was tampered with ends the session, and nothing of it reaches the machine.
#[tokio::test]
async fn a_forged_record_ends_the_session() {
    let ca = TestCa::new();
    let mut server = serve(Begin::Implicit, Service::Imap, &[&good(&ca)]);
    let mut client = stranger(&ca, server.address).await;
    let mut forged = vec![23, 3, 3, 0, 40];
    forged.extend([0x55; 40]);
    client.get_mut().0.write_all(&forged).await.unwrap();
    let ended = server.ended.recv().await.unwrap();
    assert_eq!(ended, "Tls(DecryptError)");
}

/// S1, in one segment: the machine finds the rest of the segment and the session ends, after a reply.
#[tokio::test]
async fn cleartext_in_the_segment_of_starttls() {
    let ca = TestCa::new();
    let mut server = serve(Begin::StartTls, Service::Imap, &[&good(&ca)]);
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"STARTTLS\r\ninjected\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert_eq!(
        answer,
        format!("{GREETING}\r\nBAD bytes after STARTTLS\r\n")
    );
    assert_eq!(server.ended.recv().await.unwrap(), "10 bytes injected");
}

/// S1, in a segment of its own: it reaches TLS and nothing else, and fails the handshake. Nothing of it is
/// ever echoed, which would show that it was read as a command.
#[tokio::test]
async fn cleartext_in_place_of_the_handshake() {
    let ca = TestCa::new();
    for injected in [
        "injected\r\n",
        "a LOGIN alice secret\r\n",
        "\x16\x03\x01 not a hello\r\n",
    ] {
        let mut server = serve(Begin::StartTls, Service::Imap, &[&good(&ca)]);
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let mut read = vec![0; GREETING.len() + 2];
        socket.read_exact(&mut read).await.unwrap();
        socket.write_all(b"STARTTLS\r\n").await.unwrap();
        let mut go_ahead = [0; 10];
        socket.read_exact(&mut go_ahead).await.unwrap();
        socket.write_all(injected.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.unwrap();
        assert!(
            answer.is_empty() || answer[..2] == [21, 3],
            "an alert at most: {answer:?}"
        );
        let failure = server.failure().await;
        assert!(
            matches!(failure, HandshakeFailure::NotTls | HandshakeFailure::Closed),
            "{failure:?}"
        );
        assert!(server.ended.try_recv().is_err(), "no session goes on");
    }
}

/// C1: a server whose go-ahead is followed by cleartext in a segment of its own. Our client's handshake fails.
#[tokio::test]
async fn cleartext_after_a_servers_go_ahead() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.set_nodelay(true).unwrap();
        socket
            .write_all(format!("{GREETING}\r\n").as_bytes())
            .await
            .unwrap();
        socket.read_exact(&mut [0; 10]).await.unwrap();
        socket.write_all(b"OK begin\r\n").await.unwrap();
        socket.read_exact(&mut [0; 5]).await.unwrap(); // the ClientHello begins
        socket
            .write_all(b"* CAPABILITY AUTH=PLAIN\r\n")
            .await
            .unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    });
    let dialer = dialer(Service::Imap, &TestCa::new());
    let result = dial_mail(Begin::StartTls, &dialer, address).await;
    assert_eq!(result.unwrap_err(), HandshakeFailure::NotTls);
}
