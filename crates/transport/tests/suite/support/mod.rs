//! What the tests share: a toy line protocol (both ends), and servers of it on loopback.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pillarbox_names::Service;
use pillarbox_policy::HandshakeFailure;
use pillarbox_proto::line::{LineBuffer, LineLimits};
use pillarbox_proto::{Machine, Step};
use pillarbox_testkit::{TestCa, TestCertificate};
use pillarbox_transport::{
    Accepted, Acceptor, CertificateFiles, CertificateStore, Certificates, Dialer, Driven,
    HandDriven, Listener, ListenerLimits, Roots, ServerIdentity, Start, Target, Timeouts, Unserved,
};
use tokio::sync::{mpsc, oneshot};

/// What a flood consists of: pieces of 128 lines of 64 octets.
pub(crate) const FLOOD_LINES: usize = 128;
const FLOOD_LINE: &[u8; 64] = b"flood flood flood flood flood flood flood flood flood flood fl\r\n";

/// The server of a toy line protocol: `STARTTLS`, `QUIT`, `FLOOD n` (n pieces of 8 KiB), and an echo for
/// everything else.
pub(crate) struct Toy {
    lines: LineBuffer,
    out: Vec<Step<ToyEvent, Injected>>,
    flood: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ToyEvent {
    /// STARTTLS was accepted.
    StartTls,
    /// A line, already echoed.
    Line(String),
}

/// Bytes followed STARTTLS.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Injected(pub(crate) usize);

pub(crate) const GREETING: &str = "* toy ready";

impl Toy {
    pub(crate) fn greeting() -> Self {
        let mut toy = Self::silent();
        toy.put(GREETING);
        toy
    }

    pub(crate) fn silent() -> Self {
        Self {
            lines: LineBuffer::new(LineLimits::default()),
            out: Vec::new(),
            flood: 0,
        }
    }

    fn put(&mut self, line: &str) {
        self.out
            .push(Step::Output(format!("{line}\r\n").into_bytes().into()));
    }
}

impl Machine for Toy {
    type Event = ToyEvent;
    type Error = Injected;

    fn input(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    fn poll(&mut self) -> Step<ToyEvent, Injected> {
        loop {
            if !self.out.is_empty() {
                return self.out.remove(0);
            }
            if self.flood > 0 {
                self.flood -= 1;
                return Step::Output(FLOOD_LINE.repeat(FLOOD_LINES).into());
            }
            let Ok(Some(line)) = self.lines.next_line() else {
                return Step::NeedInput;
            };
            let line = String::from_utf8(line.as_bytes().to_vec()).unwrap();
            match line.as_str() {
                "STARTTLS" if self.lines.is_empty() => {
                    self.put("OK begin");
                    self.out.push(Step::Event(ToyEvent::StartTls));
                }
                "STARTTLS" => {
                    self.put("BAD bytes after STARTTLS");
                    self.out.push(Step::Err(Injected(self.lines.len())));
                }
                "QUIT" => {
                    self.put("BYE");
                    self.out.push(Step::Close);
                }
                _ => {
                    if let Some(pieces) = line.strip_prefix("FLOOD ") {
                        self.flood = pieces.parse().unwrap();
                    } else {
                        self.put(&format!("echo {line}"));
                    }
                    self.out.push(Step::Event(ToyEvent::Line(line)));
                }
            }
        }
    }
}

/// The client of it: sends what it is told, tells every line it hears.
pub(crate) struct Talker {
    lines: LineBuffer,
    out: Option<Vec<u8>>,
}

impl Talker {
    pub(crate) fn new() -> Self {
        Self {
            lines: LineBuffer::new(LineLimits::default()),
            out: None,
        }
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.out.get_or_insert_default().extend(text.as_bytes());
    }
}

impl Machine for Talker {
    type Event = String;
    type Error = std::convert::Infallible;

    fn input(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    fn poll(&mut self) -> Step<String, Self::Error> {
        if let Some(bytes) = self.out.take() {
            return Step::Output(bytes.into());
        }
        match self.lines.next_line() {
            Ok(Some(line)) => Step::Event(String::from_utf8(line.as_bytes().to_vec()).unwrap()),
            _ => Step::NeedInput,
        }
    }
}

/// A connection that came in, whatever it is worth.
pub(crate) fn by_hand(accepted: Accepted) -> HandDriven {
    match accepted {
        Accepted::Sealed(connection) => connection.by_hand(),
        Accepted::Clear(connection) => connection.by_hand(),
    }
}

/// Says `text` and answers the next line.
pub(crate) async fn ask(connection: &mut HandDriven, talker: &mut Talker, text: &str) -> String {
    talker.say(text);
    match connection.drive(talker).await.unwrap() {
        Driven::Event(line) => line,
        other => panic!("{other:?}"),
    }
}

/// A running listener.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<CertificateStore>,
    pub(crate) failures: Arc<Mutex<Vec<Unserved>>>,
    /// One message per session that ended by itself: how.
    pub(crate) ended: mpsc::UnboundedReceiver<String>,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Waits for the only failure there is to be.
    pub(crate) async fn failure(&self) -> HandshakeFailure {
        for _ in 0..500 {
            if let Some(Unserved::Handshake(error)) = self.failures.lock().unwrap().first() {
                return error.failure.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no handshake failed");
    }

    pub(crate) async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        self.task.await.unwrap();
    }
}

pub(crate) fn certificates(of: &[&TestCertificate]) -> Certificates {
    let folder = tempfile::tempdir().unwrap();
    let mut certificates = Certificates::new();
    for (number, certificate) in of.iter().enumerate() {
        let files = files(certificate, folder.path(), &number.to_string());
        certificates.add(&files).unwrap();
    }
    certificates
}

pub(crate) fn files(certificate: &TestCertificate, folder: &Path, name: &str) -> CertificateFiles {
    let files = certificate.write_to(folder, name);
    CertificateFiles {
        chain: files.chain,
        key: files.key,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    Implicit,
    StartTls,
}

/// Short enough for a test to wait for.
pub(crate) fn limits() -> ListenerLimits {
    ListenerLimits {
        connections: 10,
        per_address: 10,
        timeouts: Timeouts {
            handshake: Duration::from_secs(5),
            idle: Duration::from_secs(20),
            write: Duration::from_secs(2),
        },
        grace: Duration::from_secs(2),
    }
}

/// Serves the toy protocol with these certificates.
pub(crate) fn serve(begin: Begin, service: Service, of: &[&TestCertificate]) -> Server {
    serve_with(begin, service, of, limits())
}

pub(crate) fn serve_with(
    begin: Begin,
    service: Service,
    of: &[&TestCertificate],
    limits: ListenerLimits,
) -> Server {
    let store = CertificateStore::new(certificates(of));
    let acceptor = Acceptor::new(Arc::clone(&store), service).unwrap();
    let start = match begin {
        Begin::Implicit => Start::Implicit(acceptor.clone()),
        Begin::StartTls => Start::Clear,
    };
    let (said, ended) = mpsc::unbounded_channel();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let failed = Arc::clone(&failures);
    let session = {
        let failures = Arc::clone(&failures);
        move |connection| {
            let (acceptor, said, failures) = (acceptor.clone(), said.clone(), failures.clone());
            async move {
                match converse(by_hand(connection), &acceptor).await {
                    Ok(ended) => drop(said.send(ended)),
                    Err(error) => failures.lock().unwrap().push(Unserved::Handshake(error)),
                }
            }
        }
    };
    let unserved = move |unserved| failed.lock().unwrap().push(unserved);
    listen(start, limits, store, failures, ended, session, unserved)
}

fn listen<S, F, U>(
    start: Start,
    limits: ListenerLimits,
    store: Arc<CertificateStore>,
    failures: Arc<Mutex<Vec<Unserved>>>,
    ended: mpsc::UnboundedReceiver<String>,
    session: S,
    unserved: U,
) -> Server
where
    S: Fn(Accepted) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
    U: Fn(Unserved) + Clone + Send + 'static,
{
    let listener = Listener::bind("toy", ([127, 0, 0, 1], 0).into(), start, limits).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(listener.run(session, unserved, async move {
        let _ = stopped.await;
    }));
    Server {
        address,
        store,
        failures,
        ended,
        stop: Some(stop),
        task,
    }
}

/// One session of the toy server; answers how it ended.
async fn converse(
    mut connection: HandDriven,
    acceptor: &Acceptor,
) -> Result<String, pillarbox_transport::HandshakeError> {
    let mut toy = Toy::greeting();
    loop {
        match connection.drive(&mut toy).await {
            Ok(Driven::Event(ToyEvent::StartTls)) => {
                connection = connection.start_tls_as_server(acceptor).await?.by_hand();
                toy = Toy::silent();
            }
            Ok(Driven::Event(ToyEvent::Line(_)) | Driven::NeedReply) => (),
            Ok(Driven::Closed) => {
                connection.close().await;
                return Ok("closed by us".to_owned());
            }
            Ok(Driven::Violation(Injected(bytes))) => {
                connection.close().await;
                return Ok(format!("{bytes} bytes injected"));
            }
            Err(error) => return Ok(format!("{error:?}")),
        }
    }
}

pub(crate) fn dialer(service: Service, ca: &TestCa) -> Dialer {
    let folder = tempfile::tempdir().unwrap();
    let root = ca.write_root(folder.path());
    Dialer::new(service, Roots::empty().with_pem_file(&root).unwrap())
}

pub(crate) fn host(name: &str) -> ServerIdentity {
    match name.parse() {
        Ok(address) => ServerIdentity::address(address),
        Err(_) => ServerIdentity::host(name.parse().unwrap()),
    }
}

/// The certificate of mail.example.org.
pub(crate) fn good(ca: &TestCa) -> TestCertificate {
    ca.server(&["mail.example.org"])
}

/// As [`dial`], to mail.example.org.
pub(crate) async fn dial_mail(
    begin: Begin,
    dialer: &Dialer,
    address: SocketAddr,
) -> Result<HandDriven, HandshakeFailure> {
    dial(begin, dialer, address, &host("mail.example.org")).await
}

/// Connects to the toy server and begins TLS in its way.
pub(crate) async fn dial(
    begin: Begin,
    dialer: &Dialer,
    address: SocketAddr,
    identity: &ServerIdentity,
) -> Result<HandDriven, HandshakeFailure> {
    let target = Target::Addresses(vec![address]);
    if begin == Begin::Implicit {
        return match dialer.connect_implicit(&target, identity).await {
            Ok(connection) => Ok(connection.by_hand()),
            Err(pillarbox_transport::DialError::Handshake(error)) => Err(error.failure),
            Err(error) => panic!("{error}"),
        };
    }
    let mut connection = dialer.connect_clear(&target).await.unwrap().by_hand();
    let mut talker = Talker::new();
    let greeting = connection.drive(&mut talker).await.unwrap();
    assert_eq!(greeting, Driven::Event(GREETING.to_owned()));
    assert_eq!(
        ask(&mut connection, &mut talker, "STARTTLS\r\n").await,
        "OK begin"
    );
    connection
        .start_tls_as_client(dialer, identity)
        .await
        .map(pillarbox_transport::Connection::by_hand)
        .map_err(|error| error.failure)
}

/// A listener that hands its connections to the test.
pub(crate) fn hand_over(start: Start) -> (SocketAddr, mpsc::UnboundedReceiver<HandDriven>) {
    let listener = Listener::bind("toy", ([127, 0, 0, 1], 0).into(), start, limits()).unwrap();
    let address = listener.local_addr().unwrap();
    let (hand, taken) = mpsc::unbounded_channel();
    let session = move |connection| {
        let hand = hand.clone();
        async move { drop(hand.send(by_hand(connection))) }
    };
    tokio::spawn(listener.run(session, |_: Unserved| (), std::future::pending()));
    (address, taken)
}

/// Whether a [`pair`] speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Cleartext,
    Tls,
}

/// A client's and a server's end of one connection.
pub(crate) async fn pair(over: Over) -> (HandDriven, HandDriven) {
    let ca = TestCa::new();
    let store = CertificateStore::new(certificates(&[&good(&ca)]));
    let acceptor = Acceptor::new(store, Service::Imap).unwrap();
    let dialer = dialer(Service::Imap, &ca);
    let target = |address| Target::Addresses(vec![address]);
    let (client, mut taken) = match over {
        Over::Cleartext => {
            let (address, taken) = hand_over(Start::Clear);
            let client = dialer.connect_clear(&target(address)).await.unwrap();
            (client.by_hand(), taken)
        }
        Over::Tls => {
            let (address, taken) = hand_over(Start::Implicit(acceptor));
            let identity = host("mail.example.org");
            let client = dialer.connect_implicit(&target(address), &identity).await;
            (client.unwrap().by_hand(), taken)
        }
    };
    let server = taken.recv().await.unwrap();
    (client, server)
}
