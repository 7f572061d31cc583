//! Every refusal has a stable machine code, in `--json` and beside the words, and an exit code (What must hold 5 of
//! the attacks). Codes are never renamed: scripts live by them.

use std::sync::Arc;
use std::time::Duration;

use crate::support::World;
use pillarbox_testkit::programs::PASSWORD;
use pillarbox_testkit::{Act, LOGGED_IN, Leaf, Signing, TestCa, TestCertificate};

/// What `account add` comes to where this label and host lead to the access server: the code and the exit code, once
/// as text and once as JSON.
async fn refused(world: World, signing: Signing, (label, host): (&str, &str), exit: i32) -> String {
    let records = world.access.srv_of(label, 0, host) + &world.sending.srv("_submissions");
    let world = world.publish(signing, &records).await;
    let code = world.add(&["--json"], exit).refusal();
    let text = world.add(&[], exit).stderr;
    assert!(text.contains(&format!(" [{code}]")), "{code}: {text}");
    for server in [&world.access, &world.sending] {
        assert!(!server.received().contains(PASSWORD.as_bytes()));
    }
    assert!(!world.alice.file("accounts").exists());
    world.alice.run(&["account", "list"], 0);
    code
}

/// Has a certificate issued by the authority that is trusted, or otherwise.
type Issue = fn(&TestCa) -> TestCertificate;

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_has_its_code_and_its_exit_code() {
    const NAMES: [&str; 1] = ["mail.example.org"];
    let starttls = |answer: &str| vec![Act::answers(["* OK hi", answer])];
    // an alert in a record of TLS 1.0: protocol_version
    let too_old = vec![
        Act::Pause(Duration::from_millis(20)),
        Act::say("\x15\x03\x01\0\x02\x02\x46"),
    ];
    let injection = starttls("{tag} OK begin\r\n* BYE x");
    let preauth = vec![Act::answers(["* PREAUTH hi"])];
    for (expected, label, scripts) in [
        ("STARTTLS_STRIPPED", "_imap", starttls("{tag} NO no")),
        ("RESPONSE_INJECTION", "_imap", injection),
        ("PREAUTH_CLEARTEXT", "_imap", preauth),
        (
            "PROTOCOL_VIOLATION",
            "_imap",
            vec![Act::answers(["garbage"])],
        ),
        ("LEVEL_TLS_VERSION", "_imaps", vec![too_old]),
    ] {
        let world = World::honest().await.with_other_access(scripts).await;
        let code = refused(world, Signing::Signed, (label, "mail"), 4).await;
        assert_eq!(code, expected);
    }
    let certificates: [(&str, Issue); 3] = [
        ("CERT_NAME", |ca| ca.server(&["mail.example.net"])),
        ("CERT_CHAIN", |_| TestCa::new().server(&NAMES)),
        ("CERT_EXPIRED", |ca| ca.issue(&Leaf::new(&NAMES).expired())),
    ];
    for (expected, certificate) in certificates {
        let world = World::honest().await;
        let certificate = Arc::new(certificate(world.site.ca()));
        let scripts = vec![vec![Act::StartTls(certificate)]];
        let world = world.with_other_access(scripts).await;
        let code = refused(world, Signing::Signed, ("_imaps", "mail"), 4).await;
        assert_eq!(code, expected);
    }
    // verified first, and cut off in the login; so for each of the two runs
    let world = World::honest().await;
    let good = world.site.good();
    let mut cut_off = Act::imap(&good, LOGGED_IN);
    cut_off.truncate(5);
    cut_off.push(Act::CutOff);
    let verified = vec![Act::StartTls(good)];
    let scripts = vec![verified.clone(), cut_off.clone(), verified, cut_off];
    let world = world.with_other_access(scripts).await;
    let code = refused(world, Signing::Signed, ("_imaps", "mail"), 4).await;
    assert_eq!(code, "TRUNCATED");

    let world = World::honest().await.with_other_access(vec![vec![]]).await;
    let elsewhere = ("_imaps", "mail.elsewhere.test.");
    let code = refused(world, Signing::Unsigned, elsewhere, 3).await;
    assert_eq!(code, "DISCOVERY_UNTRUSTED");
}
