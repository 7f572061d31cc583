//! The program from outside: arguments, answers, exit codes, files. Servers are scripted, so that every byte
//! they were sent can be looked at.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::support::{LOGGED_IN, PASSWORD, World, exit, imap, stderr, stdout, submission};
use pillarbox_testkit::{Act, EvilServer, Signing, dumps_no_core};
use serde_json::Value;

/// A world with an account in it.
async fn world_with_an_account() -> (World, [EvilServer; 2]) {
    let mut world = World::new();
    let good = world.good();
    let access = EvilServer::start(imap(&good, LOGGED_IN)).await.unwrap();
    let sending = EvilServer::start(submission(&good)).await.unwrap();
    let records = format!(
        "_imaps._tcp SRV 0 1 {} mail\n_submissions._tcp SRV 0 1 {} mail",
        access.address().port(),
        sending.address().port()
    );
    world.serve(Signing::Signed, &records).await;
    let output = world.add(&[]).await;
    exit(&output, 0);
    (world, [access, sending])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_from_its_address_alone() {
    let (world, servers) = world_with_an_account().await;
    // R4954-2, R6186-4: PLAIN with the full address, inside TLS, on both servers
    for server in &servers {
        let received = server.received();
        assert!(received.text().contains("PLAIN "), "{}", received.text());
        assert!(!String::from_utf8_lossy(&received.wire).contains(PASSWORD));
    }
    for file in [
        "config/accounts/alice@example.org.toml",
        "config/passwords/alice@example.org",
    ] {
        let path = world.dir.path().join(file);
        assert_eq!(
            path.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{file}"
        );
    }
    let stored = std::fs::read_to_string(
        world
            .dir
            .path()
            .join("config/accounts/alice@example.org.toml"),
    )
    .unwrap();
    assert!(!stored.contains(PASSWORD));

    let shown: Value =
        serde_json::from_slice(&world.run(&["account", "show", "--json"]).await.stdout).unwrap();
    assert_eq!(shown["access"]["service"], "imap");
    assert_eq!(shown["access"]["tls"], "implicit");
    assert_eq!(shown["confidentiality"]["sign"], "locked");
    let list = world.run(&["account", "list"]).await;
    assert!(stdout(&list).contains("[locked]"), "{}", stdout(&list));

    let again = world.add(&[]).await;
    exit(&again, 1);
    exit(&world.run(&["account", "remove"]).await, 0);
    assert!(
        !world
            .dir
            .path()
            .join("config/passwords/alice@example.org")
            .exists()
    );
    exit(&world.run(&["account", "show"]).await, 1);
}

/// S5-8: the sign of each server stands before the password is taken; S5-7: in words.
#[tokio::test(flavor = "multi_thread")]
async fn signs_stand_where_the_password_is_asked_for() {
    let (world, _servers) = world_with_an_account().await;
    exit(&world.run(&["account", "remove"]).await, 0);
    let output = world.add(&[]).await;
    exit(&output, 0);
    let said = stderr(&output);
    assert!(said.contains("[locked] TLSv1.3 TLS_AES_"), "{said}");
    assert!(
        said.contains("X25519MLKEM768, mail.example.org verified"),
        "{said}"
    );
    assert!(said.contains("mode 0600"), "{said}");
}

/// S5.2-7, S5.2-2, S5.2-6: lowering warns and needs an answer; raising is free.
#[tokio::test(flavor = "multi_thread")]
async fn lowering_the_level_needs_an_answer_to_the_warning() {
    let (world, _servers) = world_with_an_account().await;
    let refused = world.run(&["account", "level", "unprotected"]).await;
    exit(&refused, 3);
    assert!(
        stderr(&refused).contains("no privacy for passwords or messages"),
        "{}",
        stderr(&refused)
    );
    assert!(stdout(&world.run(&["account", "level"]).await).contains("level \"default\""));

    let lowered = world
        .run(&["account", "level", "unprotected", "--accept-no-privacy"])
        .await;
    exit(&lowered, 0);
    assert!(stderr(&lowered).contains("no privacy for passwords or messages"));
    assert!(stdout(&lowered).contains("[NOT PROTECTED]"));
    assert!(stdout(&world.run(&["account", "list"]).await).contains("[NOT PROTECTED]"));

    let raised = world.run(&["account", "level", "tls13"]).await;
    exit(&raised, 0);
    assert!(stdout(&raised).contains("[locked] TLSv1.3"));
}

/// S5.1-11 for scripts: exit code 3, the host to say yes to, and no connection; the answer covers that host.
#[tokio::test(flavor = "multi_thread")]
async fn an_unsigned_host_elsewhere_needs_its_own_yes() {
    let mut world = World::new();
    let good = world.good();
    let access = EvilServer::start(imap(&good, LOGGED_IN)).await.unwrap();
    let sending = EvilServer::start(submission(&good)).await.unwrap();
    let records = format!(
        "_imaps._tcp SRV 0 1 {} mail.elsewhere.test.\n_submissions._tcp SRV 0 1 {} mail",
        access.address().port(),
        sending.address().port()
    );
    world.serve(Signing::Unsigned, &records).await;
    for more in [
        &["--json"][..],
        &["--json", "--yes-host", "mail.example.org"],
    ] {
        let output = world.add(more).await;
        exit(&output, 3);
        let said = stderr(&output);
        assert!(
            said.contains("--yes-host mail.elsewhere.test") && said.contains("DISCOVERY_UNTRUSTED"),
            "{said}"
        );
        assert_eq!(access.received().connections, 0);
    }
    exit(&world.add(&["--yes-host", "mail.elsewhere.test"]).await, 0);
}

/// R6186-4: the address first, then its local part, both inside TLS.
#[tokio::test(flavor = "multi_thread")]
async fn the_local_part_is_the_second_login_name() {
    let mut world = World::new();
    let good = world.good();
    let scripts = vec![
        vec![Act::StartTls(Arc::clone(&good))],
        imap(&good, "{tag} NO [AUTHENTICATIONFAILED] no such user\r\n"),
        imap(&good, LOGGED_IN),
    ];
    let access = EvilServer::start_each(scripts).await.unwrap();
    let sending = EvilServer::start(submission(&good)).await.unwrap();
    let records = format!(
        "_imaps._tcp SRV 0 1 {} mail\n_submissions._tcp SRV 0 1 {} mail",
        access.address().port(),
        sending.address().port()
    );
    world.serve(Signing::Signed, &records).await;
    exit(&world.add(&[]).await, 0);
    let shown: Value =
        serde_json::from_slice(&world.run(&["account", "show", "--json"]).await.stdout).unwrap();
    assert_eq!(shown["login"], "alice");
    assert_eq!(access.received().handshakes, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_its_own_exit_code() {
    let mut world = World::new();
    let good = world.good();
    let access = EvilServer::start(imap(&good, "{tag} NO \x1b[2Jno\u{202e}pe\r\n"))
        .await
        .unwrap();
    let sending = EvilServer::start(submission(&good)).await.unwrap();
    let records = format!(
        "_imaps._tcp SRV 0 1 {} mail\n_submissions._tcp SRV 0 1 {} mail",
        access.address().port(),
        sending.address().port()
    );
    world.serve(Signing::Signed, &records).await;
    let output = world.add(&[]).await;
    exit(&output, 5);
    // C10: the server's words are named as such, and steer nothing
    assert!(
        stderr(&output).contains("it said: \"[2Jnope\""),
        "{}",
        stderr(&output)
    );
    assert!(!world.dir.path().join("config/accounts").exists());
    assert!(
        !sending.received().text().contains("AUTH"),
        "the second server is not tried with a wrong password"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_certificate_is_refused_with_its_code() {
    let mut world = World::new();
    let wrong = Arc::new(world.ca.server(&["mail.example.net"]));
    let access = EvilServer::start(imap(&wrong, LOGGED_IN)).await.unwrap();
    let port = access.address().port();
    world
        .serve(
            Signing::Signed,
            &format!("_imaps._tcp SRV 0 1 {port} mail\n_submissions._tcp SRV 0 1 {port} mail"),
        )
        .await;
    let output = world.add(&["--json"]).await;
    exit(&output, 4);
    let said = stderr(&output);
    let json: Value = serde_json::from_str(
        said.split_inclusive('\n')
            .skip_while(|line| !line.starts_with('{'))
            .collect::<String>()
            .as_str(),
    )
    .unwrap();
    assert_eq!(json["error"]["code"], "CERT_NAME");
    assert!(!access.received().contains(PASSWORD.as_bytes()));
    assert!(!access.received().contains(b"alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage() {
    let world = World::new();
    exit(&world.run(&["frobnicate"]).await, 2);
    exit(&world.run(&["account", "add", "not-an-address"]).await, 2);
    exit(&world.run(&["account", "level", "automatic"]).await, 2);
    exit(&world.run(&["list"]).await, 1);
    let help = world.run(&["--help"]).await;
    exit(&help, 0);
    assert!(stdout(&help).contains("Examples:") && stdout(&help).contains("Exit codes:"));
    let completions = world.run(&["completions", "bash"]).await;
    assert!(stdout(&completions).contains("_pillarbox"));
    let list = world.run(&["account", "list", "--json"]).await;
    assert_eq!(stdout(&list).trim(), "[]");
}

#[test]
fn no_core_is_dumped() {
    // A name server that never answers keeps the program waiting.
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillarbox"));
    command
        .args(["account", "add", "alice@example.org", "--password-stdin"])
        .args(["--resolver", &silent.local_addr().unwrap().to_string()])
        .env("PILLARBOX_CONFIG_DIR", folder.path());
    dumps_no_core(&mut command, &[folder.path()], Duration::from_secs(30)).unwrap();
}
