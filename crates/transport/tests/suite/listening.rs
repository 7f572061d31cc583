//! Listeners: limits, shutdown, addresses.

use std::time::{Duration, Instant};

use crate::support::{Begin, GREETING, certificates, good, limits, serve_with};
use pillarbox_names::Service;
use pillarbox_testkit::TestCa;
use pillarbox_transport::{Acceptor, CertificateStore, Listener, ListenerLimits, Start, Unserved};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

async fn hear(address: std::net::SocketAddr) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut heard = vec![0; GREETING.len()];
    let read = socket.read(&mut heard).await.unwrap_or(0);
    heard.truncate(read);
    (socket, String::from_utf8(heard).unwrap())
}

/// At the limit and one over, in all and per address; a seat comes back when its connection ends.
#[tokio::test]
async fn connection_limits() {
    let certificate = good(&TestCa::new());
    for (connections, per_address) in [(2, 10), (10, 2)] {
        let mut limits = limits();
        (limits.connections, limits.per_address) = (connections, per_address);
        let mut server = serve_with(Begin::StartTls, Service::Imap, &[&certificate], limits);
        let (first, heard) = hear(server.address).await;
        assert_eq!(heard, GREETING);
        let (_second, heard) = hear(server.address).await;
        assert_eq!(heard, GREETING);
        let (third, heard) = hear(server.address).await;
        assert_eq!(heard, "");
        let peer = third.local_addr().unwrap();
        match &server.failures.lock().unwrap()[..] {
            [Unserved::ListenerFull { peer: told }] if connections == 2 => assert_eq!(*told, peer),
            [Unserved::AddressFull { peer: told }] if per_address == 2 => assert_eq!(*told, peer),
            other => panic!("{other:?}"),
        }
        drop(first);
        server.ended.recv().await.unwrap();
        // The session has told its end; its connection goes with it at once.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (_fourth, heard) = hear(server.address).await;
        assert_eq!(heard, GREETING);
    }
}

/// Stops listening at once, lets sessions end, and cuts off those that do not.
#[tokio::test]
async fn shutdown_waits_for_sessions_but_not_for_ever() {
    for (lasts, cut) in [
        (Duration::from_millis(300), false),
        (Duration::from_secs(60), true),
    ] {
        let mut limits = limits();
        limits.grace = Duration::from_millis(800);
        let listener =
            Listener::bind("test", ([127, 0, 0, 1], 0).into(), Start::Clear, limits).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (begun, mut beginnings) = tokio::sync::mpsc::unbounded_channel();
        let session = move |connection| {
            let begun = begun.clone();
            async move {
                begun.send(()).unwrap();
                tokio::time::sleep(lasts).await;
                drop(connection);
            }
        };
        let stopped = async move { drop(stopped.await) };
        let running = tokio::spawn(listener.run(session, |_| (), stopped));
        let _client = TcpStream::connect(address).await.unwrap();
        beginnings.recv().await.unwrap();

        let told = Instant::now();
        stop.send(()).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(
            TcpStream::connect(address).await.is_err(),
            "it listens no more"
        );
        running.await.unwrap();
        let took = told.elapsed();
        assert_eq!(took >= limits.grace, cut, "{took:?}");
        assert!(took < Duration::from_secs(5));
    }
}

/// Who has not begun TLS yet has nothing to lose, and holds nothing up.
#[tokio::test]
async fn shutdown_does_not_wait_for_a_handshake() {
    let certificates = certificates(&[&good(&TestCa::new())]);
    let store = CertificateStore::new(certificates);
    let acceptor = Acceptor::new(store, Service::Imap).unwrap();
    let start = Start::Implicit(acceptor);
    let listener = Listener::bind("test", ([127, 0, 0, 1], 0).into(), start, limits()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let running = tokio::spawn(listener.run(|_| async {}, |_| (), stopped));
    let _silent = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let told = Instant::now();
    stop.send(()).unwrap();
    running.await.unwrap();
    assert!(told.elapsed() < limits().grace / 2, "{:?}", told.elapsed());
}

/// A session that panics takes nothing with it.
#[tokio::test]
async fn a_faulty_session_ends_alone() {
    let listener =
        Listener::bind("test", ([127, 0, 0, 1], 0).into(), Start::Clear, limits()).unwrap();
    let address = listener.local_addr().unwrap();
    let session = |_connection| async { panic!("on purpose") };
    tokio::spawn(listener.run(session, |_| (), std::future::pending()));
    for _ in 0..20 {
        let (_, heard) = hear(address).await;
        assert_eq!(heard, "");
    }
}

/// `[::]` and `0.0.0.0` can be bound side by side on one port; a port that is taken is an error.
#[tokio::test]
async fn both_families_on_one_port() {
    let bind =
        |address: &str| Listener::bind("test", address.parse().unwrap(), Start::Clear, limits());
    let v4 = bind("0.0.0.0:0").unwrap();
    let port = v4.local_addr().unwrap().port();
    let v6 = match bind(&format!("[::]:{port}")) {
        Ok(v6) => v6,
        Err(error) if error.raw_os_error() == Some(97) => {
            eprintln!("SKIPPED: this machine has no IPv6");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert_eq!(v6.local_addr().unwrap().port(), port);
    let error = bind(&format!("127.0.0.1:{port}")).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

/// A listener that runs out of file descriptors says so, pauses, and goes on once there are some.
#[test]
fn running_out_of_files() {
    let test = std::env::current_exe().unwrap();
    let output = std::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -n 40 && exec \"$0\" --exact --ignored --nocapture listening::with_few_files",
        ])
        .arg(test)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{output:?}"
    );
}

#[tokio::test]
#[ignore = "run by running_out_of_files, in a process with a low limit"]
async fn with_few_files() {
    let certificate = good(&TestCa::new());
    let server = serve_with(
        Begin::StartTls,
        Service::Imap,
        &[&certificate],
        ListenerLimits {
            connections: 100,
            per_address: 100,
            ..limits()
        },
    );
    let mut clients = Vec::new();
    while let Ok(client) = TcpStream::connect(server.address).await {
        clients.push(client);
    }
    let mut waited = 0;
    while !matches!(
        server.failures.lock().unwrap()[..],
        [Unserved::Accept(_), ..]
    ) {
        assert!(waited < 100, "accept must have failed by now");
        tokio::time::sleep(Duration::from_millis(20)).await;
        waited += 1;
    }
    // Not one report per turn of a busy loop: the pauses grow from 50 ms.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let reports = server.failures.lock().unwrap().len();
    assert!(reports < 8, "{reports} reports in 300 ms");
    clients.clear();
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let (_client, heard) = hear(server.address).await;
    assert_eq!(heard, GREETING);
}
