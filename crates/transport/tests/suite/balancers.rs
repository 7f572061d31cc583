//! Connections through a balancer that speaks the PROXY protocol, version 2 (SA-4).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::{Channel, NoTls, TlsEnd};
use pillarbox_testkit::TestCa;
use pillarbox_transport::{
    Acceptor, Balancers, CertificateStore, Driven, HandDriven, Listener, Start, Unserved,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{Toy, ToyEvent, by_hand, certificates, good, limits};

const PREFIX: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const CLIENT: &str = "192.0.2.7:40000";

/// A listener that believes balancers in this network.
struct Served {
    address: SocketAddr,
    taken: mpsc::UnboundedReceiver<HandDriven>,
    unserved: Arc<Mutex<Vec<String>>>,
}

fn serve(start: Start, trusted: &str) -> Served {
    let listener = Listener::bind("toy", ([127, 0, 0, 1], 0).into(), start, limits())
        .unwrap()
        .with_balancers(Balancers::new([trusted.parse().unwrap()]));
    let address = listener.local_addr().unwrap();
    let (hand, taken) = mpsc::unbounded_channel();
    let session = move |accepted| {
        let hand = hand.clone();
        async move { drop(hand.send(by_hand(accepted))) }
    };
    let unserved = Arc::new(Mutex::new(Vec::new()));
    let failed = Arc::clone(&unserved);
    let note = move |why: Unserved| failed.lock().unwrap().push(why.to_string());
    tokio::spawn(listener.run(session, note, std::future::pending()));
    Served {
        address,
        taken,
        unserved,
    }
}

fn acceptor() -> Acceptor {
    let ca = TestCa::new();
    let certificates = certificates(&[&good(&ca)]);
    Acceptor::new(CertificateStore::new(certificates), Service::Imap).unwrap()
}

/// A header for a client at [`CLIENT`], with these fields.
fn header(fields: &[u8]) -> Vec<u8> {
    let mut header = PREFIX.to_vec();
    header.extend([0x21, 0x11]);
    header.extend(u16::try_from(12 + fields.len()).unwrap().to_be_bytes());
    header.extend([192, 0, 2, 7, 127, 0, 0, 1]);
    header.extend(40_000u16.to_be_bytes());
    header.extend(993u16.to_be_bytes());
    header.extend(fields);
    header
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    [&[kind], &length[..], value].concat()
}

fn tls_1_3() -> Vec<u8> {
    let parts = [
        vec![1, 0, 0, 0, 0],
        field(0x21, b"TLSv1.3"),
        field(0x23, b"TLS_AES_256_GCM_SHA384"),
    ];
    [
        field(0x02, b"mail.example.org"),
        field(0x20, &parts.concat()),
    ]
    .concat()
}

impl Served {
    async fn connect(&self, octets: &[u8]) -> TcpStream {
        let mut balancer = TcpStream::connect(self.address).await.unwrap();
        balancer.write_all(octets).await.unwrap();
        balancer
    }

    async fn refusal(&self) -> String {
        for _ in 0..500 {
            if let Some(why) = self.unserved.lock().unwrap().first() {
                return why.clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing was refused");
    }
}

/// The facts are those the balancer tells, and the conversation begins right behind the header, even in its segment.
#[tokio::test]
async fn tls_that_ended_at_the_balancer() {
    for (start, tls_start) in [
        (Start::Implicit(acceptor()), TlsStart::Implicit),
        (Start::Clear, TlsStart::StartTls),
    ] {
        let mut served = serve(start, "127.0.0.0/8");
        let octets = [header(&tls_1_3()), b"hello\r\n".to_vec()].concat();
        let mut balancer = served.connect(&octets).await;
        let mut server = served.taken.recv().await.unwrap();
        assert_eq!(server.peer_addr(), CLIENT.parse().unwrap());
        let record = server.channel().facts().unwrap().record();
        assert_eq!(record.to_string(), "TLSv1.3 TLS_AES_256_GCM_SHA384");
        assert_eq!(record.tls_start, tls_start);
        let here = balancer.local_addr().unwrap().ip();
        assert_eq!(record.tls_end, TlsEnd::Balancer(here));
        assert_eq!(record.sni.as_deref(), Some("mail.example.org"));
        let facts = server.channel().facts().unwrap();
        assert!(facts.binding().is_none(), "the balancer has it");
        let mut toy = Toy::silent();
        let line = server.drive(&mut toy).await.unwrap();
        assert_eq!(line, Driven::Event(ToyEvent::Line("hello".to_owned())));
        server.close().await;
        let mut echo = String::new();
        balancer.read_to_string(&mut echo).await.unwrap();
        assert_eq!(echo, "echo hello\r\n");
    }
}

/// A header in single octets is a header, too.
#[tokio::test]
async fn a_header_in_pieces() {
    let mut served = serve(Start::Clear, "127.0.0.0/8");
    let mut balancer = TcpStream::connect(served.address).await.unwrap();
    balancer.set_nodelay(true).unwrap();
    for octet in header(&tls_1_3()) {
        balancer.write_all(&[octet]).await.unwrap();
    }
    let server = served.taken.recv().await.unwrap();
    assert!(server.channel().facts().is_some());
}

/// No TLS at the balancer: on a port with STARTTLS it is a cleartext connection of the client; on a TLS port the
/// handshake begins here.
#[tokio::test]
async fn no_tls_at_the_balancer() {
    let mut served = serve(Start::Clear, "127.0.0.1");
    let _balancer = served.connect(&header(&[])).await;
    let server = served.taken.recv().await.unwrap();
    let Channel::Clear(facts) = server.channel() else {
        panic!("no TLS was told of");
    };
    assert_eq!(facts.reason(), &NoTls::NoneAtBalancer);
    assert_eq!(server.peer_addr(), CLIENT.parse().unwrap());

    let mut served = serve(Start::Implicit(acceptor()), "127.0.0.1");
    let octets = [header(&[]), b"a LOGIN x y\r\n".to_vec()].concat();
    let _balancer = served.connect(&octets).await;
    let why = served.refusal().await;
    assert!(
        why.contains("does not speak TLS") && why.contains("192.0.2.7"),
        "{why}"
    );
    assert!(served.taken.try_recv().is_err());
}

/// A trusted balancer without a good header is refused; what anybody else sends is not parsed as one.
#[tokio::test]
async fn who_is_believed() {
    let mut long = header(&[]);
    long[14..16].copy_from_slice(&u16::MAX.to_be_bytes());
    long.resize(4096, 0);
    for octets in [
        b"a NOOP\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 993\r\n".to_vec(),
        header(&field(0x20, &[1, 0, 0, 0, 0])),
        header(&[0x20, 0xff, 0xff]),
        long,
    ] {
        let mut served = serve(Start::Clear, "127.0.0.1");
        let mut balancer = served.connect(&octets).await;
        let why = served.refusal().await;
        assert!(why.contains("a trusted balancer"), "{why}");
        let mut rest = Vec::new();
        let _ = balancer.read_to_end(&mut rest).await;
        assert_eq!(rest, b"", "nothing is said to it");
        assert!(served.taken.try_recv().is_err());
    }
    let mut served = serve(Start::Clear, "192.0.2.0/24");
    let _stranger = served.connect(&header(&tls_1_3())).await;
    let server = served.taken.recv().await.unwrap();
    assert!(server.channel().facts().is_none());
    assert_eq!(server.peer_addr().ip(), served.address.ip());
}

/// Nobody holds a place by saying nothing.
#[tokio::test]
async fn a_balancer_that_says_nothing_is_given_up() {
    let mut limits = limits();
    limits.timeouts.handshake = Duration::from_millis(200);
    let listener = Listener::bind("toy", ([127, 0, 0, 1], 0).into(), Start::Clear, limits)
        .unwrap()
        .with_balancers(Balancers::new(["127.0.0.1".parse().unwrap()]));
    let address = listener.local_addr().unwrap();
    let (note, mut noted) = mpsc::unbounded_channel();
    let unserved = move |why: Unserved| drop(note.send(why.to_string()));
    tokio::spawn(listener.run(|_| async {}, unserved, std::future::pending()));
    let mut balancer = TcpStream::connect(address).await.unwrap();
    balancer.write_all(PREFIX).await.unwrap();
    let why = noted.recv().await.unwrap();
    assert!(why.contains("none came in time"), "{why}");
}

/// Clients are counted one by one, not as their balancer.
#[tokio::test]
async fn limits_count_clients() {
    let mut limits = limits();
    limits.per_address = 1;
    let listener = Listener::bind("toy", ([127, 0, 0, 1], 0).into(), Start::Clear, limits)
        .unwrap()
        .with_balancers(Balancers::new(["127.0.0.1".parse().unwrap()]));
    let address = listener.local_addr().unwrap();
    let (hand, mut taken) = mpsc::unbounded_channel();
    let session = move |accepted| {
        let hand = hand.clone();
        async move { drop(hand.send(by_hand(accepted))) }
    };
    let (note, mut noted) = mpsc::unbounded_channel();
    let unserved = move |why: Unserved| drop(note.send(why.to_string()));
    tokio::spawn(listener.run(session, unserved, std::future::pending()));
    let mut other = header(&[]);
    other[19] = 8;
    let mut held = Vec::new();
    for octets in [header(&[]), other] {
        let mut balancer = TcpStream::connect(address).await.unwrap();
        balancer.write_all(&octets).await.unwrap();
        held.push((balancer, taken.recv().await.unwrap()));
    }
    let mut again = TcpStream::connect(address).await.unwrap();
    again.write_all(&header(&[])).await.unwrap();
    let why = noted.recv().await.unwrap();
    assert!(why.contains("192.0.2.7:40000"), "{why}");
}
