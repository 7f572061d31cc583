//! Handshakes that begin and do not go on, from either side and with either beginning: the whole of a handshake
//! has one limit, however busy the peer looks, and there is no way back to cleartext (S7 of the attacks).

use std::time::{Duration, Instant};

use crate::support::{Begin, GREETING, dial_mail, good, serve_with};
use pillarbox_names::Service;
use pillarbox_policy::HandshakeFailure;
use pillarbox_testkit::TestCa;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const LIMIT: Duration = Duration::from_millis(400);

/// A ClientHello as rustls makes it.
fn client_hello() -> Vec<u8> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let name = "mail.example.org".try_into().unwrap();
    let mut client = ClientConnection::new(config.into(), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// Comes up to the handshake, and answers the socket.
async fn up_to_the_handshake(begin: Begin, address: std::net::SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    if begin == Begin::StartTls {
        socket
            .read_exact(&mut vec![0; GREETING.len() + 2])
            .await
            .unwrap();
        socket.write_all(b"STARTTLS\r\n").await.unwrap();
        socket.read_exact(&mut [0; 10]).await.unwrap();
    }
    socket
}

/// S7: half a hello; a hello that drips in, each octet in good time; a whole one that is never followed up.
#[tokio::test]
async fn a_client_that_stalls_is_let_go_in_bounded_time() {
    let certificate = good(&TestCa::new());
    let hello = client_hello();
    for begin in [Begin::Implicit, Begin::StartTls] {
        for (what, octets, drip) in [
            ("half a hello", &hello[..hello.len() / 2], Duration::ZERO),
            ("a drip", &hello[..], Duration::from_millis(20)),
            ("no second flight", &hello[..], Duration::ZERO),
        ] {
            let mut limits = crate::support::limits();
            limits.timeouts.handshake = LIMIT;
            let mut server = serve_with(begin, Service::Imap, &[&certificate], limits);
            let mut socket = up_to_the_handshake(begin, server.address).await;
            let begun = Instant::now();
            if drip.is_zero() {
                socket.write_all(octets).await.unwrap();
            } else {
                for octet in octets {
                    if socket.write_all(&[*octet]).await.is_err() || begun.elapsed() > LIMIT * 2 {
                        break;
                    }
                    sleep(drip).await;
                }
            }
            let mut answer = Vec::new();
            let ended = timeout(LIMIT * 10, socket.read_to_end(&mut answer)).await;
            assert!(ended.is_ok(), "{begin:?}, {what}: still open");
            // records of TLS or nothing; never a word of the protocol
            assert!(
                matches!(answer.first(), None | Some(20..=23)),
                "{begin:?}, {what}: {answer:?}"
            );
            assert_eq!(
                server.failure().await,
                HandshakeFailure::TimedOut,
                "{begin:?}, {what}"
            );
            assert!(server.ended.try_recv().is_err(), "no session goes on");
        }
    }
}

/// S7 for our client: a server that says go ahead and then nothing, or an octet now and then.
#[tokio::test]
async fn a_server_that_stalls_times_the_client_out() {
    for begin in [Begin::Implicit, Begin::StartTls] {
        for drips in [0, 200] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let peer = tokio::spawn(async move {
                let (mut socket, _) = listener.accept().await.unwrap();
                socket.set_nodelay(true).unwrap();
                if begin == Begin::StartTls {
                    let greeting = format!("{GREETING}\r\n");
                    socket.write_all(greeting.as_bytes()).await.unwrap();
                    socket.read_exact(&mut [0; 10]).await.unwrap();
                    socket.write_all(b"OK begin\r\n").await.unwrap();
                }
                // the header of a handshake record that never ends
                for octet in [22, 3, 3, 0x3f, 0xff, 2]
                    .into_iter()
                    .chain([0; 200])
                    .take(drips)
                {
                    if socket.write_all(&[octet]).await.is_err() {
                        return;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
                sleep(LIMIT * 10).await;
            });
            let mut timeouts = crate::support::limits().timeouts;
            timeouts.handshake = LIMIT;
            let dialer =
                crate::support::dialer(Service::Imap, &TestCa::new()).with_timeouts(timeouts);
            let begun = Instant::now();
            let result = dial_mail(begin, &dialer, address).await;
            assert_eq!(
                result.unwrap_err(),
                HandshakeFailure::TimedOut,
                "{begin:?}, {drips} octets"
            );
            assert!(begun.elapsed() < LIMIT * 5, "{:?}", begun.elapsed());
            peer.abort();
        }
    }
}
