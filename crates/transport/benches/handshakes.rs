//! Full TLS 1.3 handshakes per second of a listener, ECDSA P-256, over loopback; to be set beside
//! `openssl speed -seconds 3 ecdsap256 ecdhx25519` of the same machine and run.
//!
//! The server has one thread to itself. Its processor time is told apart from the client's, since that is
//! what a server with other people's clients has to pay. Arguments: seconds per group (3).
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement prints, and stops where something is wrong"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pillarbox_names::Service;
use pillarbox_testkit::TestCa;
use pillarbox_transport::{
    Acceptor, CertificateFiles, CertificateStore, Certificates, Listener, ListenerLimits, Start,
};
use rustls::client::Resumption;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const NAME: &str = "mail.example.org";

fn main() {
    let seconds = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(3));
    let ca = TestCa::new();
    let groups: [(&str, &'static dyn SupportedKxGroup); 3] = [
        ("X25519MLKEM768", kx_group::X25519MLKEM768),
        ("x25519", kx_group::X25519),
        ("secp256r1", kx_group::SECP256R1),
    ];
    println!(
        "{:<16} {:>14} {:>22} {:>24}",
        "group", "handshakes/s", "server CPU us each", "server alone, one core/s"
    );
    for (name, group) in groups {
        let (count, wall, cpu) = measure(&ca, group, time);
        let each = cpu.as_secs_f64() / f64::from(count);
        println!(
            "{name:<16} {:>14.0} {:>22.1} {:>24.0}",
            f64::from(count) / wall.as_secs_f64(),
            each * 1e6,
            1.0 / each
        );
    }
}

/// Handshakes done, the time they took, and the server's processor time for them.
fn measure(
    ca: &TestCa,
    group: &'static dyn SupportedKxGroup,
    time: Duration,
) -> (u32, Duration, Duration) {
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let acceptor = acceptor(ca);
    let server = thread::spawn(move || {
        runtime().block_on(async {
            let start = Start::Implicit(acceptor);
            let limits = ListenerLimits::default();
            let listener =
                Listener::bind("bench", ([127, 0, 0, 1], 0).into(), start, limits).unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let before = cpu_time();
            let stopped = async { drop(stopped.await) };
            listener
                .run(|connection| async { drop(connection) }, |_| (), stopped)
                .await;
            cpu_time() - before
        })
    });
    let address = told.recv().unwrap();
    let config = client(ca, group);
    let (count, wall) = runtime().block_on(async {
        let started = Instant::now();
        let mut count = 0;
        while started.elapsed() < time {
            handshake(address, &config).await;
            count += 1;
        }
        (count, started.elapsed())
    });
    stop.send(()).unwrap();
    (count, wall, server.join().unwrap())
}

async fn handshake(address: SocketAddr, config: &Arc<ClientConfig>) {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let connector = TlsConnector::from(Arc::clone(config));
    connector
        .connect(NAME.try_into().unwrap(), socket)
        .await
        .unwrap();
}

fn acceptor(ca: &TestCa) -> Acceptor {
    let folder = tempfile::tempdir().unwrap();
    let files = ca.server(&[NAME]).write_to(folder.path(), "mail");
    let mut certificates = Certificates::new();
    let files = CertificateFiles {
        chain: files.chain,
        key: files.key,
    };
    certificates.add(&files).unwrap();
    Acceptor::new(CertificateStore::new(certificates), Service::Imap).unwrap()
}

fn client(ca: &TestCa, group: &'static dyn SupportedKxGroup) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.root_der().clone()).unwrap();
    let mut provider = default_provider();
    provider.kx_groups = vec![group];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Processor time of this thread so far (Linux).
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
