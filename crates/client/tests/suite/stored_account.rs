//! An account that was set up, against servers that have turned evil since: nothing is sent, nothing falls
//! back, and DNS is not asked who the servers are.

use pillarbox_client::ClientError;
use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::RefusalCode;
use pillarbox_testkit::world::{Computer, told_nothing};
use pillarbox_testkit::{Act, EvilServer, Leaf, Signing, Site};

async fn site() -> Site {
    Site::with_records(Signing::Unsigned, "_imaps._tcp SRV 0 1 1 evil").await
}

/// S5-4, S5.2-8, S5.2-9, S5.4-4, C16: refused on each service, with the reason; no exception is offered.
#[tokio::test]
async fn a_server_turned_evil_gets_nothing() {
    let site = site().await;
    let computer = Computer::new(&site, "config");
    let names = ["mail.example.org"];
    let implicit = |certificate| vec![Act::StartTls(certificate)];
    let expired = || implicit(site.ca().issue(&Leaf::new(&names).expired()).into());
    let wrong = implicit(site.certificate(&["mail.example.net"]));
    let preauth = vec![Act::say("* PREAUTH hi\r\n")];
    let (tls, starttls) = (TlsStart::Implicit, TlsStart::StartTls);
    for (service, start, script, code) in [
        (Service::Imap, tls, expired(), RefusalCode::CertExpired),
        (Service::Pop3, tls, wrong, RefusalCode::CertName),
        (
            Service::Submission,
            tls,
            expired(),
            RefusalCode::CertExpired,
        ),
        (
            Service::Imap,
            starttls,
            Act::answers(["* OK hi", "{tag} NO no"]),
            RefusalCode::StarttlsStripped,
        ),
        (
            Service::Imap,
            starttls,
            preauth,
            RefusalCode::PreauthCleartext,
        ),
        (
            Service::Pop3,
            starttls,
            Act::answers(["+OK hi", "-ERR no"]),
            RefusalCode::StarttlsStripped,
        ),
        (
            Service::Submission,
            starttls,
            Act::answers(["220 hi", "250 mail"]),
            RefusalCode::StarttlsStripped,
        ),
    ] {
        let what = format!("{service} {start:?}");
        let evil = EvilServer::start(script).await;
        let error = computer
            .use_service(service, start, evil.port())
            .await
            .unwrap_err();
        assert!(
            matches!(error, ClientError::Connect { .. }),
            "{what}: {error}"
        );
        assert_eq!(error.code(), Some(code), "{what}: {error}");
        assert_eq!(evil.received().connections, 1, "{what}: no second try");
        told_nothing(&evil, &what);
    }
}

/// Greetings inside TLS are bound to be right too: PREAUTH without a certificate of ours is refused (C6).
#[tokio::test]
async fn preauth_inside_tls_is_refused() {
    let site = site().await;
    let script = Act::inside_tls(&site.good(), ["* PREAUTH welcome"]);
    let evil = EvilServer::start(script).await;
    let computer = Computer::new(&site, "config");
    let used = computer.use_service(Service::Imap, TlsStart::Implicit, evil.port());
    let error = used.await.unwrap_err();
    assert!(matches!(error, ClientError::Login { .. }), "{error}");
    assert_eq!(error.code(), Some(RefusalCode::ProtocolViolation));
    assert_eq!(evil.received().connections, 1, "no second try");
    told_nothing(&evil, "PREAUTH");
}

/// S5.1-12, S2-7: ten connections to the stored host, and not one SRV look-up.
#[tokio::test]
async fn connecting_does_not_consult_srv() {
    let site = site().await;
    let server = EvilServer::start(vec![Act::StartTls(site.good()), Act::HangUp]).await;
    let computer = Computer::new(&site, "config");
    for _ in 0..10 {
        let used = computer.use_service(Service::Imap, TlsStart::Implicit, server.port());
        let error = used.await.unwrap_err();
        assert!(matches!(error, ClientError::Login { .. }), "{error}");
    }
    assert_eq!(server.received().handshakes, 10);
    assert_eq!(site.was_asked_for_srv(), Some(false));
}
