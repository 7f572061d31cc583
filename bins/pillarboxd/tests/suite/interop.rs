//! Programs that others wrote, against the real server: curl, swaks, and Python's standard library; implicit TLS and
//! STARTTLS. `make test` installs them.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use crate::support::serving;
use pillarbox_testkit::corpus;
use pillarbox_testkit::needs::{self, Program};
use pillarbox_testkit::programs::{ALICE, PASSWORD, ServerProgram};

/// Runs a program to its end.
fn run(program: Program, arguments: &[&str]) -> Output {
    program.required().args(arguments).output().unwrap()
}

/// What both ends of it printed.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a script of `tests/clients` with what it needs to know of the server.
fn script(server: &ServerProgram, name: &str, files: &[PathBuf]) -> String {
    let ports: serde_json::Map<String, serde_json::Value> = server
        .ports()
        .iter()
        .map(|(name, addresses)| (name.clone(), addresses[0].port().into()))
        .collect();
    let given = serde_json::json!({
        "ports": ports,
        "ca": server.file("root.pem"),
        "login": ALICE,
        "password": PASSWORD,
        "files": files,
    });
    let path = format!("{}/tests/suite/clients/{name}", env!("CARGO_MANIFEST_DIR"));
    let output = run(needs::PYTHON, &[&path, &given.to_string()]);
    assert!(
        output.status.success(),
        "{name}:\n{}\nserver:\n{}",
        said(&output),
        server.log()
    );
    said(&output)
}

/// `user:password` as curl takes it.
fn user() -> String {
    format!("{ALICE}:{PASSWORD}")
}

struct Curl<'a>(&'a ServerProgram);

impl Curl<'_> {
    fn try_with(&self, url: &str, more: &[&str]) -> Output {
        let ca = self.0.file("root.pem");
        let user = user();
        let mut arguments = vec!["--silent", "--show-error", "--max-time", "30", "--cacert"];
        arguments.extend([ca.to_str().unwrap(), "--user", &user]);
        arguments.extend(more);
        arguments.push(url);
        run(needs::CURL, &arguments)
    }

    fn with(&self, url: &str, more: &[&str]) -> String {
        let output = self.try_with(url, more);
        assert!(
            output.status.success(),
            "curl {url} {more:?}: {}\n{}",
            said(&output),
            self.0.log()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn python_imaplib_poplib_and_smtplib() {
    let server = serving();
    let checks = script(&server, "stdlib.py", &[]);
    assert_eq!(
        checks
            .lines()
            .filter(|line| line.starts_with("ok "))
            .count(),
        10,
        "{checks}"
    );
}

/// Real and broken mail.
#[test]
fn every_message_of_the_corpus_comes_back_identical() {
    let server = serving();
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = corpus()
        .iter()
        .enumerate()
        .map(|(at, sample)| {
            let name = sample.name.rsplit('/').next().unwrap();
            let file = folder.path().join(format!("{at:03} {name}"));
            fs::write(&file, &sample.content).unwrap();
            file
        })
        .collect();
    let counts = script(&server, "corpus.py", &files);
    assert!(counts.starts_with("ok "), "{counts}");
}

#[test]
fn curl_sends_and_reads_over_implicit_tls_and_starttls() {
    let server = serving();
    let curl = Curl(&server);
    let port = |listener: &str| server.address(listener).port();
    let letter = server.file("letter");
    fs::write(
        &letter,
        format!("From: {ALICE}\r\nTo: {ALICE}\r\nSubject: by curl\r\n\r\nA rose.\r\n"),
    )
    .unwrap();
    let letter = letter.to_str().unwrap();
    let envelope = [
        "--mail-from",
        ALICE,
        "--mail-rcpt",
        ALICE,
        "--upload-file",
        letter,
    ];
    curl.with(
        &format!("smtps://localhost:{}", port("submissions")),
        &envelope,
    );
    let starttls = [&["--ssl-reqd"][..], &envelope].concat();
    curl.with(
        &format!("smtp://localhost:{}", port("submission")),
        &starttls,
    );

    for (url, more) in [
        (
            format!("imaps://localhost:{}/INBOX;MAILINDEX=1", port("imaps")),
            &[][..],
        ),
        (
            format!("imap://localhost:{}/INBOX;MAILINDEX=2", port("imap")),
            &["--ssl-reqd"],
        ),
        (format!("pop3s://localhost:{}/1", port("pop3s")), &[]),
        (
            format!("pop3://localhost:{}/2", port("pop3")),
            &["--ssl-reqd"],
        ),
    ] {
        let read = curl.with(&url, more);
        assert!(
            read.contains("Subject: by curl") && read.contains("A rose."),
            "{url}: {read}"
        );
        // S4.3-2, S4.3-6: the trace names suite and group, whichever of both ways the letter came.
        let unfolded = read.replace("\r\n\t", " ").replace("\r\n ", " ");
        assert!(
            unfolded.contains(" tls TLS_") && unfolded.contains(" group "),
            "{url}: {read}"
        );
    }
    let listed = curl.with(&format!("pop3s://localhost:{}", port("pop3s")), &[]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let uploaded = format!("imaps://localhost:{}/Drafts", port("imaps"));
    curl.with(&uploaded, &["--upload-file", letter]);
    let found = curl.with(&uploaded, &["--request", "SEARCH ALL"]);
    assert_eq!(found.trim(), "* SEARCH 1");
}

/// S4-11, R2595-2, R4954-1: no password is taken in the clear, right or wrong; curl sends it when not told
/// otherwise, and learns nothing.
#[test]
fn curl_cannot_log_in_without_tls() {
    let server = serving();
    let curl = Curl(&server);
    for (scheme, listener) in [("imap", "imap"), ("pop3", "pop3"), ("smtp", "submission")] {
        let url = format!("{scheme}://localhost:{}", server.address(listener).port());
        let more: &[&str] = if scheme == "smtp" {
            &["--mail-from", ALICE]
        } else {
            &[]
        };
        let output = curl.try_with(&url, more);
        assert!(!output.status.success(), "{url}: {}", said(&output));
    }
    assert!(
        server.logins().is_empty(),
        "nobody got as far as a login: {:?}",
        server.logins()
    );
}

/// S3.1-2, S3.2-2, S3.3-2 seen from the other side: a client that does not trust the authority never speaks.
#[test]
fn curl_refuses_a_certificate_it_does_not_trust() {
    let server = serving();
    for (scheme, listener) in [
        ("imaps", "imaps"),
        ("pop3s", "pop3s"),
        ("smtps", "submissions"),
    ] {
        let url = format!("{scheme}://localhost:{}", server.address(listener).port());
        let output = run(
            needs::CURL,
            &[
                "--silent",
                "--show-error",
                "--max-time",
                "30",
                "--user",
                &user(),
                &url,
            ],
        );
        assert_eq!(output.status.code(), Some(60), "{url}: {}", said(&output));
    }
    assert!(server.logins().is_empty());
}

#[test]
fn swaks_submits_over_implicit_tls_and_starttls() {
    let server = serving();
    let ca = server.file("root.pem");
    for (listener, start, mechanism) in [
        ("submissions", "--tls-on-connect", "PLAIN"),
        ("submissions", "--tls-on-connect", "LOGIN"),
        ("submission", "--tls", "PLAIN"),
        ("submission", "--tls", "LOGIN"),
    ] {
        let port = server.address(listener).port().to_string();
        let output = run(
            needs::SWAKS,
            &[
                "--server",
                "localhost",
                "--port",
                &port,
                start,
                "--tls-verify",
                "--tls-ca-path",
                ca.to_str().unwrap(),
                "--auth",
                mechanism,
                "--auth-user",
                ALICE,
                "--auth-password",
                PASSWORD,
                "--from",
                ALICE,
                "--to",
                ALICE,
                "--header",
                "Subject: by swaks",
                "--body",
                "A rose.",
            ],
        );
        assert!(
            output.status.success(),
            "{listener} {mechanism}: {}",
            said(&output)
        );
    }
    let port = server.address("submission").port().to_string();
    let output = run(
        needs::SWAKS,
        &[
            "--server",
            "localhost",
            "--port",
            &port,
            "--from",
            ALICE,
            "--to",
            ALICE,
            "--quit-after",
            "MAIL",
        ],
    );
    assert!(
        said(&output).contains("530 5.7.0"),
        "mail without TLS: {}",
        said(&output)
    );
    let logins = server.logins();
    assert_eq!(logins.len(), 4, "{logins:?}");
}
