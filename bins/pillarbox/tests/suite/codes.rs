//! Every refusal has a stable machine code, in `--json` and beside the words, and an exit code (What must hold 5 of
//! the attacks). Codes are never renamed: scripts live by them.

use std::sync::Arc;

use crate::support::{LOGGED_IN, PASSWORD, World, exit, imap, stderr, submission};
use pillarbox_testkit::{Act, EvilServer, Leaf, Signing, TestCa};
use serde_json::Value;

/// What `account add` comes to with this access server: the code and the exit code, once as text and once as JSON.
async fn refused(
    world: &mut World,
    signing: Signing,
    label: &str,
    scripts: &[Vec<Act>],
) -> (String, i32) {
    let mut answers = Vec::new();
    for arguments in [&["--json"][..], &[]] {
        let access = EvilServer::start_each(scripts.to_vec()).await.unwrap();
        let sending = EvilServer::start(submission(&world.good())).await.unwrap();
        let host = match signing {
            Signing::Signed => "mail",
            _ => "mail.elsewhere.test.",
        };
        let records = format!(
            "{label}._tcp SRV 0 1 {} {host}\n_submissions._tcp SRV 0 1 {} mail",
            access.address().port(),
            sending.address().port()
        );
        world.serve(signing, &records).await;
        let output = world.add(arguments).await;
        for server in [&access, &sending] {
            assert!(!server.received().contains(PASSWORD.as_bytes()));
        }
        answers.push((stderr(&output), output.status.code().unwrap()));
    }
    let (json, code) = answers.remove(0);
    let object: String = json
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with('{'))
        .collect();
    let object: Value = serde_json::from_str(&object).unwrap();
    let name = object
        .pointer("/error/code")
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned();
    let (text, text_code) = answers.remove(0);
    assert!(text.contains(&format!(" [{name}]")), "{name}: {text}");
    assert_eq!(text_code, code, "{text}");
    (name, code)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_code_and_its_exit_code() {
    let mut world = World::new();
    let names = ["mail.example.org"];
    let say = Act::say;
    let starttls = |answer: &str| vec![say("* OK hi\r\n"), Act::Hear, say(answer)];
    let implicit = |certificate| vec![Act::StartTls(Arc::new(certificate))];
    let good = world.good();
    let mut cut_off = imap(&good, LOGGED_IN);
    cut_off.truncate(5);
    cut_off.push(Act::CutOff);
    // an alert in a record of TLS 1.0: protocol_version
    let too_old = vec![
        Act::Pause(std::time::Duration::from_millis(20)),
        say("\x15\x03\x01\0\x02\x02\x46"),
    ];
    for (expected, label, scripts) in [
        (
            "STARTTLS_STRIPPED",
            "_imap",
            vec![starttls("{tag} NO no\r\n")],
        ),
        (
            "RESPONSE_INJECTION",
            "_imap",
            vec![starttls("{tag} OK begin\r\n* BYE x\r\n")],
        ),
        (
            "PREAUTH_CLEARTEXT",
            "_imap",
            vec![vec![say("* PREAUTH hi\r\n")]],
        ),
        (
            "CERT_NAME",
            "_imaps",
            vec![implicit(world.ca.server(&["mail.example.net"]))],
        ),
        (
            "CERT_CHAIN",
            "_imaps",
            vec![implicit(TestCa::new().server(&names))],
        ),
        (
            "CERT_EXPIRED",
            "_imaps",
            vec![implicit(world.ca.issue(&Leaf::new(&names).expired()))],
        ),
        ("LEVEL_TLS_VERSION", "_imaps", vec![too_old]),
        // verified first, and cut off in the login
        (
            "TRUNCATED",
            "_imaps",
            vec![vec![Act::StartTls(good)], cut_off],
        ),
        (
            "PROTOCOL_VIOLATION",
            "_imap",
            vec![vec![say("garbage\r\n")]],
        ),
    ] {
        let (code, exit_code) = refused(&mut world, Signing::Signed, label, &scripts).await;
        assert_eq!((code.as_str(), exit_code), (expected, 4));
    }
    let (code, exit_code) = refused(&mut world, Signing::Unsigned, "_imaps", &[vec![]]).await;
    assert_eq!((code.as_str(), exit_code), ("DISCOVERY_UNTRUSTED", 3));
    assert!(!world.dir.path().join("config/accounts").exists());
    exit(&world.run(&["account", "list"]).await, 0);
}
