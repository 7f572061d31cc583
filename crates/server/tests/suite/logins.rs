//! How attempts to log in end: each one that began is on record exactly once, with its mechanism and what came of it,
//! over every protocol alike (S4-17).

use std::time::Duration;

use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::{LoginAbort, LoginOutcome, LoginRefusal, Tampering};
use pillarbox_proto::sasl::coding::{decode, encode};
use pillarbox_transport::SealedStream;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::house::{ANN, House};

const SERVICES: [Service; 3] = [Service::Imap, Service::Pop3, Service::Submission];
const PATIENCE: Duration = Duration::from_secs(20);

/// A client that writes what it likes.
struct Client(BufReader<SealedStream>);

impl Client {
    /// One past the greeting.
    async fn greeted(house: &mut House, service: Service) -> Self {
        let door = house.open(service, TlsStart::Implicit);
        let stream = door.connect_implicit().await.into_stream();
        let mut client = Self(BufReader::new(stream));
        client.line().await;
        if service == Service::Submission {
            client.say("EHLO client.example").await;
            while !client.line().await.starts_with("250 ") {}
        }
        client
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line);
        tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
        line
    }

    async fn say(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        self.0.get_mut().write_all(line.as_bytes()).await.unwrap();
        self.0.get_mut().flush().await.unwrap();
    }

    /// Starts an exchange; answers the server's line.
    async fn start(&mut self, service: Service, mechanism: &str, initial: &str) -> String {
        let command = match service {
            Service::Imap => "a AUTHENTICATE",
            Service::Pop3 | Service::Submission => "AUTH",
        };
        let initial = encode(initial.as_bytes());
        self.say(&format!("{command} {mechanism} {}", *initial))
            .await;
        self.line().await
    }
}

/// The one record, which comes soon.
async fn recorded(house: &House, service: Service) -> (String, String, LoginOutcome) {
    for _ in 0..1000 {
        let logins = house.logins().await;
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
        let mut house = House::new().await;
        let mut client = Client::greeted(&mut house, service).await;
        let first = format!("y,,n={ANN},r=abc");
        client.start(service, "SCRAM-SHA-256", &first).await;
        let tampering = LoginOutcome::TamperingSuspected(Tampering::PlusStripped);
        let expected = (ANN.to_owned(), "SCRAM-SHA-256".to_owned(), tampering);
        assert_eq!(recorded(&house, service).await, expected, "{service:?}");
    }
}

#[tokio::test]
async fn r5802_2_a_client_bound_to_another_connection_is_on_record_as_tampering() {
    for service in SERVICES {
        let mut house = House::new().await;
        let mut client = Client::greeted(&mut house, service).await;
        let first = format!("p=tls-exporter,,n={ANN},r=abc");
        let line = client.start(service, "SCRAM-SHA-256-PLUS", &first).await;
        let server_first = challenge(&line);
        let nonce = server_first.split(',').next().unwrap();
        let mut binding = b"p=tls-exporter,,".to_vec();
        binding.extend([0; 32]);
        let last = format!("c={},{nonce},p={}", *encode(&binding), *encode(&[0; 32]));
        client.say(&encode(last.as_bytes())).await;
        let tampering = LoginOutcome::TamperingSuspected(Tampering::ChannelBinding);
        let expected = (ANN.to_owned(), "SCRAM-SHA-256-PLUS".to_owned(), tampering);
        assert_eq!(recorded(&house, service).await, expected, "{service:?}");
    }
}

#[tokio::test]
async fn an_exchange_that_is_dropped_in_the_middle_is_on_record() {
    for service in SERVICES {
        let mut house = House::new().await;
        let mut client = Client::greeted(&mut house, service).await;
        let first = format!("p=tls-exporter,,n={ANN},r=abc");
        client.start(service, "SCRAM-SHA-256-PLUS", &first).await;
        drop(client);
        let aborted = LoginOutcome::Aborted(LoginAbort::Disconnected);
        let expected = (ANN.to_owned(), "SCRAM-SHA-256-PLUS".to_owned(), aborted);
        assert_eq!(recorded(&house, service).await, expected, "{service:?}");
    }
}

#[tokio::test]
async fn an_exchange_that_is_cancelled_or_cut_short_by_a_shutdown_is_on_record() {
    for service in SERVICES {
        let mut house = House::new().await;
        let mut client = Client::greeted(&mut house, service).await;
        let first = format!("n,,n={ANN},r=abc");
        client.start(service, "SCRAM-SHA-256", &first).await;
        client.say("*").await;
        let cancelled = LoginOutcome::Aborted(LoginAbort::Cancelled);
        let expected = (ANN.to_owned(), "SCRAM-SHA-256".to_owned(), cancelled);
        assert_eq!(recorded(&house, service).await, expected, "{service:?}");

        let mut house = House::new().await;
        let mut client = Client::greeted(&mut house, service).await;
        client.start(service, "SCRAM-SHA-256", &first).await;
        house.trigger.request();
        let shut_down = LoginOutcome::Aborted(LoginAbort::ShutDown);
        let expected = (ANN.to_owned(), "SCRAM-SHA-256".to_owned(), shut_down);
        assert_eq!(recorded(&house, service).await, expected, "{service:?}");
    }
}

#[tokio::test]
async fn a_password_that_cannot_be_one_is_on_record_as_refused() {
    for (service, command) in [
        (Service::Imap, "a LOGIN ann@example.org \"\""),
        (Service::Pop3, "USER ann@example.org\r\nPASS \u{7}"),
    ] {
        let mut house = House::new().await;
        let mut client = Client::greeted(&mut house, service).await;
        client.say(command).await;
        let (login, _, outcome) = recorded(&house, service).await;
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
        let mut house = House::new().await;
        let mut client = Client::greeted(&mut house, service).await;
        client.0.get_mut().shutdown().await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(PATIENCE, client.0.read_to_end(&mut rest));
        let end = end.await.unwrap();
        assert!(end.is_ok(), "{service:?}: {end:?}");
    }
}

/// S6: the words of a browser end the session at once.
#[tokio::test]
async fn a_browser_is_sent_away_at_once() {
    for service in SERVICES {
        let mut house = House::new().await;
        let mut client = Client::greeted(&mut house, service).await;
        client.say("GET / HTTP/1.1\r\nHost: mail.example.org").await;
        let mut rest = String::new();
        let end = tokio::time::timeout(PATIENCE, client.0.read_to_string(&mut rest));
        end.await.unwrap().unwrap();
        assert!(rest.lines().count() <= 1, "{service:?}: {rest}");
    }
}
