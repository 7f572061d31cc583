//! POP3 sessions over real sockets: our own client, and Python's poplib.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::{AccountLevel, Credentials};
use pillarbox_proto::pop3::client::{Client, Event, LoggedInBy, Violation};
use pillarbox_proto::pop3::response::ResponseCode;
use pillarbox_proto::sasl::{Mechanism, Nonce};
use pillarbox_proto::{Clear, Sealed};
use pillarbox_store::StoreError;
use pillarbox_testkit::needs;
use pillarbox_testkit::world::{ANN, Door, PASSWORD, World};
use pillarbox_transport::{Connection, ConnectionError, Conversation, Driven};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A message larger than any buffer on its way, with dots where they hurt.
fn large() -> Vec<u8> {
    let mut message = b"Subject: large\r\n\r\n".to_vec();
    for line in 0..20_000 {
        message.extend_from_slice(format!(".{line} and some text to fill it up\r\n").as_bytes());
    }
    message
}

/// A server with both doors.
struct Running {
    world: World,
    implicit: Door,
    clear: Door,
}

/// A server with these messages in Ann's INBOX, under these UIDs, which ascend.
async fn start(messages: &[(u32, &[u8])]) -> Running {
    let world = World::start().await;
    for (uid, message) in messages {
        while world.inbox(ANN).await.uid_next.get() < *uid {
            let passed_over = world.deliver(ANN, b"x\r\n").await;
            world.expunge(ANN, &[passed_over]).await;
        }
        assert_eq!(world.deliver(ANN, message).await, *uid);
    }
    Running {
        implicit: world.door(Service::Pop3, TlsStart::Implicit),
        clear: world.door(Service::Pop3, TlsStart::StartTls),
        world,
    }
}

impl Running {
    async fn implicit(&self) -> Session {
        Session::new(self.implicit.connect_implicit().await)
    }

    async fn by_stls(&self) -> Session {
        let connection = self.clear.connect_clear().await;
        let mut clear = connection.start::<Client<Clear>>(());
        assert_eq!(clear.drive().await.unwrap(), Driven::Event(Event::Greeted));
        clear.machine().start_tls().unwrap();
        assert_eq!(clear.drive().await.unwrap(), Driven::Event(Event::StartTls));
        Session::new(self.clear.upgrade(clear).await)
    }

    async fn uids(&self) -> Vec<u32> {
        let mail = self.world.mail(ANN).await;
        mail.iter()
            .map(|stored| stored.message.uid.0.get())
            .collect()
    }

    /// What UIDL shows for a UID.
    async fn unique_id(&self, uid: u32) -> String {
        format!("{}.{uid}", self.world.inbox(ANN).await.uid_validity)
    }

    async fn stop(self) {
        self.world.stop().await;
    }
}

/// Our client.
struct Session(Conversation<Client<Sealed>>);

impl Session {
    fn new(connection: Connection<Sealed>) -> Self {
        Self(connection.start(()))
    }

    async fn drive(&mut self) -> Result<Driven<Event, Violation>, ConnectionError> {
        self.0.drive().await
    }

    async fn event(&mut self) -> Event {
        match self.drive().await.unwrap() {
            Driven::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }

    async fn log_in(&mut self, password: &str) -> Event {
        assert_eq!(self.event().await, Event::Ready);
        let credentials = Credentials::new(ANN, password.into(), &AccountLevel::default());
        self.0
            .machine()
            .log_in(&credentials, Nonce::from_random([6; 18]))
            .unwrap();
        self.event().await
    }

    async fn retrieve(&mut self, message: u32) -> Vec<u8> {
        self.0.machine().retrieve(message).unwrap();
        assert_eq!(self.event().await, Event::MessageBegins);
        let mut octets = Vec::new();
        loop {
            match self.event().await {
                Event::MessagePiece(piece) => octets.extend_from_slice(&piece),
                Event::MessageEnds => return octets,
                other => panic!("{other:?}"),
            }
        }
    }
}

const IN: Event = Event::LoggedIn(LoggedInBy::Sasl(Mechanism::ScramSha256Plus));

#[tokio::test]
async fn r5802_1_scram_plus_over_both_openings_then_mail_byte_for_byte() {
    let large = large();
    let server = start(&[(2, b"Subject: a\r\n\r\n.\r\n"), (5, &large)]).await;
    for mut session in [server.implicit().await, server.by_stls().await] {
        assert_eq!(session.log_in(PASSWORD).await, IN);
        assert_eq!(session.retrieve(1).await, b"Subject: a\r\n\r\n.\r\n");
        assert!(
            session.retrieve(2).await == large,
            "the large message came back changed"
        );
        session.0.machine().unique_ids().unwrap();
        for (message, uid) in [(1, 2), (2, 5)] {
            let id = server.unique_id(uid).await;
            assert_eq!(session.event().await, Event::UniqueId { message, id });
        }
        assert_eq!(session.event().await, Event::ListEnds);
        session.0.machine().quit().unwrap();
        assert_eq!(session.event().await, Event::Goodbye);
        session.0.close().await;
    }
    let logins = server.world.logins().await;
    let told: Vec<_> = logins
        .iter()
        .map(|login| {
            (
                login.listener.as_str(),
                login.tls.as_ref().map(|tls| tls.start.as_str()),
                login.mechanism.as_str(),
                login.outcome.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("pop3s", Some("implicit"), "SCRAM-SHA-256-PLUS", "ok"),
            ("pop3", Some("starttls"), "SCRAM-SHA-256-PLUS", "ok")
        ]
    );
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_recorded() {
    let server = start(&[]).await;
    let mut session = server.implicit().await;
    let Event::LoginRefused(refused) = session.log_in("wrong").await else {
        panic!("a wrong password logs in");
    };
    assert_eq!(refused.code, Some(ResponseCode::Auth));
    let outcome = server.world.logins().await[0].outcome;
    assert_eq!(outcome.as_str(), "bad-credentials");
    server.stop().await;
}

#[tokio::test]
async fn deletion_waits_for_quit() {
    let server = start(&[(1, b"a\r\n"), (2, b"b\r\n"), (3, b"c\r\n")]).await;
    let mut session = server.implicit().await;
    assert_eq!(session.log_in(PASSWORD).await, IN);
    session.0.machine().delete(1).unwrap();
    assert_eq!(session.event().await, Event::Done);
    // Cut off without QUIT: nothing is removed.
    drop(session);
    assert_eq!(server.uids().await, [1, 2, 3]);

    let mut session = reconnect(&server).await;
    session.0.machine().delete(2).unwrap();
    assert_eq!(session.event().await, Event::Done);
    session.0.machine().quit().unwrap();
    assert_eq!(session.event().await, Event::Goodbye);
    assert_eq!(server.uids().await, [1, 3]);
    server.stop().await;
}

/// Logs in as soon as the session before has gone.
async fn reconnect(server: &Running) -> Session {
    loop {
        let mut session = server.implicit().await;
        match session.log_in(PASSWORD).await {
            IN => return session,
            Event::LoginRefused(refused) => assert_eq!(refused.code, Some(ResponseCode::InUse)),
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_session_has_the_maildrop_and_mail_can_go_meanwhile() {
    let server = start(&[(1, b"a\r\n"), (2, b"b\r\n")]).await;
    let mut first = server.implicit().await;
    assert_eq!(first.log_in(PASSWORD).await, IN);
    let mut second = server.implicit().await;
    let Event::LoginRefused(refused) = second.log_in(PASSWORD).await else {
        panic!("two sessions have one maildrop");
    };
    assert_eq!(refused.code, Some(ResponseCode::InUse));
    // Another client, over IMAP say, removes a message: nothing holds it back.
    server.world.expunge(ANN, &[1]).await;
    first.0.machine().retrieve(1).unwrap();
    let Event::Refused(refused) = first.event().await else {
        panic!("a message that is gone was retrieved");
    };
    assert_eq!(refused.code, Some(ResponseCode::SysTemp));
    assert_eq!(first.retrieve(2).await, b"b\r\n");
    server.stop().await;
}

#[tokio::test]
async fn shutdown_is_told_and_ends_with_a_proper_goodbye() {
    let server = start(&[]).await;
    let mut session = server.implicit().await;
    assert_eq!(session.log_in(PASSWORD).await, IN);
    server.world.trigger.request();
    // Our client takes unasked words for a violation, which they are; what it says is in the server's tests.
    assert_eq!(
        session.drive().await.unwrap(),
        Driven::Violation(Violation::Unsolicited)
    );
    server.stop().await;
}

/// What a server says to a client that writes `sent` at once, until it closes.
async fn raw(address: SocketAddr, sent: &[u8]) -> String {
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket.write_all(sent).await.unwrap();
    let mut said = Vec::new();
    // A reset after a refusal is as good as a close.
    let _ = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut said)).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn s1_command_injection_pop3_over_a_socket() {
    let server = start(&[]).await;
    let said = raw(server.clear.address, b"STLS\r\nUSER eve\r\nPASS evil\r\n").await;
    assert!(said.starts_with("+OK Pillarbox ready\r\n"), "{said}");
    assert!(!said.contains("begin TLS"), "{said}");
    assert!(server.world.logins().await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn s4_cleartext_credentials_pop3_over_a_socket() {
    let server = start(&[]).await;
    let right = raw(
        server.clear.address,
        format!("USER {ANN}\r\nPASS {PASSWORD}\r\nQUIT\r\n").as_bytes(),
    )
    .await;
    let wrong = raw(server.clear.address, b"USER nobody\r\nPASS x\r\nQUIT\r\n").await;
    assert_eq!(right, wrong);
    assert_eq!(
        right
            .matches("-ERR [AUTH] encryption is required before logging in\r\n")
            .count(),
        2
    );
    assert!(
        server.world.logins().await.is_empty(),
        "nothing was looked up"
    );
    server.stop().await;
}

#[tokio::test]
async fn s3_1_1_cleartext_on_pop3s_gets_no_word() {
    let server = start(&[]).await;
    let said = raw(server.implicit.address, b"CAPA\r\n").await;
    assert!(!said.contains("+OK") && !said.contains("-ERR"), "{said}");
    server.stop().await;
}

/// Runs Python, which must end well and print what it should.
async fn python(script: &str, arguments: &[String]) -> Option<String> {
    let output = tokio::process::Command::from(needs::PYTHON.command()?)
        .arg("-c")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}

const POPLIB: &str = r#"
import hashlib, poplib, socket, ssl, sys
implicit, clear, roots, login, password = sys.argv[1:]
context = ssl.create_default_context(cafile=roots)
# The certificate names mail.example.org, the socket goes to the loopback.
connect = socket.create_connection
def to_loopback(address, *rest, **named):
    return connect(("127.0.0.1", address[1]), *rest, **named)
socket.create_connection = to_loopback

first = poplib.POP3_SSL("mail.example.org", int(implicit), context=context)
assert "STLS" not in first.capa(), first.capa()
assert first.capa()["SASL"][0] == "SCRAM-SHA-256-PLUS", first.capa()
first.user(login)
first.pass_(password)
print(first.stat())
print([line.decode() for line in first.list()[1]])
print([line.decode() for line in first.uidl()[1]])
for number in (1, 2):
    lines = first.retr(number)[1]
    print(hashlib.sha256(b"".join(line + b"\r\n" for line in lines)).hexdigest())
print(first.top(1, 1)[1])
first.dele(1)
print(first.quit())

second = poplib.POP3("mail.example.org", int(clear))
assert "STLS" in second.capa() and "USER" not in second.capa() and "SASL" not in second.capa()
try:
    second.user(login)
    raise SystemExit("a cleartext login was let in")
except poplib.error_proto as error:
    print(error)
second.stls(context=context)
assert "STLS" not in second.capa() and "USER" in second.capa()
second.user(login)
try:
    second.pass_("wrong")
    raise SystemExit("a wrong password was let in")
except poplib.error_proto as error:
    print(error)
second.user(login)
second.pass_(password)
print(second.stat())
print(second.quit())
"#;

#[tokio::test]
async fn python_poplib_reads_and_deletes_mail() {
    let small = b"Subject: a\r\n\r\none\r\n.two\r\n..\r\n".to_vec();
    let large = large();
    let server = start(&[(2, &small), (5, &large)]).await;
    let arguments = [
        server.implicit.address.port().to_string(),
        server.clear.address.port().to_string(),
        server.world.root_file().display().to_string(),
        ANN.to_owned(),
        PASSWORD.to_owned(),
    ];
    let Some(printed) = python(POPLIB, &arguments).await else {
        return;
    };
    let hash = |message: &[u8]| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message);
        digest
            .as_ref()
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect::<String>()
    };
    let expected = [
        format!("(2, {})", small.len() + large.len()),
        format!("['1 {}', '2 {}']", small.len(), large.len()),
        format!(
            "['1 {}', '2 {}']",
            server.unique_id(2).await,
            server.unique_id(5).await
        ),
        hash(&small),
        hash(&large),
        "[b'Subject: a', b'', b'one']".to_owned(),
        "b'+OK goodbye'".to_owned(),
        "b'-ERR [AUTH] encryption is required before logging in'".to_owned(),
        "b'-ERR [AUTH] wrong login name or password'".to_owned(),
        format!("(1, {})", large.len()),
        "b'+OK goodbye'".to_owned(),
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    assert_eq!(server.uids().await, [5]);
    server.stop().await;
}

/// A session that has lost its maildrop, to another one or to trouble with the store, ends and removes nothing.
#[tokio::test]
async fn who_loses_the_maildrop_removes_nothing() {
    let world = World::start().await;
    world.deliver(ANN, b"Subject: a\r\n\r\n").await;
    let mut peer = world.log_in(Service::Pop3).await;
    peer.put(b"DELE 1\r\n");
    assert!(peer.line().await.unwrap().starts_with("+OK"));
    // The lease is renewed once a minute.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    world.faults.fail("Leases::renew", 1, StoreError::Closed);
    peer.put(b"QUIT\r\n");
    let (said, _) = peer.end().await;
    assert_eq!(said, "", "nothing was removed, so nothing is confirmed");
    assert_eq!(world.mail(ANN).await.len(), 1);
}
