//! Two accounts on one server that knows nothing newer than TLS 1.2: each has its own level, and the one that asks
//! for more gets no connection (S5-3, S5-4, S5-6, S5.2-2, S2-6). The server is OpenSSL's.

use std::io::Read;
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use pillarbox_client::{Accounts, ClientError, ConnectError, Folder, Passwords, Reader};
use pillarbox_names::AccountAddress;
use pillarbox_policy::Code;
use pillarbox_testkit::{InProcessNameServer, Signing, TestCa, Zone, needs};

/// An `openssl s_server` of TLS 1.2 alone, which prints what it hears.
struct OldServer {
    child: Child,
    port: u16,
}

impl OldServer {
    fn start(ca: &TestCa, folder: &std::path::Path) -> Option<Self> {
        let files = ca.server(&["mail.example.org"]).write_to(folder, "server");
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
    let ca = TestCa::new();
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = OldServer::start(&ca, folder.path()) else {
        return;
    };
    let zones = [Zone::new(
        "example.org",
        Signing::Unsigned,
        "mail A 127.0.0.1",
    )];
    let dns = InProcessNameServer::start(&zones).await.unwrap();
    let home = Folder::new(Some(folder.path().join("config"))).unwrap();
    let (accounts, passwords) = (Accounts::new(home.clone()), Passwords::new(home));
    for (local, level) in [("alice", "tls13"), ("bob", "default")] {
        let address = AccountAddress::parse(&format!("{local}@example.org")).unwrap();
        let port = server.port;
        let text = format!(
            "address = \"{address}\"\nlogin = \"{address}\"\nlevel = \"{level}\"\npassword = \"file\"\n\
             [access]\nservice = \"pop3\"\nhost = \"mail.example.org\"\nport = {port}\ntls = \"implicit\"\nfound = \"srv\"\n\
             [submission]\nservice = \"submission\"\nhost = \"mail.example.org\"\nport = {port}\ntls = \"implicit\"\nfound = \"srv\"\n\
             [network]\nname-server = \"{}\"\ntrust-anchor = \"\"\"{}\"\"\"\nca-file = \"{}\"\n",
            dns.address(),
            dns.trust_anchor(),
            ca.write_root(folder.path()).display()
        );
        for (file, text) in [
            (accounts.file(&address), text.as_str()),
            (passwords.file(&address), "correct-horse-battery"),
        ] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    }
    let open = |local: &str| {
        let address = AccountAddress::parse(&format!("{local}@example.org")).unwrap();
        let (account, notice) = accounts.find(Some(&address)).unwrap();
        assert_eq!(notice, None);
        let passwords = &passwords;
        async move {
            let opened = Reader::open(&account, passwords);
            tokio::time::timeout(Duration::from_secs(3), opened).await
        }
    };
    let refused = open("alice").await.unwrap().map(|_| ()).unwrap_err();
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
    assert_eq!(refused.code(), Some(Code::LevelTlsVersion));
    // The same server will do for bob, whose client waits inside TLS for a greeting that never comes.
    assert!(open("bob").await.is_err(), "nobody has greeted");
    assert_eq!(server.heard(), "", "nobody has told it anything");
}
