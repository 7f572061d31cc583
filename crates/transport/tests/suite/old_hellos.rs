//! Hellos of SSL 2, 3, TLS 1.0 and 1.1 are recorded and refused with alert 70; cleartext on a TLS port gets
//! nothing but an alert (R9325-1, R8997-1, S2-2).

use std::io::ErrorKind;
use std::time::Duration;

use crate::support::{Begin, GREETING, dial_mail, good, serve, serve_with};
use pillarbox_names::Service;
use pillarbox_policy::HandshakeFailure;
use pillarbox_testkit::{Act, EvilServer, TestCa};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A ClientHello with suites and extensions a real client of that age would send.
fn hello(version: u16) -> Vec<u8> {
    let version = version.to_be_bytes();
    let mut body = version.to_vec();
    body.extend([9; 32]);
    body.push(0);
    body.extend([0, 6, 0x00, 0x2f, 0xc0, 0x13, 0x00, 0xff]);
    body.extend([1, 0]);
    let name = b"mail.example.org";
    let mut extension = vec![0, 0, 0, 21, 0, 19, 0, 0, 16];
    extension.extend(name);
    body.extend(u16::try_from(extension.len()).unwrap().to_be_bytes());
    body.extend(extension);
    let mut message = vec![1, 0, 0, u8::try_from(body.len()).unwrap()];
    message.extend(body);
    let mut record = vec![22, 3, 1, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

fn ssl2_hello(version: u16) -> Vec<u8> {
    let [major, minor] = version.to_be_bytes();
    let head = [0x80, 9 + 3 + 16, 1, major, minor, 0, 3, 0, 0, 0, 16];
    [&head[..], &[0x01, 0x00, 0x80], &[5; 16]].concat()
}

/// Sends `bytes` and answers everything that comes back until the end.
async fn exchange(begin: Begin, address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    if begin == Begin::StartTls {
        let mut greeting = vec![0; GREETING.len() + 2];
        socket.read_exact(&mut greeting).await.unwrap();
        socket.write_all(b"STARTTLS\r\n").await.unwrap();
        let mut reply = [0; 10];
        socket.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"OK begin\r\n");
    }
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn refused_with_alert_70_and_recorded_on_both_paths() {
    let certificate = good(&TestCa::new());
    for begin in [Begin::Implicit, Begin::StartTls] {
        for (bytes, version, record) in [
            (hello(0x0302), 0x0302, 0x0302_u16),
            (hello(0x0301), 0x0301, 0x0301),
            (hello(0x0300), 0x0300, 0x0300),
            (ssl2_hello(0x0002), 0x0002, 0x0301),
            (ssl2_hello(0x0301), 0x0301, 0x0301),
            (ssl2_hello(0x0303), 0x0002, 0x0301),
        ] {
            let mut server = serve(begin, Service::Imap, &[&certificate]);
            let answer = exchange(begin, server.address, &bytes).await;
            let [major, minor] = record.to_be_bytes();
            assert_eq!(answer, [21, major, minor, 0, 2, 2, 70], "{version:#06x}");
            assert_eq!(server.failure().await, HandshakeFailure::TooOld(version));
            assert!(server.ended.try_recv().is_err(), "no session");
        }
    }
}

/// The hello may come octet by octet.
#[tokio::test]
async fn refused_however_slowly_it_comes() {
    let server = serve(Begin::Implicit, Service::Imap, &[&good(&TestCa::new())]);
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    for octet in hello(0x0302) {
        socket.write_all(&[octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [21, 3, 2, 0, 2, 2, 70]);
}

/// S2-2, S3.1-1: a protocol line on a TLS port gets an alert and no protocol text.
#[tokio::test]
async fn cleartext_on_a_tls_port_gets_an_alert_only() {
    let certificate = good(&TestCa::new());
    for text in [
        "EHLO x\r\n",
        "CAPA\r\n",
        "a1 CAPABILITY\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut server = serve(Begin::Implicit, Service::Imap, &[&certificate]);
        let answer = exchange(Begin::Implicit, server.address, text.as_bytes()).await;
        assert_eq!(answer, [21, 3, 3, 0, 2, 2, 10], "{text:?}");
        assert_eq!(server.failure().await, HandshakeFailure::NotTls);
        assert!(server.ended.try_recv().is_err(), "no session");
    }
}

/// S2-2, S7: who stays silent on a TLS port hears nothing and is let go after the handshake timeout; on a
/// STARTTLS port the same holds after the go-ahead.
#[tokio::test]
async fn silence_is_answered_by_silence_and_an_end() {
    let certificate = good(&TestCa::new());
    for begin in [Begin::Implicit, Begin::StartTls] {
        let mut limits = crate::support::limits();
        limits.timeouts.handshake = Duration::from_millis(300);
        let server = serve_with(begin, Service::Imap, &[&certificate], limits);
        let started = std::time::Instant::now();
        let answer = exchange(begin, server.address, b"").await;
        assert_eq!(answer, b"");
        assert!(started.elapsed() >= Duration::from_millis(290));
        assert_eq!(server.failure().await, HandshakeFailure::TimedOut);
    }
}

/// A handshake that stalls half-way is let go too.
#[tokio::test]
async fn half_a_hello_times_out() {
    let mut limits = crate::support::limits();
    limits.timeouts.handshake = Duration::from_millis(300);
    let certificate = good(&TestCa::new());
    let server = serve_with(Begin::Implicit, Service::Imap, &[&certificate], limits);
    assert_eq!(
        exchange(Begin::Implicit, server.address, &hello(0x0302)[..20]).await,
        b""
    );
    assert_eq!(server.failure().await, HandshakeFailure::TimedOut);
}

/// Our own client meets servers that are too old: it stops with an alert and says which version that was.
#[tokio::test]
async fn our_client_refuses_old_servers() {
    // ServerHello of TLS 1.1: version, random, no session id, TLS_RSA_WITH_AES_128_CBC_SHA, null.
    let mut server_hello = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    server_hello.extend([1; 32]);
    server_hello.extend([0, 0, 0x2f, 0]);
    let alert = vec![21, 3, 1, 0, 2, 2, 70];
    for (answer, version) in [(server_hello, 0x0302), (alert, 0x0301)] {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let peer = tokio::spawn(async move {
            let (mut socket, _) = socket.accept().await.unwrap();
            let mut first = [0; 5];
            socket.read_exact(&mut first).await.unwrap();
            assert_eq!(
                first[..2],
                [22, 3],
                "the first octets are a handshake record"
            );
            let mut rest = vec![0; u16::from_be_bytes([first[3], first[4]]).into()];
            socket.read_exact(&mut rest).await.unwrap();
            socket.write_all(&answer).await.unwrap();
            let mut last = Vec::new();
            match socket.read_to_end(&mut last).await {
                Ok(_) => (),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
            last
        });
        let dialer = crate::support::dialer(Service::Imap, &TestCa::new());
        let result = dial_mail(Begin::Implicit, &dialer, address).await;
        assert_eq!(result.unwrap_err(), HandshakeFailure::TooOld(version));
        let last = peer.await.unwrap();
        assert!(
            last.is_empty() || last[0] == 21,
            "nothing but an alert: {last:?}"
        );
    }
}

/// A server that greets in the clear on a TLS port is not one.
#[tokio::test]
async fn our_client_tells_a_cleartext_server() {
    let server = EvilServer::start(Act::answers(["220 mail.example.org ESMTP"])).await;
    let dialer = crate::support::dialer(Service::Submission, &TestCa::new());
    let result = dial_mail(Begin::Implicit, &dialer, server.address()).await;
    assert_eq!(result.unwrap_err(), HandshakeFailure::NotTls);
}
