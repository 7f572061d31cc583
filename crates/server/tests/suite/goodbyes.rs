//! How sessions inside TLS end (S3.4-1): whoever closes first says close_notify before FIN, whatever the reason,
//! and what a client was sending when TCP ended without one is not stored, and on record as truncation.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::house::{ANN, HOSTNAME, House};
use pillarbox_names::{Service, TlsStart};
use pillarbox_proto::{Machine, Step};
use pillarbox_transport::{
    ConnectionError, Dialer, Driven, HandDriven, Roots, ServerIdentity, Target,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tracing_subscriber::fmt::MakeWriter;

const SERVICES: [Service; 3] = [Service::Imap, Service::Pop3, Service::Submission];
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes octets, and tells of lines.
#[derive(Default)]
struct Wire {
    out: Vec<u8>,
    got: Vec<u8>,
}

impl Machine for Wire {
    type Event = String;
    type Error = ();

    fn input(&mut self, bytes: &[u8]) {
        self.got.extend_from_slice(bytes);
    }

    fn poll(&mut self) -> Step<String, ()> {
        if !self.out.is_empty() {
            return Step::Output(std::mem::take(&mut self.out).into());
        }
        let Some(at) = self.got.windows(2).position(|end| end == b"\r\n") else {
            return Step::NeedInput;
        };
        let rest = self.got.split_off(at + 2);
        let line = std::mem::replace(&mut self.got, rest);
        Step::Event(String::from_utf8(line).unwrap())
    }
}

/// A client inside TLS, by hand.
struct Peer {
    connection: HandDriven,
    wire: Wire,
}

impl Peer {
    fn new(mut connection: HandDriven) -> Self {
        // it outlasts the server
        connection.set_idle_timeout(Duration::from_secs(24 * 60 * 60));
        Self {
            connection,
            wire: Wire::default(),
        }
    }

    async fn line(&mut self) -> Result<String, ConnectionError> {
        let driven = self.connection.drive(&mut self.wire);
        match tokio::time::timeout(PATIENCE, driven).await {
            Ok(Ok(Driven::Event(line))) => Ok(line),
            Ok(Ok(other)) => panic!("{other:?}"),
            Ok(Err(error)) => Err(error),
            Err(_) => panic!("neither a line nor an end"),
        }
    }

    fn put(&mut self, octets: &[u8]) {
        self.wire.out.extend_from_slice(octets);
    }

    /// Writes, and reads on to the line that begins with `mark`.
    async fn say(&mut self, text: &str, mark: &str) {
        self.put(text.as_bytes());
        while !self.line().await.unwrap().starts_with(mark) {}
    }

    /// Reads to the end: the last line, and how it ended.
    async fn end(&mut self) -> (String, ConnectionError) {
        let mut last = String::new();
        loop {
            match self.line().await {
                Ok(line) => last = line,
                Err(error) => return (last, error),
            }
        }
    }

    async fn log_in(&mut self, service: Service) {
        match service {
            Service::Imap => {
                let login = "a LOGIN ann@example.org \"correct horse\"\r\n";
                self.say(login, "a OK").await;
            }
            Service::Pop3 => {
                self.say("USER ann@example.org\r\n", "+OK").await;
                self.say("PASS correct horse\r\n", "+OK").await;
            }
            Service::Submission => {
                self.say("EHLO client.example\r\n", "250 ").await;
                let login = "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl\r\n";
                self.say(login, "235 ").await;
            }
        }
    }
}

/// A client past the greeting.
async fn greeted(house: &mut House, service: Service) -> Peer {
    let door = house.open(service, TlsStart::Implicit);
    let mut peer = Peer::new(door.connect_implicit().await.by_hand());
    peer.line().await.unwrap();
    peer
}

/// Says it again and again until the server says `last`, and then close_notify.
async fn until_sent_away(peer: &mut Peer, said: &str, last: &str) {
    let mut heard = String::new();
    for _ in 0..200 {
        peer.put(said.as_bytes());
        // what belongs to one answer, and the end, come soon after its beginning
        let mut patience = PATIENCE;
        loop {
            let driven = peer.connection.drive(&mut peer.wire);
            match tokio::time::timeout(patience, driven).await {
                Ok(Ok(Driven::Event(line))) => heard = line,
                Ok(Ok(other)) => panic!("{said}: {other:?}"),
                Ok(Err(end)) => {
                    assert!(heard.starts_with(last), "{said}: {heard}");
                    assert!(matches!(end, ConnectionError::PeerClosed), "{said}: {end}");
                    return;
                }
                Err(_) => break,
            }
            patience = Duration::from_millis(100);
        }
    }
    panic!("{said}: the server has endless patience: {heard}");
}

#[tokio::test]
async fn who_makes_no_sense_is_sent_away_with_close_notify() {
    let mut house = House::new().await;
    for (service, last) in [
        (Service::Imap, "* BYE Too many bad commands\r\n"),
        (Service::Pop3, "-ERR unknown command\r\n"),
        (Service::Submission, "421 4.7.0 "),
    ] {
        let mut peer = greeted(&mut house, service).await;
        until_sent_away(&mut peer, "XYZZY\r\n", last).await;
    }
}

#[tokio::test]
async fn who_guesses_passwords_is_sent_away_with_close_notify() {
    for (service, attempt, last) in [
        (
            Service::Imap,
            "a LOGIN ann@example.org wrong\r\n",
            "* BYE Too many failed logins\r\n",
        ),
        (
            Service::Pop3,
            "USER ann@example.org\r\nPASS wrong\r\n",
            "-ERR [AUTH] wrong login name or password\r\n",
        ),
        (
            Service::Submission,
            "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB3cm9uZw==\r\n",
            "421 4.7.0 ",
        ),
    ] {
        let mut house = House::new().await;
        let mut peer = greeted(&mut house, service).await;
        if service == Service::Submission {
            peer.say("EHLO client.example\r\n", "250 ").await;
        }
        until_sent_away(&mut peer, attempt, last).await;
        assert!(!house.logins().await.is_empty());
    }
}

#[tokio::test]
async fn a_shutdown_ends_with_close_notify() {
    let mut house = House::new().await;
    let mut peers = Vec::new();
    for service in SERVICES {
        let stranger = greeted(&mut house, service).await;
        let mut ann = greeted(&mut house, service).await;
        ann.log_in(service).await;
        peers.extend([(service, stranger), (service, ann)]);
    }
    house.trigger.request();
    for (service, mut peer) in peers {
        let (last, end) = peer.end().await;
        let bye = match service {
            Service::Imap => "* BYE The server is shutting down",
            Service::Pop3 => "-ERR [SYS/TEMP] ",
            Service::Submission => "421 4.3.2 ",
        };
        assert!(last.starts_with(bye), "{service:?}: {last}");
        assert!(
            matches!(end, ConnectionError::PeerClosed),
            "{service:?}: {end}"
        );
    }
}

/// Silence after a login; what becomes of those that never log in is shown in `strangers.rs`.
#[tokio::test]
async fn who_says_nothing_for_too_long_hears_close_notify() {
    for service in SERVICES {
        let mut house = House::new().await;
        let mut peer = greeted(&mut house, service).await;
        peer.log_in(service).await;
        // the longest limit is half an hour
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(31 * 60)).await;
        tokio::time::resume();
        let (last, end) = peer.end().await;
        let bye = match service {
            Service::Imap => "* BYE Autologout; idle for too long",
            Service::Pop3 => "",
            Service::Submission => "421 4.4.2 ",
        };
        assert!(last.starts_with(bye), "{service:?}: {last}");
        assert!(
            matches!(end, ConnectionError::PeerClosed),
            "{service:?}: {end}"
        );
    }
}

/// What the server logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn truncations(&self) -> usize {
        let log = self.0.lock().unwrap();
        String::from_utf8_lossy(&log)
            .lines()
            .filter(|line| line.contains("code=\"TRUNCATED\"") && line.contains("connection lost"))
            .count()
    }
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
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut house = House::new().await;
    let roots = Roots::empty().with_pem_file(&house.root).unwrap();
    let name = ServerIdentity::host(HOSTNAME).unwrap();
    let mut cuts = 0;
    for service in [Service::Imap, Service::Submission] {
        let door = house.open(service, TlsStart::Implicit);
        let dialer = Dialer::new(service, roots.clone());
        for cut in [Cut::Fin, Cut::Reset] {
            // half of it; and all of it, without the CRLF or the dot that ends the command
            for length in [MESSAGE.len() / 2, MESSAGE.len()] {
                let (address, order) = wire_cutter(door.address).await;
                let target = Target::Addresses(vec![address]);
                let connection = dialer.connect_implicit(&target, &name).await.unwrap();
                let mut peer = Peer::new(connection.by_hand());
                peer.line().await.unwrap();
                peer.log_in(service).await;
                if service == Service::Imap {
                    let head = format!("b APPEND INBOX {{{}}}\r\n", MESSAGE.len());
                    peer.say(&head, "+ ").await;
                } else {
                    peer.say("MAIL FROM:<ann@example.org>\r\n", "250 ").await;
                    peer.say("RCPT TO:<ann@example.org>\r\n", "250 ").await;
                    peer.say("DATA\r\n", "354 ").await;
                }
                peer.put(MESSAGE.as_bytes().get(..length).unwrap());
                let silence = Duration::from_millis(200);
                let heard = tokio::time::timeout(silence, peer.connection.drive(&mut peer.wire));
                assert!(heard.await.is_err(), "the server waits for more");
                order.send(cut).unwrap();
                cuts += 1;
                let noted = async {
                    while log.truncations() < cuts {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                };
                let what = format!("{service:?} {cut:?} after {length}");
                assert!(
                    tokio::time::timeout(PATIENCE, noted).await.is_ok(),
                    "{what}: not on record"
                );
                assert_eq!(house.mail(ANN).await.len(), 0, "{what}: stored");
            }
        }
    }
    // the same words with their end are stored
    let mut peer = greeted(&mut house, Service::Imap).await;
    peer.log_in(Service::Imap).await;
    let append = format!("b APPEND INBOX {{{}+}}\r\n{MESSAGE}\r\n", MESSAGE.len());
    peer.say(&append, "b OK").await;
    assert_eq!(house.mail(ANN).await.len(), 1);
    assert_eq!(log.truncations(), cuts, "and nothing else was cut off");
}
