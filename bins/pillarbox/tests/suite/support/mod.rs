//! A person's computer, a DNS with one domain, and scripted servers, for tests of the program from outside.

use std::process::{Output, Stdio};
use std::sync::Arc;

use pillarbox_testkit::{Act, InProcessNameServer, Signing, TestCa, TestCertificate, Zone};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

pub(crate) const PASSWORD: &str = "correct-horse-battery";
/// The answer to a login, with capabilities so that they are not asked for again.
pub(crate) const LOGGED_IN: &str = "{tag} OK [CAPABILITY IMAP4rev1] hello\r\n";

/// A person's computer, and a DNS with one domain.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) ca: TestCa,
    pub(crate) dns: Option<InProcessNameServer>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            ca: TestCa::new(),
            dns: None,
        }
    }

    pub(crate) async fn serve(&mut self, signing: Signing, records: &str) {
        let zones = [
            Zone::new(
                "example.org",
                signing,
                &format!("mail A 127.0.0.1\n{records}"),
            ),
            Zone::new("elsewhere.test", Signing::Unsigned, "mail A 127.0.0.1"),
        ];
        self.dns = Some(InProcessNameServer::start(&zones).await.unwrap());
    }

    pub(crate) fn good(&self) -> Arc<TestCertificate> {
        Arc::new(self.ca.server(&["mail.example.org", "mail.elsewhere.test"]))
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.run_with_input(arguments, "").await
    }

    pub(crate) async fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pillarbox"))
            .args(arguments)
            .env("PILLARBOX_CONFIG_DIR", self.dir.path().join("config"))
            // a computer without a keyring: the password goes into a file
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // a program that has ended already does not read
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await.unwrap()
    }

    pub(crate) async fn add(&self, more: &[&str]) -> Output {
        let dns = self.dns.as_ref().unwrap();
        let anchor = self.dir.path().join("anchor");
        std::fs::write(&anchor, dns.trust_anchor()).unwrap();
        let root = self.ca.write_root(self.dir.path());
        let address = dns.address().to_string();
        let mut arguments = vec!["account", "add", "alice@example.org", "--password-stdin"];
        arguments.extend([
            "--resolver",
            &address,
            "--trust-anchor",
            anchor.to_str().unwrap(),
        ]);
        arguments.extend(["--ca-file", root.to_str().unwrap()]);
        arguments.extend(more);
        self.run_with_input(&arguments, PASSWORD).await
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn exit(output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}{}",
        stdout(output),
        stderr(output)
    );
}

/// An IMAP server that answers a login with `answer`.
pub(crate) fn imap(certificate: &Arc<TestCertificate>, answer: &str) -> Vec<Act> {
    vec![
        Act::StartTls(Arc::clone(certificate)),
        Act::say("* OK ready\r\n"),
        Act::Hear,
        Act::say("* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n{tag} OK\r\n"),
        Act::Hear,
        Act::say(answer),
        Act::Hear,
        Act::say("* BYE\r\n{tag} OK\r\n"),
    ]
}

/// A submission server that takes any login.
pub(crate) fn submission(certificate: &Arc<TestCertificate>) -> Vec<Act> {
    vec![
        Act::StartTls(Arc::clone(certificate)),
        Act::say("220 mail\r\n"),
        Act::Hear,
        Act::say("250-mail\r\n250 AUTH PLAIN\r\n"),
        Act::Hear,
        Act::say("235 2.7.0 ok\r\n"),
        Act::Hear,
        Act::say("221 bye\r\n"),
    ]
}
