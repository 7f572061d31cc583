//! An account that was set up, against servers that have turned evil since: nothing is sent, nothing falls
//! back, and DNS is not asked who the servers are.

use std::sync::Arc;

use pillarbox_client::{Accounts, ClientError, Folder, Passwords, Reader, SubmissionSession};
use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::Code;
use pillarbox_testkit::{Act, EvilServer, InProcessNameServer, Leaf, Signing, TestCa, Zone};

const PASSWORD: &str = "correct-horse-battery";

struct Stored {
    _dir: tempfile::TempDir,
    dns: InProcessNameServer,
    accounts: Accounts,
    passwords: Passwords,
}

/// An account as it stands on disk, with this server on both sides of it.
async fn stored(
    ca: &TestCa,
    access: (Service, TlsStart, u16),
    submission: (TlsStart, u16),
) -> Stored {
    let zones = [Zone::new(
        "example.org",
        Signing::Unsigned,
        "mail A 127.0.0.1\n_imaps._tcp SRV 0 1 1 evil",
    )];
    let dns = InProcessNameServer::start(&zones).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let root = ca.write_root(dir.path());
    let text = format!(
        "address = \"alice@example.org\"\nlogin = \"alice@example.org\"\nlevel = \"default\"\npassword = \"file\"\n\
         [access]\nservice = \"{}\"\nhost = \"mail.example.org\"\nport = {}\ntls = \"{}\"\nfound = \"srv\"\n\
         [submission]\nservice = \"submission\"\nhost = \"mail.example.org\"\nport = {}\ntls = \"{}\"\nfound = \"srv\"\n\
         [network]\nname-server = \"{}\"\ntrust-anchor = \"\"\"{}\"\"\"\nca-file = \"{}\"\n",
        access.0.as_str(),
        access.2,
        access.1.as_str(),
        submission.1,
        submission.0.as_str(),
        dns.address(),
        dns.trust_anchor(),
        root.display()
    );
    let folder = Folder::new(Some(dir.path().join("config"))).unwrap();
    let accounts = Accounts::new(folder.clone());
    let passwords = Passwords::new(folder);
    let address = "alice@example.org";
    let address = pillarbox_names::AccountAddress::parse(address).unwrap();
    for (path, text) in [
        (accounts.file(&address), text.as_str()),
        (passwords.file(&address), PASSWORD),
    ] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Stored {
        _dir: dir,
        dns,
        accounts,
        passwords,
    }
}

impl Stored {
    async fn read(&self) -> ClientError {
        let (account, notice) = self.accounts.find(None).unwrap();
        assert_eq!(notice, None);
        Reader::open(&account, &self.passwords)
            .await
            .map(|_| ())
            .unwrap_err()
    }

    async fn submit(&self) -> ClientError {
        let (account, _) = self.accounts.find(None).unwrap();
        SubmissionSession::open(&account, &self.passwords)
            .await
            .map(|_| ())
            .unwrap_err()
    }
}

fn nothing_secret(server: &EvilServer) {
    let received = server.received();
    assert_eq!(received.connections, 1, "no second try");
    for secret in [
        PASSWORD,
        "alice",
        "LOGIN",
        "AUTH",
        "USER",
        "PASS",
        "MAIL FROM",
        "SELECT",
        "EXAMINE",
    ] {
        assert!(
            !received.contains(secret.as_bytes()),
            "{secret} in {:?}",
            received.text()
        );
    }
}

/// S5-4, S5.2-8, S5.2-9, S5.4-4, C16: refused on each service, with the reason; no exception is offered.
#[tokio::test]
async fn a_server_turned_evil_gets_nothing() {
    let ca = TestCa::new();
    let names = ["mail.example.org"];
    let expired = Arc::new(ca.issue(&Leaf::new(&names).expired()));
    let wrong = Arc::new(ca.server(&["mail.example.net"]));
    let say = Act::say;
    let cases: Vec<(Service, TlsStart, Vec<Act>, Code)> = vec![
        (
            Service::Imap,
            TlsStart::Implicit,
            vec![Act::StartTls(Arc::clone(&expired))],
            Code::CertExpired,
        ),
        (
            Service::Pop3,
            TlsStart::Implicit,
            vec![Act::StartTls(Arc::clone(&wrong))],
            Code::CertName,
        ),
        (
            Service::Imap,
            TlsStart::StartTls,
            vec![say("* OK hi\r\n"), Act::Hear, say("{tag} NO no\r\n")],
            Code::StarttlsStripped,
        ),
        (
            Service::Imap,
            TlsStart::StartTls,
            vec![say("* PREAUTH hi\r\n")],
            Code::PreauthCleartext,
        ),
        (
            Service::Pop3,
            TlsStart::StartTls,
            vec![say("+OK hi\r\n"), Act::Hear, say("-ERR no\r\n")],
            Code::StarttlsStripped,
        ),
    ];
    for (service, start, script, code) in cases {
        let evil = EvilServer::start(script).await.unwrap();
        let port = evil.address().port();
        let error = stored(&ca, (service, start, port), (start, port))
            .await
            .read()
            .await;
        assert!(
            matches!(error, ClientError::Connect { .. }),
            "{service} {start:?}: {error}"
        );
        assert_eq!(error.code(), Some(code), "{service} {start:?}: {error}");
        nothing_secret(&evil);
    }
    let cases: Vec<(TlsStart, Vec<Act>, Code)> = vec![
        (
            TlsStart::Implicit,
            vec![Act::StartTls(expired)],
            Code::CertExpired,
        ),
        (
            TlsStart::StartTls,
            vec![say("220 hi\r\n"), Act::Hear, say("250 mail\r\n")],
            Code::StarttlsStripped,
        ),
    ];
    for (start, script, code) in cases {
        let evil = EvilServer::start(script).await.unwrap();
        let port = evil.address().port();
        let error = stored(&ca, (Service::Imap, start, port), (start, port))
            .await
            .submit()
            .await;
        assert_eq!(error.code(), Some(code), "{start:?}: {error}");
        nothing_secret(&evil);
    }
}

/// Greetings inside TLS are bound to be right too: PREAUTH without a certificate of ours is refused (C6).
#[tokio::test]
async fn preauth_inside_tls_is_refused() {
    let ca = TestCa::new();
    let good = Arc::new(ca.server(&["mail.example.org"]));
    let script = vec![Act::StartTls(good), Act::say("* PREAUTH welcome\r\n")];
    let evil = EvilServer::start(script).await.unwrap();
    let port = evil.address().port();
    let error = stored(
        &ca,
        (Service::Imap, TlsStart::Implicit, port),
        (TlsStart::Implicit, port),
    )
    .await
    .read()
    .await;
    assert!(matches!(error, ClientError::Login { .. }), "{error}");
    assert_eq!(error.code(), Some(Code::ProtocolViolation));
    nothing_secret(&evil);
}

/// S5.1-12, S2-7: ten connections to the stored host, and not one SRV look-up.
#[tokio::test]
async fn connecting_does_not_consult_srv() {
    let ca = TestCa::new();
    let good = Arc::new(ca.server(&["mail.example.org"]));
    let server = EvilServer::start(vec![Act::StartTls(good), Act::HangUp])
        .await
        .unwrap();
    let port = server.address().port();
    let stored = stored(
        &ca,
        (Service::Imap, TlsStart::Implicit, port),
        (TlsStart::Implicit, port),
    )
    .await;
    for _ in 0..10 {
        let error = stored.read().await;
        assert!(matches!(error, ClientError::Login { .. }), "{error}");
    }
    assert_eq!(server.received().handshakes, 10);
    let queries = stored.dns.queries();
    assert!(
        !queries.is_empty() && !queries.iter().any(|query| query.starts_with("SRV")),
        "{queries:?}"
    );
}
