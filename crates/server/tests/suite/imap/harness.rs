//! A server with one door, and clients that speak IMAP by hand.

use std::time::Duration;

use pillarbox_names::{Service, TlsStart};
use pillarbox_proto::{Machine, Step};
use pillarbox_transport::{ConnectionError, Driven, HandDriven};

use crate::house::{Door, House};

pub(crate) const LOGIN: &str = "LOGIN ann@example.org \"correct horse\"";

pub(crate) struct Server {
    pub(crate) house: House,
    pub(crate) door: Door,
}

pub(crate) async fn server(tls_start: TlsStart) -> Server {
    let mut house = House::new().await;
    let door = house.open(Service::Imap, tls_start);
    Server { house, door }
}

impl Server {
    /// A client inside TLS that has read the greeting.
    pub(crate) async fn connect(&self) -> Peer {
        let mut peer = Peer::new(self.door.connect_implicit().await.by_hand());
        let greeting = peer.until("\r\n").await;
        assert!(
            greeting.starts_with("* OK [CAPABILITY IMAP4rev1 "),
            "{greeting}"
        );
        peer
    }

    /// A client in the clear that has read the greeting.
    pub(crate) async fn connect_clear(&self) -> Peer {
        let mut peer = Peer::new(self.door.connect_clear().await.by_hand());
        peer.until("\r\n").await;
        peer
    }

    /// A client that has logged in.
    pub(crate) async fn log_in(&self) -> Peer {
        let mut peer = self.connect().await;
        let answer = peer.ask(LOGIN).await;
        assert!(answer.contains(" OK [CAPABILITY "), "{answer}");
        peer
    }

    /// A client that has logged in and selected INBOX.
    pub(crate) async fn select(&self) -> Peer {
        let mut peer = self.log_in().await;
        let answer = peer.ask("SELECT INBOX").await;
        assert!(answer.contains(" OK [READ-WRITE] "), "{answer}");
        peer
    }

    /// Does the handshake on a cleartext client that STARTTLS was granted to.
    pub(crate) async fn start_tls(&self, peer: Peer) -> Peer {
        Peer::new(self.door.start_tls(peer.connection).await.by_hand())
    }
}

/// Writes what it is told, and collects what comes.
#[derive(Default)]
struct Wire {
    out: Vec<u8>,
    got: Vec<u8>,
    until: Vec<u8>,
    scanned: usize,
}

impl Machine for Wire {
    type Event = Vec<u8>;
    type Error = ();

    fn input(&mut self, bytes: &[u8]) {
        self.got.extend_from_slice(bytes);
    }

    fn poll(&mut self) -> Step<Vec<u8>, ()> {
        if !self.out.is_empty() {
            return Step::Output(std::mem::take(&mut self.out).into());
        }
        let from = self.scanned.saturating_sub(self.until.len());
        let found = self.got[from..]
            .windows(self.until.len())
            .position(|at| at == self.until);
        self.scanned = self.got.len();
        let Some(at) = found.map(|at| from + at) else {
            return Step::NeedInput;
        };
        let Some(end) = self.got[at + self.until.len() - 2..]
            .windows(2)
            .position(|at| at == b"\r\n")
        else {
            self.scanned = at;
            return Step::NeedInput;
        };
        let rest = self.got.split_off(at + self.until.len() - 2 + end + 2);
        self.scanned = 0;
        Step::Event(std::mem::replace(&mut self.got, rest))
    }
}

/// A client on a connection, by hand.
pub(crate) struct Peer {
    connection: HandDriven,
    wire: Wire,
    tags: u32,
}

impl Peer {
    fn new(connection: HandDriven) -> Self {
        Self {
            connection,
            wire: Wire::default(),
            tags: 0,
        }
    }

    /// Sends octets.
    pub(crate) fn put(&mut self, octets: &[u8]) {
        self.wire.out.extend_from_slice(octets);
    }

    /// Reads on to the end of the line in which `mark` stands; a mark ends in CRLF or stands in a line.
    pub(crate) async fn octets_until(&mut self, mark: &str) -> Result<Vec<u8>, ConnectionError> {
        self.wire.until = mark.as_bytes().to_vec();
        let driven = self.connection.drive(&mut self.wire);
        match tokio::time::timeout(Duration::from_secs(20), driven).await {
            Ok(Ok(Driven::Event(got))) => Ok(got),
            Ok(Ok(other)) => panic!("{other:?}"),
            Ok(Err(error)) => Err(error),
            Err(_) => panic!(
                "no {mark:?} in {:?}",
                String::from_utf8_lossy(&self.wire.got)
            ),
        }
    }

    pub(crate) async fn until(&mut self, mark: &str) -> String {
        let octets = self.octets_until(mark).await;
        String::from_utf8_lossy(&octets.unwrap_or_else(|error| panic!("{mark:?}: {error}")))
            .into_owned()
    }

    /// Sends a command under a tag of its own, reads on to its tagged answer, and shows that with the tag `T`.
    pub(crate) async fn ask(&mut self, command: &str) -> String {
        let octets = self.ask_octets(command.as_bytes()).await;
        String::from_utf8_lossy(&octets).into_owned()
    }

    pub(crate) async fn ask_octets(&mut self, command: &[u8]) -> Vec<u8> {
        self.tags += 1;
        let tag = format!("unlikely{:04}", self.tags);
        self.put(format!("{tag} ").as_bytes());
        self.put(command);
        self.put(b"\r\n");
        let mut octets = self.octets_until(&format!("{tag} ")).await.unwrap();
        let at = octets
            .windows(tag.len())
            .position(|at| at == tag.as_bytes())
            .unwrap();
        octets.splice(at..at + tag.len(), [b'T']);
        octets
    }

    /// Appends a message to INBOX.
    pub(crate) async fn append(&mut self, message: &[u8]) -> String {
        let head = format!("APPEND INBOX {{{}+}}\r\n", message.len());
        let octets = self.ask_octets(&[head.as_bytes(), message].concat()).await;
        String::from_utf8(octets).unwrap()
    }

    /// Nothing more comes: how the connection ends.
    pub(crate) async fn ends(&mut self) -> ConnectionError {
        self.octets_until("\0never").await.unwrap_err()
    }

    /// What came and was not read.
    pub(crate) fn left(&self) -> String {
        String::from_utf8_lossy(&self.wire.got).into_owned()
    }
}
