//! The whole path, both programs for real: set-up from an address, submission, reading by IMAP and POP3, with
//! implicit TLS and with STARTTLS. DNS is signed and served by nsd, or in this process where there is none.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use pillarbox_testkit::{InProcessNameServer, NameServer, Signing, TestCa, Zone, needs};
use serde_json::Value;

const PASSWORD: &str = "correct-horse-battery";

/// The server program, killed when dropped.
struct Pillarboxd {
    child: std::process::Child,
    ports: Value,
}

impl Drop for Pillarboxd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pillarboxd {
    /// Starts it with two accounts. `None`, with a plain message, where it was not built.
    fn start(dir: &Path, ca: &TestCa) -> Option<Self> {
        let program = needs::built("pillarboxd", Path::new(env!("CARGO_BIN_EXE_pillarbox")))?;
        let files = ca.server(&["mail.example.org"]).write_to(dir, "mail");
        let any = "[\"127.0.0.1:0\"]";
        let listeners = [
            "imaps",
            "pop3s",
            "submissions",
            "imap",
            "pop3",
            "submission",
        ]
        .map(|name| format!("{name} = {any}\n"))
        .concat();
        let config = dir.join("pillarboxd.toml");
        let text = format!(
            "hostname = \"mail.example.org\"\ndomains = [\"example.org\"]\ndata = \"{}\"\n\
             [[certificates]]\nchain = \"{}\"\nkey = \"{}\"\n[listeners]\n{listeners}",
            dir.join("data").display(),
            files.chain.display(),
            files.key.display()
        );
        std::fs::write(&config, text).unwrap();
        for address in ["alice@example.org", "bob@example.org"] {
            let mut command = Command::new(&program);
            command
                .arg("--config")
                .arg(&config)
                .args(["account", "add", address]);
            let output = with_input(&mut command, PASSWORD);
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let ports_file = dir.join("ports.json");
        let log = std::fs::File::create(dir.join("pillarboxd.log")).unwrap();
        let mut child = Command::new(&program)
            .arg("--config")
            .arg(&config)
            .arg("serve")
            .arg("--ports-file")
            .arg(&ports_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let start = Instant::now();
        loop {
            let text = std::fs::read_to_string(&ports_file).unwrap_or_default();
            if let Ok(ports) = serde_json::from_str(&text) {
                return Some(Self { child, ports });
            }
            let log = || std::fs::read_to_string(dir.join("pillarboxd.log")).unwrap_or_default();
            assert!(
                child.try_wait().unwrap().is_none(),
                "the server ended: {}",
                log()
            );
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "the server does not start: {}",
                log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn port(&self, listener: &str) -> u16 {
        let address = self.ports[listener][0]
            .as_str()
            .unwrap_or_else(|| panic!("{}", self.ports));
        address.parse::<SocketAddr>().unwrap().port()
    }
}

/// A name server, one way or the other.
enum Dns {
    Real(NameServer),
    InProcess(InProcessNameServer),
}

impl Dns {
    async fn start(zones: &[Zone]) -> Self {
        match NameServer::start(zones).unwrap() {
            Some(server) => Self::Real(server),
            None => Self::InProcess(InProcessNameServer::start(zones).await.unwrap()),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Real(server) => server.address(),
            Self::InProcess(server) => server.address(),
        }
    }

    fn trust_anchor(&self) -> &str {
        match self {
            Self::Real(server) => server.trust_anchor(),
            Self::InProcess(server) => server.trust_anchor(),
        }
    }
}

/// One person's folder, and what their network needs.
struct Person {
    folder: PathBuf,
    network: Vec<String>,
}

impl Person {
    fn new(dir: &Path, name: &str, ca: &TestCa, dns: &Dns) -> Self {
        let anchor = dir.join("anchor");
        std::fs::write(&anchor, dns.trust_anchor()).unwrap();
        let root = ca.write_root(dir);
        let network = [
            "--resolver",
            &dns.address().to_string(),
            "--trust-anchor",
            anchor.to_str().unwrap(),
            "--ca-file",
            root.to_str().unwrap(),
            "--password-store",
            "file",
        ]
        .map(str::to_owned)
        .to_vec();
        Self {
            folder: dir.join(name),
            network,
        }
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
        command
            .args(arguments)
            .env("PILLARBOX_CONFIG_DIR", &self.folder);
        with_input(&mut command, input)
    }

    fn add(&self, address: &str, password: &str, more: &[&str]) -> Output {
        let mut arguments = vec!["account", "add", address, "--password-stdin"];
        arguments.extend(self.network.iter().map(String::as_str));
        arguments.extend(more);
        self.run(&arguments, password)
    }

    /// Runs a command that has to succeed, and answers what it said.
    fn good(&self, arguments: &[&str], input: &str) -> String {
        let output = self.run(arguments, input);
        exit(&output, 0);
        String::from_utf8(output.stdout).unwrap()
    }
}

fn with_input(command: &mut Command, input: &str) -> Output {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // a program that has ended already does not read
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn exit(output: &Output, code: i32) {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_from_end_to_end() {
    let dir = tempfile::tempdir().unwrap();
    let ca = TestCa::new();
    let Some(server) = Pillarboxd::start(dir.path(), &ca) else {
        return;
    };
    let records = format!(
        "mail A 127.0.0.1\n_imaps._tcp SRV 0 1 {} mail\n_pop3s._tcp SRV 10 1 {} mail\n\
         _imap._tcp SRV 20 1 {} mail\n_submissions._tcp SRV 0 1 {} mail\n_submission._tcp SRV 10 1 {} mail",
        server.port("imaps"),
        server.port("pop3s"),
        server.port("imap"),
        server.port("submissions"),
        server.port("submission")
    );
    let dns = Dns::start(&[Zone::new("example.org", Signing::Signed, &records)]).await;

    // alice: an address and a password, nothing else; implicit TLS comes out of it
    let alice = Person::new(dir.path(), "alice", &ca, &dns);
    exit(&alice.add("alice@example.org", "wrong", &[]), 5);
    let output = alice.add("alice@example.org", PASSWORD, &["--name", "Alice"]);
    exit(&output, 0);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("[locked] TLSv1.3"), "{said}");
    let shown: Value =
        serde_json::from_str(&alice.good(&["account", "show", "--json"], "")).unwrap();
    assert_eq!(shown["access"]["port"], server.port("imaps"));
    assert_eq!(shown["submission"]["port"], server.port("submissions"));

    // bob: STARTTLS on every service, POP3 for access
    let bob = Person::new(dir.path(), "bob", &ca, &dns);
    let pop3 = format!("mail.example.org:{}/starttls", server.port("pop3"));
    let submission = format!("mail.example.org:{}/starttls", server.port("submission"));
    exit(
        &bob.add(
            "bob@example.org",
            PASSWORD,
            &["--pop3", &pop3, "--submission", &submission],
        ),
        0,
    );

    // alice writes to bob, with a file, and a copy to herself
    let file = dir.path().join("data.bin");
    std::fs::write(&file, [0, 13, 10, 46, 10, 255]).unwrap();
    let sent = alice.good(
        &[
            "send",
            "--to",
            "bob@example.org",
            "--bcc",
            "alice@example.org",
            "--subject",
            "Grüße",
            "--attach",
            file.to_str().unwrap(),
            "--json",
        ],
        "Zeile eins\n.\n..zwei ä\n",
    );
    let sent: Value = serde_json::from_str(&sent).unwrap();
    assert_eq!(sent["accepted"], 2);
    assert_eq!(sent["confidentiality"]["sign"], "locked");

    // bob reads by POP3 after STLS
    let list: Value = serde_json::from_str(&bob.good(&["list", "--json"], "")).unwrap();
    assert_eq!(list["messages"][0]["subject"], "Grüße");
    assert_eq!(list["messages"][0]["from"], "Alice <alice@example.org>");
    let message: Value = serde_json::from_str(&bob.good(&["read", "1", "--json"], "")).unwrap();
    assert_eq!(
        message["message"]["text"].as_str().unwrap().trim_end(),
        "Zeile eins\n.\n..zwei ä"
    );
    assert_eq!(message["message"]["attachments"][0][0], "data.bin");
    // S4.3-1, S4.3-3, S4.3-6: what protected the submission stands in its Received field
    let text = bob.good(&["read", "1"], "");
    assert!(
        text.contains("tls TLS_AES_128_GCM_SHA256") && text.contains("group X25519MLKEM768"),
        "{text}"
    );
    assert!(!text.contains("Bcc"), "{text}");

    // alice reads the same by IMAP, and by UID
    let list: Value = serde_json::from_str(&alice.good(&["list", "--json"], "")).unwrap();
    let uid = list["messages"][0]["uid"].as_str().unwrap();
    let by_uid = alice.good(&["read", &format!("uid:{uid}")], "");
    assert!(by_uid.contains("..zwei ä"), "{by_uid}");
    assert!(alice.good(&["mailboxes"], "").contains("INBOX"));
    exit(&alice.run(&["read", "2"], ""), 1);
    exit(&alice.run(&["read", "1", "--mailbox", "Nowhere"], ""), 1);
    exit(&bob.run(&["list", "Sent"], ""), 1);

    // bob answers by STARTTLS
    bob.good(
        &[
            "send",
            "--to",
            "alice@example.org",
            "--subject",
            "Re: Grüße",
            "--body",
            "ja",
        ],
        "",
    );
    let list: Value = serde_json::from_str(&alice.good(&["list", "--json"], "")).unwrap();
    assert_eq!(list["messages"].as_array().unwrap().len(), 2);
    assert_eq!(list["messages"][1]["subject"], "Re: Grüße");

    // IMAP with STARTTLS reads the same mailbox
    let again = Person::new(dir.path(), "again", &ca, &dns);
    let imap = format!("mail.example.org:{}/starttls", server.port("imap"));
    exit(
        &again.add(
            "alice@example.org",
            PASSWORD,
            &["--imap", &imap, "--submission", &submission],
        ),
        0,
    );
    let list: Value = serde_json::from_str(&again.good(&["list", "--json"], "")).unwrap();
    assert_eq!(list["messages"].as_array().unwrap().len(), 2);

    // somebody whose computer does not trust this authority gets nowhere
    let elsewhere = dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let stranger = Person::new(&elsewhere, "stranger", &TestCa::new(), &dns);
    let output = stranger.add("bob@example.org", PASSWORD, &["--json"]);
    exit(&output, 4);
    assert!(String::from_utf8_lossy(&output.stderr).contains("CERT_CHAIN"));
}
