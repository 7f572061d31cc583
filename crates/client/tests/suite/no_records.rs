//! A domain that publishes no SRV records, to the end: customary names on the registered ports of implicit TLS, each
//! confirmed by the person (SA-12); and what a client makes of a stranger on port 465 (S7.3-1). The registered
//! ports are opened on a loopback address of their own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_client::{
    Accounts, Entered, Folder, Indicator, NetworkSettings, PasswordPlace, Passwords, Person,
    SetupError, Stage, set_up,
};
use pillarbox_discover::{Candidate, Confirmation, NotConfirmed};
use pillarbox_names::AccountAddress;
use pillarbox_policy::{AccountLevel, Code, Secret};
use pillarbox_testkit::{Act, EvilServer, InProcessNameServer, Signing, TestCa, Zone, needs};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

const PASSWORD: &str = "correct-horse-battery";
/// The host of both customary names, nobody else's.
const HOST: [u8; 4] = [127, 93, 0, 1];

/// Says yes to some hosts, and has the password.
struct Alice {
    yes: &'static [&'static str],
    asked: Vec<String>,
    shown_at_password: Vec<(String, bool)>,
}

impl Alice {
    fn who_trusts(yes: &'static [&'static str]) -> Self {
        Self {
            yes,
            asked: Vec::new(),
            shown_at_password: Vec::new(),
        }
    }
}

impl Person for Alice {
    fn tell(&mut self, _: &Stage<'_>) {}

    fn confirm(&mut self, question: &NotConfirmed) -> Option<Confirmation> {
        self.asked.push(question.host.to_string());
        self.yes
            .contains(&question.host.as_str())
            .then(|| Confirmation::given_for(question.host.clone()))
    }

    fn password(
        &mut self,
        _: &AccountAddress,
        servers: &[(Candidate, Indicator)],
    ) -> Option<Secret> {
        self.shown_at_password = servers
            .iter()
            .map(|(server, sign)| (server.to_string(), sign.is_locked()))
            .collect();
        Some(Secret::from(PASSWORD))
    }
}

async fn open(port: u16) -> Option<TcpListener> {
    needs::port(SocketAddr::from((HOST, port))).await
}

/// A registered port, and the server behind it.
struct Registered {
    server: EvilServer,
    listener: Option<TcpListener>,
}

impl Registered {
    async fn new(listener: TcpListener, scripts: Vec<Vec<Act>>) -> Self {
        Self {
            server: EvilServer::start_each(scripts).await.unwrap(),
            listener: Some(listener),
        }
    }

    fn serve(&mut self) {
        let (listener, server) = (self.listener.take().unwrap(), self.server.address());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
    }
}

/// A computer, its DNS, and the account file it writes.
struct World {
    folder: tempfile::TempDir,
    dns: InProcessNameServer,
    ca: TestCa,
}

impl World {
    async fn new(records: &str) -> Self {
        let zone = Zone::new("example.org", Signing::Signed, records);
        Self {
            folder: tempfile::tempdir().unwrap(),
            dns: InProcessNameServer::start(&[zone]).await.unwrap(),
            ca: TestCa::new(),
        }
    }

    async fn set_up(&self, person: &mut Alice) -> Result<String, SetupError> {
        let entered = Entered {
            address: AccountAddress::parse("alice@example.org").unwrap(),
            name: None,
            login: None,
            level: AccountLevel::default(),
            access: None,
            submission: None,
            password_place: Some(PasswordPlace::File),
            network: NetworkSettings {
                name_server: Some(self.dns.address()),
                trust_anchor: Some(self.dns.trust_anchor().to_owned()),
                ca_file: Some(self.ca.write_root(self.folder.path())),
            },
        };
        let folder = Folder::new(Some(self.folder.path().join("config"))).unwrap();
        let accounts = Accounts::new(folder.clone());
        set_up(&entered, &accounts, &Passwords::new(folder), person).await?;
        Ok(std::fs::read_to_string(accounts.file(&entered.address)).unwrap())
    }

    fn imap(&self) -> Vec<Act> {
        vec![
            Act::StartTls(Arc::new(self.ca.server(&["imap.example.org"]))),
            Act::say("* OK ready\r\n"),
            Act::Hear,
            Act::say("* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n{tag} OK\r\n"),
            Act::Hear,
            Act::say("{tag} OK [CAPABILITY IMAP4rev1] hello\r\n"),
            Act::Hear,
            Act::say("* BYE\r\n{tag} OK\r\n"),
        ]
    }

    fn submission(&self) -> Vec<Act> {
        vec![
            Act::StartTls(Arc::new(self.ca.server(&["smtp.example.org"]))),
            Act::say("220 mail\r\n"),
            Act::Hear,
            Act::say("250-mail\r\n250 AUTH PLAIN\r\n"),
            Act::Hear,
            Act::say("235 2.7.0 ok\r\n"),
            Act::Hear,
            Act::say("221 bye\r\n"),
        ]
    }
}

/// Both in one test: they need the same ports.
#[tokio::test]
async fn customary_names_work_once_confirmed_and_strangers_on_465_hear_nothing() {
    let (Some(imaps), Some(submissions)) = (open(993).await, open(465).await) else {
        return;
    };
    let host = HOST.map(|part| part.to_string()).join(".");
    let world = World::new(&format!("imap A {host}\nsmtp A {host}")).await;
    let mut imap = Registered::new(imaps, vec![world.imap()]).await;
    // The first connection of a set-up shows the certificate, the second one logs in.
    let silent = world.submission().into_iter().take(1).collect::<Vec<_>>();
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
        world.submission(),
    ];
    let mut submission = Registered::new(submissions, scripts).await;
    imap.serve();
    submission.serve();
    let both: &[&str] = &["imap.example.org", "smtp.example.org"];

    // nothing is connected to before it is confirmed
    let mut person = Alice::who_trusts(&[]);
    let error = world.set_up(&mut person).await.unwrap_err();
    assert!(matches!(error, SetupError::NotConfirmed(_)), "{error}");
    assert_eq!(person.asked, ["imap.example.org"]);
    assert_eq!(imap.server.received().connections, 0);
    let mut person = Alice::who_trusts(&["imap.example.org"]);
    let error = world.set_up(&mut person).await.unwrap_err();
    assert!(matches!(error, SetupError::NotConfirmed(_)), "{error}");
    assert_eq!(person.asked, both);
    assert_eq!(submission.server.received().connections, 0);

    // strangers on the port of submissions
    for connections in [1, 3] {
        let mut person = Alice::who_trusts(both);
        let ended = tokio::time::timeout(Duration::from_secs(30), world.set_up(&mut person));
        let error = ended.await.unwrap().unwrap_err();
        assert_eq!(error.code(), Some(Code::ProtocolViolation), "{error}");
        assert_eq!(submission.server.received().connections, connections);
        assert_eq!(person.shown_at_password.is_empty(), connections == 1);
    }
    for secret in [PASSWORD, "alice", "AUTH", "MAIL FROM"] {
        assert!(!submission.server.received().contains(secret.as_bytes()));
    }

    // and to the end
    let mut person = Alice::who_trusts(both);
    let account = world.set_up(&mut person).await.unwrap();
    assert_eq!(person.asked, both);
    assert_eq!(
        person.shown_at_password,
        [
            ("IMAP at imap.example.org:993".to_owned(), true),
            ("submission at smtp.example.org:465".to_owned(), true)
        ]
    );
    for line in ["port = 993", "port = 465"] {
        assert!(account.contains(line), "{account}");
    }
    assert_eq!(account.matches("tls = \"implicit\"").count(), 2);
    assert_eq!(account.matches("found = \"guess\"").count(), 2);
    for (server, login) in [
        (&imap.server, "AUTHENTICATE PLAIN "),
        (&submission.server, "AUTH PLAIN "),
    ] {
        let received = server.received();
        assert!(received.text().contains(login), "{}", received.text());
        assert!(!String::from_utf8_lossy(&received.wire).contains(PASSWORD));
    }
}
