//! The program from outside: arguments, answers, exit codes, files. Servers are scripted, so that every byte
//! they were sent can be looked at.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{PROGRAM, World};
use pillarbox_testkit::programs::{ClientProgram, PASSWORD};
use pillarbox_testkit::{Act, LOGGED_IN, Signing, Site, dumps_no_core};

const ACCOUNT_FILE: &str = "accounts/alice@example.org.toml";
const PASSWORD_FILE: &str = "passwords/alice@example.org";

#[tokio::test(flavor = "multi_thread")]
async fn an_account_from_its_address_alone() {
    let world = World::with_an_account().await;
    let alice = &world.alice;
    // R4954-2, R6186-4: PLAIN with the full address, inside TLS, on both servers
    for server in [&world.access, &world.sending] {
        let received = server.received();
        assert!(received.text().contains("PLAIN "), "{}", received.text());
        assert!(!String::from_utf8_lossy(&received.wire).contains(PASSWORD));
    }
    for file in [ACCOUNT_FILE, PASSWORD_FILE] {
        let mode = alice.file(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let stored = std::fs::read_to_string(alice.file(ACCOUNT_FILE)).unwrap();
    assert!(!stored.contains(PASSWORD));

    let shown = alice.json(&["account", "show", "--json"]);
    assert_eq!(shown["access"]["service"], "imap");
    assert_eq!(shown["access"]["tls"], "implicit");
    assert_eq!(shown["confidentiality"]["sign"], "locked");
    let list = alice.run(&["account", "list"], 0).stdout;
    assert!(list.contains("[locked]"), "{list}");

    world.add(&[], 1);
    alice.run(&["account", "remove"], 0);
    assert!(!alice.file(PASSWORD_FILE).exists());
    alice.run(&["account", "show"], 1);
}

/// S5-8: the sign of each server stands before the password is taken; S5-7: in words.
#[tokio::test(flavor = "multi_thread")]
async fn signs_stand_where_the_password_is_asked_for() {
    let world = World::with_an_account().await;
    world.alice.run(&["account", "remove"], 0);
    let said = world.add(&[], 0).stderr;
    assert!(said.contains("[locked] TLSv1.3 TLS_AES_"), "{said}");
    let verified = "X25519MLKEM768, mail.example.org verified";
    assert!(said.contains(verified), "{said}");
    assert!(said.contains("mode 0600"), "{said}");
}

/// S5.2-7, S5.2-2, S5.2-6: lowering warns and needs an answer; raising is free.
#[tokio::test(flavor = "multi_thread")]
async fn lowering_the_level_needs_an_answer_to_the_warning() {
    let world = World::with_an_account().await;
    let alice = &world.alice;
    let warning = "no privacy for passwords or messages";
    let lower = ["account", "level", "unprotected"];
    let refused = alice.run(&lower, 3).stderr;
    assert!(refused.contains(warning), "{refused}");
    let level = alice.run(&["account", "level"], 0).stdout;
    assert!(level.contains("level \"default\""), "{level}");

    let lowered = alice.run(&[&lower[..], &["--accept-no-privacy"]].concat(), 0);
    assert!(lowered.stderr.contains(warning), "{lowered:?}");
    assert!(lowered.stdout.contains("[NOT PROTECTED]"), "{lowered:?}");
    let list = alice.run(&["account", "list"], 0).stdout;
    assert!(list.contains("[NOT PROTECTED]"), "{list}");

    let raised = alice.run(&["account", "level", "tls13"], 0).stdout;
    assert!(raised.contains("[locked] TLSv1.3"), "{raised}");
}

/// S5.1-11 for scripts: exit code 3, the host to say yes to, and no connection; the answer covers that host.
#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_host_elsewhere_needs_its_own_yes() {
    let world = World::honest().await;
    let records = world.access.srv_of("_imaps", 0, "mail.elsewhere.test.")
        + &world.sending.srv("_submissions");
    let world = world.publish(Signing::Unsigned, &records).await;
    let yes = ["--yes-host", "mail.elsewhere.test"];
    for more in [
        &["--json"][..],
        &["--json", "--yes-host", "mail.example.org"],
    ] {
        let said = world.add(more, 3).stderr;
        let advice = said.contains(&yes.join(" ")) && said.contains("DISCOVERY_UNTRUSTED");
        assert!(advice, "{said}");
        assert_eq!(world.access.received().connections, 0);
    }
    world.add(&yes, 0);
}

/// R6186-4: the address first, then its local part, both inside TLS.
#[tokio::test(flavor = "multi_thread")]
async fn the_local_part_is_the_second_login_name() {
    let site = Site::new();
    let good = site.good();
    let scripts = vec![
        vec![Act::StartTls(Arc::clone(&good))],
        Act::imap(&good, "{tag} NO [AUTHENTICATIONFAILED] no such user"),
        Act::imap(&good, LOGGED_IN),
    ];
    let world = World::playing(site, scripts, vec![Act::submission(&good)]).await;
    world.add(&[], 0);
    let shown = world.alice.json(&["account", "show", "--json"]);
    assert_eq!(shown["login"], "alice");
    assert_eq!(world.access.received().handshakes, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_its_own_exit_code() {
    let refuses = "{tag} NO \x1b[2Jno\u{202e}pe";
    let world = World::with_access(|good| Act::imap(good, refuses)).await;
    // C10: the server's words are named as such, and steer nothing
    let said = world.add(&[], 5).stderr;
    assert!(said.contains("it said: \"[2Jnope\""), "{said}");
    assert!(!world.alice.file("accounts").exists());
    let tried = world.sending.received().text().contains("AUTH");
    assert!(
        !tried,
        "the second server is not tried with a wrong password"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_is_refused_with_its_code() {
    let site = Site::new();
    let wrong = site.certificate(&["mail.example.net"]);
    let scripts = vec![Act::imap(&wrong, LOGGED_IN)];
    let world = World::playing(site, scripts.clone(), scripts).await;
    assert_eq!(world.add(&["--json"], 4).refusal(), "CERT_NAME");
    let received = world.access.received();
    assert!(!received.contains(PASSWORD.as_bytes()) && !received.contains(b"alice"));
}

#[test]
fn usage() {
    let alice = ClientProgram::new(Path::new(PROGRAM), &Site::new(), "config");
    alice.run(&["frobnicate"], 2);
    alice.run(&["account", "add", "not-an-address"], 2);
    alice.run(&["account", "level", "automatic"], 2);
    alice.run(&["list"], 1);
    let help = alice.run(&["--help"], 0).stdout;
    assert!(
        help.contains("Examples:") && help.contains("Exit codes:"),
        "{help}"
    );
    let completions = alice.run(&["completions", "bash"], 0).stdout;
    assert!(completions.contains("_pillarbox"));
    let list = alice.run(&["account", "list", "--json"], 0).stdout;
    assert_eq!(list.trim(), "[]");
}

#[test]
fn no_core_is_dumped() {
    // A name server that never answers keeps the program waiting.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(PROGRAM);
    command
        .args(["account", "add", "alice@example.org", "--password-stdin"])
        .args(["--resolver", &silent.local_addr().unwrap().to_string()])
        .env("PILLARBOX_CONFIG_DIR", folder.path());
    dumps_no_core(&mut command, &[folder.path()], Duration::from_secs(30)).unwrap();
}
