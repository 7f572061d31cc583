//! A domain that publishes no SRV records, to the end: customary names on the registered ports of implicit TLS, each
//! confirmed by the person (SA-12); and what a client makes of a stranger on port 465 (S7.3-1). The registered
//! ports are opened on a loopback address of their own.

use std::time::Duration;

use pillarbox_client::SetupError;
use pillarbox_policy::RefusalCode;
use pillarbox_testkit::programs::PASSWORD;
use pillarbox_testkit::world::{Computer, ScriptedPerson};
use pillarbox_testkit::{Act, EvilServer, LOGGED_IN, Signing, Site, Zone, needs};

/// The host of both customary names, nobody else's.
const HOST: [u8; 4] = [127, 93, 0, 1];

/// Both in one test: they need the same ports.
#[tokio::test]
async fn customary_names_work_once_confirmed_and_strangers_on_465_hear_nothing() {
    let Some([imaps, submissions]) = needs::registered_ports(HOST, [993, 465]).await else {
        // It was run elsewhere.
        return;
    };
    let host = HOST.map(|part| part.to_string()).join(".");
    let records = format!("imap A {host}\nsmtp A {host}");
    let mut site = Site::new();
    site.publish_zones(&[Zone::new("example.org", Signing::Signed, &records)])
        .await;
    let script = Act::imap(&site.certificate(&["imap.example.org"]), LOGGED_IN);
    let imap = EvilServer::at(imaps, vec![script]);
    // The first connection of a set-up shows the certificate, the second one logs in.
    let real = Act::submission(&site.certificate(&["smtp.example.org"]));
    let silent = vec![real[0].clone()];
    let mut stranger = silent.clone();
    stranger.extend([Act::say("HTTP/1.1 400 Bad Request\r\n\r\n"), Act::Hear]);
    let scripts = vec![
        // SMTP without TLS
        vec![Act::say("220 mail\r\n"), Act::Hear],
        // another protocol inside TLS
        silent.clone(),
        stranger,
        // the real one
        silent,
        real,
    ];
    let submission = EvilServer::at(submissions, scripts);
    let computer = Computer::new(&site, "config");
    let both: &[&str] = &["imap.example.org", "smtp.example.org"];

    // nothing is connected to before it is confirmed
    let mut person = ScriptedPerson::who_trusts(&[]);
    let error = computer.fail_to_set_up(&mut person).await;
    assert!(matches!(error, SetupError::NotConfirmed(_)), "{error}");
    assert_eq!(person.asked_hosts, ["imap.example.org"]);
    assert_eq!(imap.received().connections, 0);
    let mut person = ScriptedPerson::who_trusts(&["imap.example.org"]);
    let error = computer.fail_to_set_up(&mut person).await;
    assert!(matches!(error, SetupError::NotConfirmed(_)), "{error}");
    assert_eq!(person.asked_hosts, both);
    assert_eq!(submission.received().connections, 0);

    // strangers on the port of submissions
    for connections in [1, 3] {
        let mut person = ScriptedPerson::who_trusts(both);
        let failed = computer.fail_to_set_up(&mut person);
        let failed = tokio::time::timeout(Duration::from_secs(30), failed).await;
        let error = failed.unwrap();
        assert_eq!(
            error.code(),
            Some(RefusalCode::ProtocolViolation),
            "{error}"
        );
        assert_eq!(submission.received().connections, connections);
        assert_eq!(person.shown_at_password.is_none(), connections == 1);
    }
    for secret in [PASSWORD, "alice", "AUTH", "MAIL FROM"] {
        assert!(!submission.received().contains(secret.as_bytes()));
    }

    // and to the end
    let mut person = ScriptedPerson::who_trusts(both);
    let account = computer
        .set_up(&computer.entered(), &mut person)
        .await
        .unwrap();
    assert_eq!(person.asked_hosts, both);
    let shown = person.shown_at_password.unwrap();
    let servers = shown
        .iter()
        .map(|(server, sign)| (server.as_str(), sign.is_locked()));
    let expected = [
        ("IMAP at imap.example.org:993", true),
        ("submission at smtp.example.org:465", true),
    ];
    assert_eq!(servers.collect::<Vec<_>>(), expected);
    for line in ["port = 993", "port = 465"] {
        assert!(account.contains(line), "{account}");
    }
    assert_eq!(account.matches("tls = \"implicit\"").count(), 2);
    assert_eq!(account.matches("found = \"guess\"").count(), 2);
    for (server, login) in [(&imap, "AUTHENTICATE PLAIN "), (&submission, "AUTH PLAIN ")] {
        let received = server.received();
        assert!(received.text().contains(login), "{}", received.text());
        assert!(!String::from_utf8_lossy(&received.wire).contains(PASSWORD));
    }
}
