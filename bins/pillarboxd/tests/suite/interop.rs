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

/// Arguments that are separated by spaces, with these values in place of `{}`.
fn arguments<'a>(template: &'a str, values: &[&'a str]) -> Vec<&'a str> {
    let mut values = values.iter();
    template
        .split_whitespace()
        .map(|word| match word {
            "{}" => values.next().unwrap(),
            word => word,
        })
        .collect()
}

/// The URL of a listener, by its name in curl.
fn url(server: &ServerProgram, scheme: &str) -> String {
    let listener = match scheme {
        "smtp" => "submission",
        "smtps" => "submissions",
        scheme => scheme,
    };
    format!("{scheme}://localhost:{}", server.address(listener).port())
}

struct Curl<'a>(&'a ServerProgram);

impl Curl<'_> {
    fn try_with(&self, url: &str, more: &[&str]) -> Output {
        let (ca, user) = (self.0.file("root.pem"), format!("{ALICE}:{PASSWORD}"));
        let head = "--silent --show-error --max-time 30 --cacert {} --user {}";
        let mut arguments = arguments(head, &[ca.to_str().unwrap(), &user]);
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
    let url = |scheme| url(&server, scheme);
    let letter = server.file("letter");
    let text = format!("From: {ALICE}\r\nTo: {ALICE}\r\nSubject: by curl\r\n\r\nA rose.\r\n");
    fs::write(&letter, text).unwrap();
    let letter = letter.to_str().unwrap();
    let envelope = "--mail-from {} --mail-rcpt {} --upload-file {}";
    let envelope = arguments(envelope, &[ALICE, ALICE, letter]);
    curl.with(&url("smtps"), &envelope);
    let starttls = ["--ssl-reqd"];
    curl.with(&url("smtp"), &[&starttls[..], &envelope].concat());

    for (url, more) in [
        (url("imaps") + "/INBOX;MAILINDEX=1", &[][..]),
        (url("imap") + "/INBOX;MAILINDEX=2", &starttls),
        (url("pop3s") + "/1", &[]),
        (url("pop3") + "/2", &starttls),
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
    let listed = curl.with(&url("pop3s"), &[]);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let uploaded = url("imaps") + "/Drafts";
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
    for (scheme, more) in [
        ("imap", &[][..]),
        ("pop3", &[]),
        ("smtp", &["--mail-from", ALICE]),
    ] {
        let url = url(&server, scheme);
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
    for scheme in ["imaps", "pop3s", "smtps"] {
        let (url, user) = (url(&server, scheme), format!("{ALICE}:{PASSWORD}"));
        let template = "--silent --show-error --max-time 30 --user {} {}";
        let output = run(needs::CURL, &arguments(template, &[&user, &url]));
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
        let template = "--server localhost --port {} {} --tls-verify --tls-ca-path {} --auth {} --auth-user {} \
            --auth-password {} --from {} --to {} --body A-rose.";
        let ca = ca.to_str().unwrap();
        let values = [&port, start, ca, mechanism, ALICE, PASSWORD, ALICE, ALICE];
        let mut arguments = arguments(template, &values);
        arguments.extend(["--header", "Subject: by swaks"]);
        let output = run(needs::SWAKS, &arguments);
        assert!(
            output.status.success(),
            "{listener} {mechanism}: {}",
            said(&output)
        );
    }
    let port = server.address("submission").port().to_string();
    let template = "--server localhost --port {} --from {} --to {} --quit-after MAIL";
    let arguments = arguments(template, &[&port, ALICE, ALICE]);
    let output = run(needs::SWAKS, &arguments);
    assert!(
        said(&output).contains("530 5.7.0"),
        "mail without TLS: {}",
        said(&output)
    );
    let logins = server.logins();
    assert_eq!(logins.len(), 4, "{logins:?}");
}
