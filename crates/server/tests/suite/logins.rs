//! How attempts to log in end: each one that began is on record exactly once, with its mechanism and what came of it,
//! over every protocol alike (S4-17).

use std::time::Duration;

use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::{
    AccountLevel, Credentials, LoginAbort, LoginOutcome, LoginRefusal, Tampering,
};
use pillarbox_proto::sasl::Nonce;
use pillarbox_proto::sasl::client::{ClientStep, Exchange, choose};
use pillarbox_proto::sasl::coding::{decode, encode};
use pillarbox_server::accounts::NewPassword;
use pillarbox_testkit::world::{ANN, PASSWORD, Peer, World};
use pillarbox_transport::ConnectionError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SERVICES: [Service; 3] = [Service::Imap, Service::Pop3, Service::Submission];
const PATIENCE: Duration = Duration::from_secs(20);

/// A client past the greeting, and past EHLO.
async fn greeted(world: &World, service: Service) -> Peer {
    let mut peer = world.greeted(service).await;
    if service == Service::Submission {
        peer.replies("EHLO client.example\r\n", 1).await;
    }
    peer
}

/// A client that has started an exchange, and the server's line.
async fn started(
    world: &World,
    service: Service,
    mechanism: &str,
    initial: &str,
) -> (Peer, String) {
    let command = match service {
        Service::Imap => "a AUTHENTICATE",
        Service::Pop3 | Service::Submission => "AUTH",
    };
    let initial = encode(initial.as_bytes());
    let mut peer = greeted(world, service).await;
    peer.put(format!("{command} {mechanism} {}\r\n", *initial).as_bytes());
    let line = peer.line().await.unwrap();
    (peer, line)
}

/// Compares the one record, which comes soon.
async fn is_on_record(world: &World, service: Service, mechanism: &str, outcome: LoginOutcome) {
    let (login, of, came) = recorded(world, service).await;
    let found = (login.as_str(), of.as_str(), came);
    assert_eq!(found, (ANN, mechanism, outcome), "{service:?}");
}

/// The one record, which comes soon.
async fn recorded(world: &World, service: Service) -> (String, String, LoginOutcome) {
    for _ in 0..1000 {
        let logins = world.logins().await;
        if let Some(record) = logins.first() {
            assert_eq!(logins.len(), 1, "{service:?}: {logins:?}");
            let mechanism = record.mechanism.as_str().to_owned();
            return (record.login.clone(), mechanism, record.outcome);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{service:?}: not on record");
}

/// What comes after the code or the sign of a challenge.
fn challenge(line: &str) -> String {
    let (_, challenge) = line.trim_end().split_once(' ').unwrap();
    String::from_utf8(decode(challenge.as_bytes()).unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn r5802_2_a_client_that_saw_no_plus_is_on_record_as_tampering() {
    for service in SERVICES {
        let world = World::start().await;
        let first = format!("y,,n={ANN},r=abc");
        let (_client, _) = started(&world, service, "SCRAM-SHA-256", &first).await;
        let tampering = LoginOutcome::TamperingSuspected(Tampering::PlusStripped);
        is_on_record(&world, service, "SCRAM-SHA-256", tampering).await;
    }
}

#[tokio::test]
async fn r5802_2_a_client_bound_to_another_connection_is_on_record_as_tampering() {
    for service in SERVICES {
        let world = World::start().await;
        let first = format!("p=tls-exporter,,n={ANN},r=abc");
        let (mut client, line) = started(&world, service, "SCRAM-SHA-256-PLUS", &first).await;
        let server_first = challenge(&line);
        let nonce = server_first.split(',').next().unwrap();
        let mut binding = b"p=tls-exporter,,".to_vec();
        binding.extend([0; 32]);
        let last = format!("c={},{nonce},p={}", *encode(&binding), *encode(&[0; 32]));
        client
            .send(format!("{}\r\n", *encode(last.as_bytes())).as_bytes())
            .await;
        let tampering = LoginOutcome::TamperingSuspected(Tampering::ChannelBinding);
        is_on_record(&world, service, "SCRAM-SHA-256-PLUS", tampering).await;
    }
}

#[tokio::test]
async fn an_exchange_that_is_dropped_in_the_middle_is_on_record() {
    for service in SERVICES {
        let world = World::start().await;
        let first = format!("p=tls-exporter,,n={ANN},r=abc");
        let (client, _) = started(&world, service, "SCRAM-SHA-256-PLUS", &first).await;
        drop(client);
        let aborted = LoginOutcome::Aborted(LoginAbort::Disconnected);
        is_on_record(&world, service, "SCRAM-SHA-256-PLUS", aborted).await;
    }
}

#[tokio::test]
async fn an_exchange_that_is_cancelled_or_cut_short_by_a_shutdown_is_on_record() {
    for service in SERVICES {
        let world = World::start().await;
        let first = format!("n,,n={ANN},r=abc");
        let (mut client, _) = started(&world, service, "SCRAM-SHA-256", &first).await;
        client.send(b"*\r\n").await;
        let cancelled = LoginOutcome::Aborted(LoginAbort::Cancelled);
        is_on_record(&world, service, "SCRAM-SHA-256", cancelled).await;

        let world = World::start().await;
        let (_client, _) = started(&world, service, "SCRAM-SHA-256", &first).await;
        world.trigger.request();
        let shut_down = LoginOutcome::Aborted(LoginAbort::ShutDown);
        is_on_record(&world, service, "SCRAM-SHA-256", shut_down).await;
    }
}

#[tokio::test]
async fn a_password_that_cannot_be_one_is_on_record_as_refused() {
    for (service, command) in [
        (Service::Imap, "a LOGIN ann@example.org \"\"\r\n"),
        (Service::Pop3, "USER ann@example.org\r\nPASS \u{7}\r\n"),
    ] {
        let world = World::start().await;
        let mut client = greeted(&world, service).await;
        client.send(command.as_bytes()).await;
        let (login, _, outcome) = recorded(&world, service).await;
        assert_eq!(login, ANN);
        assert_eq!(
            outcome,
            LoginOutcome::Refused(LoginRefusal::Credentials),
            "{service:?}"
        );
    }
}

/// RFC 8446 §6.1: whoever says close_notify first is answered with it, and not with a bare FIN.
#[tokio::test]
async fn close_notify_is_answered_with_close_notify() {
    for service in SERVICES {
        let world = World::start().await;
        let door = world.door(service, TlsStart::Implicit);
        let mut stream = door.connect_implicit().await.into_stream();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest));
        let end = end.await.unwrap();
        assert!(end.is_ok(), "{service:?}: {end:?}");
    }
}

/// S6: the words of a browser end the session at once.
#[tokio::test]
async fn a_browser_is_sent_away_at_once() {
    for service in SERVICES {
        let world = World::start().await;
        let mut client = greeted(&world, service).await;
        client.put(b"GET / HTTP/1.1\r\nHost: mail.example.org\r\n");
        let end = client.ends().await;
        assert!(
            matches!(end, ConnectionError::PeerClosed),
            "{service:?}: {end}"
        );
        assert!(client.left().lines().count() <= 1, "{}", client.left());
    }
}

/// A password that is changed while an exchange is under way does not let the old one in.
#[tokio::test]
async fn a_scram_exchange_begun_before_a_change_of_the_password_fails() {
    for is_changed in [false, true] {
        let world = World::start().await;
        let facts = pillarbox_testkit::facts_with(|parts| parts.binding = None);
        let credentials = Credentials::new(ANN, PASSWORD.into(), &AccountLevel::default());
        let (mut exchange, first) = Exchange::new(
            choose([&b"SCRAM-SHA-256"[..]], &facts).unwrap(),
            credentials.release(&facts).unwrap(),
            Nonce::from_random([7; Nonce::RANDOM]),
        )
        .unwrap();
        let first = String::from_utf8(first.to_vec()).unwrap();
        let (mut peer, line) = started(&world, Service::Imap, "SCRAM-SHA-256", &first).await;
        if is_changed {
            let account = world.account(ANN).await;
            let verifiers = NewPassword::new(&"another horse".into())
                .unwrap()
                .verifiers();
            let accounts = &world.store.accounts;
            accounts
                .set_verifiers(account, verifiers.unwrap())
                .await
                .unwrap();
        }
        let ClientStep::Send(last) = exchange.step(challenge(&line).as_bytes()) else {
            panic!("{line}");
        };
        peer.put(format!("{}\r\n", *encode(&last)).as_bytes());
        let line = peer.line().await.unwrap();
        let is_refused = line.starts_with("a NO [AUTHENTICATIONFAILED]");
        assert_eq!(is_refused, is_changed, "{line}");
    }
}

/// Who gave up knows which command it was.
#[tokio::test]
async fn an_exchange_with_a_line_too_long_ends_with_the_tag() {
    let world = World::start().await;
    let mut peer = greeted(&world, Service::Imap).await;
    peer.put(b"a AUTHENTICATE PLAIN\r\n");
    assert_eq!(peer.line().await.unwrap(), "+ \r\n");
    peer.put(&[&b"A".repeat(9_000)[..], b"\r\n"].concat());
    let line = peer.line().await.unwrap();
    assert!(line.starts_with("a BAD "), "{line}");
}
