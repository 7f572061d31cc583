//! A machine is driven over the connection that started it and over no other; and connections inside TLS as streams.

use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::{Channel, CleartextGrant, Grants, LegacyWindow, Timestamp};
use pillarbox_proto::pop3::server::{Config, Event, LoginsInClear, Server};
use pillarbox_proto::server::Goodbye;
use pillarbox_proto::{Clear, Legacy, LoginMachine, Sealed, ServerMachine};
use pillarbox_testkit::TestCa;
use pillarbox_transport::{
    Accepted, Acceptor, CertificateStore, Connection, ConnectionError, Conversation, Driven,
    Listener, Start, Target, Unserved, UpgradeError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{certificates, dialer, good, host, limits};

fn accept(start: Start) -> (std::net::SocketAddr, mpsc::UnboundedReceiver<Accepted>) {
    let listener = Listener::bind("toy", ([127, 0, 0, 1], 0).into(), start, limits()).unwrap();
    let address = listener.local_addr().unwrap();
    let (hand, taken) = mpsc::unbounded_channel();
    let session = move |accepted| {
        let hand = hand.clone();
        async move { drop(hand.send(accepted)) }
    };
    tokio::spawn(listener.run(session, |_: Unserved| (), std::future::pending()));
    (address, taken)
}

fn acceptor(ca: &TestCa) -> Acceptor {
    let certificates = certificates(&[&good(ca)]);
    Acceptor::new(CertificateStore::new(certificates), Service::Pop3).unwrap()
}

/// A POP3 session in the clear, and its client.
async fn clear() -> (Conversation<Server<Clear>>, TcpStream) {
    let (address, mut taken) = accept(Start::Clear);
    let client = TcpStream::connect(address).await.unwrap();
    let Accepted::Clear(connection) = taken.recv().await.unwrap() else {
        panic!("there was no handshake");
    };
    let settings = (Config::default(), LoginsInClear::NotListed);
    (connection.start(settings), client)
}

/// A server's and a client's end inside TLS.
async fn sealed(ca: &TestCa) -> (Connection<Sealed>, Connection<Sealed>) {
    let (address, mut taken) = accept(Start::Implicit(acceptor(ca)));
    let target = Target::Addresses(vec![address]);
    let name = host("mail.example.org");
    let client = dialer(Service::Pop3, ca)
        .connect_implicit(&target, &name)
        .await
        .unwrap();
    let Accepted::Sealed(server) = taken.recv().await.unwrap() else {
        panic!("there was a handshake");
    };
    (server, client)
}

async fn says(client: &mut TcpStream, line: &[u8], answer: &str) {
    client.write_all(line).await.unwrap();
    let mut got = vec![0; answer.len()];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&got), answer);
}

fn window(peer: [u8; 4]) -> LegacyWindow {
    let grant = CleartextGrant {
        account: "fax@example.org".to_owned(),
        networks: Vec::new(),
        until: Timestamp(2),
        reason: "a fax machine".to_owned(),
        given: Timestamp(0),
    };
    let peer = peer.into();
    Grants::restore(vec![grant], Timestamp(1))
        .window(peer)
        .unwrap()
}

/// Two machines that were exchanged are driven over neither connection, whichever is the better one.
#[tokio::test]
async fn exchanged_machines_are_not_driven() {
    let ca = TestCa::new();
    let (one, _client) = sealed(&ca).await;
    let (two, _other) = sealed(&ca).await;
    let mut one = one.start::<Server<Sealed>>(Config::default());
    let mut two = two.start::<Server<Sealed>>(Config::default());
    std::mem::swap(one.machine(), two.machine());
    for conversation in [&mut one, &mut two] {
        let error = conversation.drive().await.unwrap_err();
        assert!(
            matches!(error, ConnectionError::ForeignMachine(_)),
            "{error}"
        );
    }
    std::mem::swap(one.machine(), two.machine());
    one.machine().say_goodbye(Goodbye::ShuttingDown);
    assert_eq!(one.drive().await.unwrap(), Driven::Closed);
}

/// An exchange of cleartext machines hides no injected octets from the hand-over to TLS.
#[tokio::test]
async fn exchanged_machines_do_not_start_tls() {
    let ca = TestCa::new();
    let (mut one, mut client) = clear().await;
    let (mut two, _other) = clear().await;
    client.write_all(b"STLS\r\n").await.unwrap();
    assert_eq!(one.drive().await.unwrap(), Driven::Event(Event::StartTls));
    std::mem::swap(one.machine(), two.machine());
    let error = one.start_tls_as_server(&acceptor(&ca)).await.unwrap_err();
    assert!(matches!(error, UpgradeError::ForeignMachine(_)), "{error}");
}

/// S1: octets that the machine has read behind STLS are found before the handshake.
#[tokio::test]
async fn leftover_octets_end_the_connection() {
    use pillarbox_proto::Machine;
    let ca = TestCa::new();
    let (mut clear, mut client) = clear().await;
    client.write_all(b"STLS\r\n").await.unwrap();
    assert_eq!(clear.drive().await.unwrap(), Driven::Event(Event::StartTls));
    clear.machine().input(b"USER eve\r\n");
    let error = clear.start_tls_as_server(&acceptor(&ca)).await.unwrap_err();
    assert!(error.is_injection(), "{error}");
}

/// S4.1-12: a window is for the peer it was opened for, and for one login.
#[tokio::test]
async fn a_window_serves_one_login_of_its_peer() {
    let refusal = "-ERR [AUTH] encryption is required before logging in\r\n";
    let (mut clear, mut client) = clear().await;
    client.write_all(b"USER fax@example.org\r\n").await.unwrap();
    assert_eq!(
        clear.drive().await.unwrap(),
        Driven::Event(Event::NeedPermit)
    );
    let mut clear = clear
        .permit_login(Some(window([192, 0, 2, 1])))
        .unwrap_err();
    let driving = tokio::spawn(async move { (clear.drive().await, clear) });
    says(
        &mut client,
        b"",
        &format!("+OK Pillarbox ready\r\n{refusal}"),
    )
    .await;

    client.write_all(b"USER fax@example.org\r\n").await.unwrap();
    let (asked, clear) = driving.await.unwrap();
    assert_eq!(asked.unwrap(), Driven::Event(Event::NeedPermit));
    let mut legacy: Conversation<Server<Legacy>> =
        clear.permit_login(Some(window([127, 0, 0, 1]))).unwrap();
    assert!(matches!(legacy.channel(), Channel::Clear(_)));
    let driving = tokio::spawn(async move { (legacy.drive().await, legacy) });
    says(&mut client, b"", "+OK now the password\r\n").await;

    // PASS is asked about, too.
    client.write_all(b"PASS secret\r\n").await.unwrap();
    let (asked, mut legacy) = driving.await.unwrap();
    assert_eq!(asked.unwrap(), Driven::Event(Event::NeedPermit));
    legacy.machine().permit(None);
    let driving = tokio::spawn(async move { legacy.drive().await });
    says(&mut client, b"", refusal).await;
    driving.abort();
}

/// A stream has the facts, ends with close_notify, and tells truncation from it (S3.4-1).
#[tokio::test]
async fn a_sealed_connection_as_a_stream() {
    let ca = TestCa::new();
    let (server, client) = sealed(&ca).await;
    let (mut server, mut client) = (server.into_stream(), client.into_stream());
    assert_eq!(server.facts().tls_start(), TlsStart::Implicit);
    assert_eq!(server.facts().binding(), client.facts().binding());
    client.write_all(b"GET /").await.unwrap();
    client.flush().await.unwrap();
    let mut got = [0; 5];
    server.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"GET /");
    server.write_all(b"bye").await.unwrap();
    server.shutdown().await.unwrap();
    let mut got = String::new();
    client.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "bye", "close_notify came before FIN");

    let (server, client) = sealed(&ca).await;
    let mut client = client.into_stream();
    drop(server);
    let error = client.read_to_string(&mut String::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}
