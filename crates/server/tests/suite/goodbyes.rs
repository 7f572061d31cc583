//! How sessions inside TLS end (S3.4-1): whoever closes first says close_notify before FIN, whatever the reason,
//! and what a client was sending when TCP ended without one is not stored, and on record as truncation.

use std::net::SocketAddr;
use std::time::Duration;

use pillarbox_names::{Service, TlsStart};
use pillarbox_testkit::Log;
use pillarbox_testkit::world::{ANN, Peer, World};
use pillarbox_transport::ConnectionError;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

const SERVICES: [Service; 3] = [Service::Imap, Service::Pop3, Service::Submission];
const PATIENCE: Duration = Duration::from_secs(20);

/// Says it again and again until the server says `last`, and then close_notify.
async fn until_sent_away(peer: &mut Peer, said: &str, last: &str) {
    for _ in 0..200 {
        peer.put(said.as_bytes());
        // what belongs to one answer, and the end, come soon after its beginning
        let mut patience = PATIENCE;
        loop {
            match peer.comes_within(patience).await {
                Ok(true) => patience = Duration::from_millis(100),
                Ok(false) => break,
                Err(end) => {
                    let left = peer.left();
                    let heard = left.lines().last().unwrap();
                    assert!(heard.starts_with(last), "{said}: {heard}");
                    assert!(matches!(end, ConnectionError::PeerClosed), "{said}: {end}");
                    return;
                }
            }
        }
    }
    panic!("{said}: the server has endless patience: {}", peer.left());
}

/// The last words of the server, and then close_notify.
async fn says_goodbye(mut peer: Peer, service: Service, bye: &str) {
    let (last, end) = peer.end().await;
    assert!(last.starts_with(bye), "{service:?}: {last}");
    assert!(
        matches!(end, ConnectionError::PeerClosed),
        "{service:?}: {end}"
    );
}

#[tokio::test]
async fn who_makes_no_sense_is_sent_away_with_close_notify() {
    let world = World::start().await;
    for (service, last) in [
        (Service::Imap, "* BYE Too many bad commands"),
        (Service::Pop3, "-ERR unknown command"),
        (Service::Submission, "421 4.7.0 "),
    ] {
        let mut peer = world.greeted(service).await;
        until_sent_away(&mut peer, "XYZZY\r\n", last).await;
    }
}

#[tokio::test]
async fn who_guesses_passwords_is_sent_away_with_close_notify() {
    for (service, attempt, last) in [
        (
            Service::Imap,
            "a LOGIN ann@example.org wrong\r\n",
            "* BYE Too many failed logins",
        ),
        (
            Service::Pop3,
            "USER ann@example.org\r\nPASS wrong\r\n",
            "-ERR [AUTH] wrong login name or password",
        ),
        (
            Service::Submission,
            "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB3cm9uZw==\r\n",
            "421 4.7.0 ",
        ),
    ] {
        let world = World::start().await;
        let mut peer = world.greeted(service).await;
        if service == Service::Submission {
            peer.say("EHLO client.example\r\n", "250 ").await;
        }
        until_sent_away(&mut peer, attempt, last).await;
        assert!(!world.logins().await.is_empty());
    }
}

#[tokio::test]
async fn a_shutdown_ends_with_close_notify() {
    let world = World::start().await;
    let mut peers = Vec::new();
    for service in SERVICES {
        let stranger = world.greeted(service).await;
        let ann = world.log_in(service).await;
        peers.extend([(service, stranger), (service, ann)]);
    }
    world.trigger.request();
    for (service, peer) in peers {
        let bye = match service {
            Service::Imap => "* BYE The server is shutting down",
            Service::Pop3 => "-ERR [SYS/TEMP] ",
            Service::Submission => "421 4.3.2 ",
        };
        says_goodbye(peer, service, bye).await;
    }
}

/// Silence after a login; what becomes of those that never log in is shown in `strangers.rs`.
#[tokio::test]
async fn who_says_nothing_for_too_long_hears_close_notify() {
    for service in SERVICES {
        let world = World::start().await;
        let peer = world.log_in(service).await;
        // the longest limit is half an hour
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31 * 60)).await;
        tokio::time::resume();
        let bye = match service {
            Service::Imap => "* BYE Autologout; idle for too long",
            Service::Pop3 => "",
            Service::Submission => "421 4.4.2 ",
        };
        says_goodbye(peer, service, bye).await;
    }
}

/// How many connections the log calls truncated.
fn truncations(log: &Log) -> usize {
    let text = log.text();
    let lines = text.lines();
    lines
        .filter(|line| line.contains("code=\"TRUNCATED\"") && line.contains("connection lost"))
        .count()
}

/// How a connection is cut off below TLS.
#[derive(Debug, Clone, Copy)]
enum Cut {
    Fin,
    Reset,
}

/// Carries octets to the server until it is told to cut the connection off.
async fn wire_cutter(server: SocketAddr) -> (SocketAddr, oneshot::Sender<Cut>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (order, ordered) = oneshot::channel();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(server).await.unwrap();
        let cut = tokio::select! {
            ended = copy_bidirectional(&mut near, &mut far) => panic!("{ended:?}"),
            cut = ordered => cut.unwrap(),
        };
        match cut {
            Cut::Fin => {
                far.shutdown().await.unwrap();
                let _rest = far.read_to_end(&mut Vec::new()).await;
            }
            Cut::Reset => far.set_zero_linger().unwrap(),
        }
    });
    (address, order)
}

const MESSAGE: &str = "From: ann@example.org\r\nSubject: lunch\r\n\r\nAt one?\r\n";

/// S3.4-1: all but the end of an APPEND or of DATA, then FIN or RST alone.
#[tokio::test]
async fn what_is_cut_off_is_not_stored_and_on_record_as_truncation() {
    let (log, _guard) = Log::of_this_thread();
    let world = World::start().await;
    let mut cuts = 0;
    for service in [Service::Imap, Service::Submission] {
        let door = world.door(service, TlsStart::Implicit);
        for cut in [Cut::Fin, Cut::Reset] {
            // half of it; and all of it, without the CRLF or the dot that ends the command
            for length in [MESSAGE.len() / 2, MESSAGE.len()] {
                let (address, order) = wire_cutter(door.address).await;
                let mut peer = door.clone().by_way_of(address).greeted().await;
                peer.log_in().await;
                if service == Service::Imap {
                    let head = format!("b APPEND INBOX {{{}}}\r\n", MESSAGE.len());
                    peer.say(&head, "+ ").await;
                } else {
                    peer.say("MAIL FROM:<ann@example.org>\r\n", "250 ").await;
                    peer.say("RCPT TO:<ann@example.org>\r\n", "250 ").await;
                    peer.say("DATA\r\n", "354 ").await;
                }
                peer.put(MESSAGE.as_bytes().get(..length).unwrap());
                let heard = peer.comes_within(Duration::from_millis(200)).await;
                assert!(!heard.unwrap(), "the server waits for more");
                order.send(cut).unwrap();
                cuts += 1;
                let noted = async {
                    while truncations(&log) < cuts {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                };
                let what = format!("{service:?} {cut:?} after {length}");
                assert!(
                    tokio::time::timeout(PATIENCE, noted).await.is_ok(),
                    "{what}: not on record"
                );
                assert_eq!(world.mail(ANN).await.len(), 0, "{what}: stored");
            }
        }
    }
    // the same words with their end are stored
    let mut peer = world.log_in(Service::Imap).await;
    assert!(peer.append(MESSAGE.as_bytes()).await.contains("T OK "));
    assert_eq!(world.mail(ANN).await.len(), 1);
    assert_eq!(truncations(&log), cuts, "and nothing else was cut off");
}

/// A client that has been told to begin with TLS and does not is not waited for.
#[tokio::test]
async fn a_shutdown_does_not_wait_for_a_handshake_after_starttls() {
    let world = World::start().await;
    let mut peer = world.greeted_clear(Service::Imap).await;
    peer.put(b"a STARTTLS\r\n");
    assert_eq!(peer.line().await.unwrap(), "a OK Begin TLS now\r\n");
    world.trigger.request();
    let ended = tokio::time::timeout(Duration::from_secs(5), peer.ends());
    assert!(ended.await.is_ok());
}
