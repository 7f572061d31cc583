//! Process memory of a server per idle TLS connection (aim: at most 32 KiB), as the kernel sees it.
//!
//! The server is a process of its own; its resident memory is read before and after the connections are
//! made, each after a full handshake and one line both ways. Argument: connections (2000; both processes need
//! that many file descriptors and some more: `ulimit -n 4096`).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where something is wrong"
)]

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use pillarbox_names::Service;
use pillarbox_policy::Channel;
use pillarbox_proto::{Machine, Step};
use pillarbox_testkit::TestCa;
use pillarbox_transport::{
    Accepted, Acceptor, CertificateFiles, CertificateStore, Certificates, Dialer, Driven,
    HandDriven, Listener, ListenerLimits, Roots, ServerIdentity, Start, Target,
};

const NAME: &str = "mail.example.org";
const FOLDER: &str = "PILLARBOX_BENCH_FOLDER";

/// Sends back what comes, and tells that it came.
#[derive(Default)]
struct Echo {
    out: Vec<u8>,
    came: bool,
}

impl Machine for Echo {
    type Event = ();
    type Error = Infallible;

    fn input(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.came = true;
    }

    fn poll(&mut self) -> Step<(), Infallible> {
        if !self.out.is_empty() {
            return Step::Output(std::mem::take(&mut self.out).into());
        }
        if std::mem::take(&mut self.came) {
            return Step::Event(());
        }
        Step::NeedInput
    }
}

/// Says one thing, and tells that an answer came.
struct Ask {
    out: Option<Vec<u8>>,
    came: bool,
}

impl Machine for Ask {
    type Event = ();
    type Error = Infallible;

    fn input(&mut self, _bytes: &[u8]) {
        self.came = true;
    }

    fn poll(&mut self) -> Step<(), Infallible> {
        match self.out.take() {
            Some(bytes) => Step::Output(bytes.into()),
            None if self.came => Step::Event(()),
            None => Step::NeedInput,
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match std::env::var_os(FOLDER) {
        Some(folder) => runtime.block_on(serve(folder.as_ref())),
        None => runtime.block_on(measure()),
    }
}

async fn serve(folder: &std::path::Path) {
    let mut certificates = Certificates::new();
    let files = CertificateFiles {
        chain: folder.join("mail.pem"),
        key: folder.join("mail.key"),
    };
    certificates.add(&files).unwrap();
    let acceptor = Acceptor::new(CertificateStore::new(certificates), Service::Imap).unwrap();
    let limits = ListenerLimits {
        per_address: 1_000_000,
        connections: 1_000_000,
        ..ListenerLimits::default()
    };
    let start = Start::Implicit(acceptor);
    let listener = Listener::bind("bench", ([127, 0, 0, 1], 0).into(), start, limits).unwrap();
    println!("{}", listener.local_addr().unwrap());
    let session = |accepted: Accepted| async move {
        let Accepted::Sealed(connection) = accepted else {
            return;
        };
        let mut connection = connection.by_hand();
        let mut echo = Echo::default();
        while let Ok(Driven::Event(())) = connection.drive(&mut echo).await {}
    };
    listener.run(session, |_| (), std::future::pending()).await;
}

async fn measure() {
    let count = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    let count = count.unwrap_or(2000);
    let ca = TestCa::new();
    let folder = tempfile::tempdir().unwrap();
    let _ = ca.server(&[NAME]).write_to(folder.path(), "mail");
    let roots = Roots::empty()
        .with_pem_file(&ca.write_root(folder.path()))
        .unwrap();
    let mut server = Command::new(std::env::current_exe().unwrap())
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut address)
        .unwrap();
    let target = Target::Addresses(vec![address.trim().parse().unwrap()]);
    let dialer = Dialer::new(Service::Imap, roots);

    let mut connections = Vec::new();
    // What the first connections cost, the process keeps.
    for _ in 0..20 {
        connections.push(connect(&dialer, &target).await);
    }
    let before = resident_kib(server.id());
    for _ in 0..count {
        connections.push(connect(&dialer, &target).await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let grown = resident_kib(server.id()) - before;
    println!(
        "{count} idle TLS connections: {:.1} KiB each ({grown} KiB over {before} KiB)",
        grown / f64::from(count)
    );
    server.kill().unwrap();
    server.wait().unwrap();
}

async fn connect(dialer: &Dialer, target: &Target) -> HandDriven {
    let identity = ServerIdentity::host(NAME.parse().unwrap());
    let connection = dialer.connect_implicit(target, &identity).await.unwrap();
    let mut connection = connection.by_hand();
    assert!(matches!(connection.channel(), Channel::Sealed(_)));
    let mut ask = Ask {
        out: Some(b"a NOOP\r\n".to_vec()),
        came: false,
    };
    assert_eq!(connection.drive(&mut ask).await.unwrap(), Driven::Event(()));
    connection
}

fn resident_kib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
