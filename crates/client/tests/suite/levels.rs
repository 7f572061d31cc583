//! Two accounts on one server that knows nothing newer than TLS 1.2: each has its own level, and the one that asks
//! for more gets no connection (S5-3, S5-4, S5-6, S5.2-2, S2-6). The server is OpenSSL's.

use std::io::Read;
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use pillarbox_client::{ClientError, ConnectError, Reader};
use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::RefusalCode;
use pillarbox_testkit::programs::ALICE;
use pillarbox_testkit::world::{BOB, Computer};
use pillarbox_testkit::{Signing, Site, needs};

/// An `openssl s_server` of TLS 1.2 alone, which prints what it hears.
struct OldServer {
    child: Child,
    port: u16,
}

impl OldServer {
    fn start(site: &Site) -> Option<Self> {
        let files = site.good().write_to(site.folder(), "server");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let child = needs::OPENSSL
            .command()?
            .args(["s_server", "-quiet", "-tls1_2", "-accept"])
            .arg(format!("127.0.0.1:{port}"))
            .arg("-cert")
            .arg(&files.chain)
            .arg("-key")
            .arg(&files.key)
            // It leaves when its input ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, port })
    }

    /// Ends it, and answers what it heard inside TLS.
    fn heard(mut self) -> String {
        self.child.kill().unwrap();
        let mut heard = String::new();
        let output = self.child.stdout.as_mut().unwrap();
        output.read_to_string(&mut heard).unwrap();
        heard
    }
}

impl Drop for OldServer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_has_its_own_level() {
    let site = Site::with_records(Signing::Unsigned, "").await;
    let Some(server) = OldServer::start(&site) else {
        return;
    };
    let computer = Computer::new(&site, "config");
    for (login, level) in [(ALICE, "tls13"), (BOB, "default")] {
        computer.store(login, level, Service::Pop3, TlsStart::Implicit, server.port);
    }
    let open = async |login: &str| {
        let account = computer.account(login);
        let opened = Reader::open(&account, &computer.passwords);
        tokio::time::timeout(Duration::from_secs(3), opened).await
    };
    let refused = open(ALICE).await.unwrap().map(|_| ()).unwrap_err();
    assert!(
        matches!(
            &refused,
            ClientError::Connect {
                why: ConnectError::BelowLevel(_),
                ..
            }
        ),
        "{refused}"
    );
    assert_eq!(refused.code(), Some(RefusalCode::LevelTlsVersion));
    // The same server will do for bob, whose client waits inside TLS for a greeting that never comes.
    assert!(open(BOB).await.is_err(), "nobody has greeted");
    assert_eq!(server.heard(), "", "nobody has told it anything");
}
