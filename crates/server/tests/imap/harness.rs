//! A server with one account on a port of its own, and clients that speak by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_policy::{LegacyWindow, Secret, Timestamp};
use pillarbox_proto::{Machine, Step};
use pillarbox_server::accounts::{NewPassword, new_account};
use pillarbox_server::auth::LoginSecret;
use pillarbox_server::config::{Limits, LogFormat, LogLevel, LogSettings, Settings, StoreSettings};
use pillarbox_server::{Context, ListenerInfo, Opening, Shutdown, ShutdownTrigger};
use pillarbox_store::{EmbeddedOptions, EmbeddedStore, Store};
use pillarbox_testkit::TestCa;
use pillarbox_transport::{
    Acceptor, CertificateFiles, CertificateStore, Certificates, Connection, ConnectionError,
    Dialer, Driven, Listener, ListenerLimits, Roots, ServerIdentity, Service, Start, Target,
};

pub(crate) const LOGIN: &str = "LOGIN ann@example.org \"correct horse\"";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) trigger: ShutdownTrigger,
    /// The root certificate's file.
    pub(crate) root: std::path::PathBuf,
    dialer: Dialer,
    _folder: tempfile::TempDir,
}

pub(crate) async fn server(opening: Opening) -> Server {
    server_with(opening, None).await
}

/// A server whose operator has opened a window for cleartext on the listener.
pub(crate) async fn server_with(opening: Opening, legacy_window: Option<LegacyWindow>) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let ca = TestCa::new();
    let files = ca
        .server(&["mail.example.org", "127.0.0.1"])
        .write_to(folder.path(), "server");
    let files = CertificateFiles {
        chain: files.chain,
        key: files.key,
    };
    let mut certificates = Certificates::new();
    certificates.add(&files).unwrap();
    let acceptor = Acceptor::new(CertificateStore::new(certificates), Service::Imap).unwrap();
    let options = EmbeddedOptions {
        shards: 1,
        ..EmbeddedOptions::default()
    };
    let store = EmbeddedStore::open(&folder.path().join("store"), options).unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let password = NewPassword::new(&Secret::from("correct horse")).unwrap();
    let account = new_account(
        "ann@example.org".to_owned(),
        password.verifiers().unwrap(),
        Timestamp(0),
    );
    store.create_account(account, Timestamp(0)).await.unwrap();
    let settings = Settings {
        hostname: "mail.example.org".to_owned(),
        domains: vec!["example.org".to_owned()],
        data: folder.path().to_owned(),
        certificates: vec![files],
        listeners: Vec::new(),
        limits: Limits {
            message_size: 64 * 1024 * 1024,
            connections: 100,
            connections_per_address: 100,
            shutdown: Duration::from_secs(1),
        },
        log: LogSettings {
            format: LogFormat::Text,
            level: LogLevel::Info,
        },
        store: StoreSettings { shards: 1 },
    };
    let secret = LoginSecret::ephemeral().unwrap();
    let cx = Arc::new(Context::new(Arc::clone(&store), secret, settings).unwrap());
    let (trigger, shutdown) = Shutdown::new();
    let (name, start) = match opening {
        Opening::Implicit => ("imaps", Start::Implicit(acceptor.clone())),
        Opening::StartTls => ("imap", Start::Clear),
    };
    let info = Arc::new(ListenerInfo {
        name,
        service: Service::Imap,
        opening,
        acceptor,
        legacy_window,
    });
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = Listener::bind(name, loopback, start, ListenerLimits::default()).unwrap();
    let address = listener.local_addr().unwrap();
    let ends = shutdown.clone();
    let session = move |connection| {
        let (cx, info) = (Arc::clone(&cx), Arc::clone(&info));
        pillarbox_server::imap::serve(connection, cx, info, shutdown.clone())
    };
    tokio::spawn(async move {
        listener
            .run(session, |_| (), async { ends.requested().await })
            .await;
    });
    let root = ca.write_root(folder.path());
    let roots = Roots::empty().with_pem_file(&root).unwrap();
    Server {
        address,
        store,
        trigger,
        root,
        dialer: Dialer::new(Service::Imap, roots),
        _folder: folder,
    }
}

fn identity() -> ServerIdentity {
    ServerIdentity::host("mail.example.org").unwrap()
}

impl Server {
    fn target(&self) -> Target {
        Target::Addresses(vec![self.address])
    }

    /// A client inside TLS that has read the greeting.
    pub(crate) async fn connect(&self) -> Peer {
        let connection = self
            .dialer
            .connect_implicit(&self.target(), &identity())
            .await
            .unwrap();
        let mut peer = Peer::new(connection);
        let greeting = peer.until("\r\n").await;
        assert!(
            greeting.starts_with("* OK [CAPABILITY IMAP4rev1 "),
            "{greeting}"
        );
        peer
    }

    /// A client in the clear that has read the greeting.
    pub(crate) async fn connect_clear(&self) -> Peer {
        let connection = self.dialer.connect_clear(&self.target()).await.unwrap();
        let mut peer = Peer::new(connection);
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
        let connection = peer
            .connection
            .start_tls_as_client(&self.dialer, &identity())
            .await;
        Peer::new(connection.unwrap())
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
            return Step::Output(std::mem::take(&mut self.out));
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
    connection: Connection,
    wire: Wire,
    tags: u32,
}

impl Peer {
    fn new(connection: Connection) -> Self {
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
