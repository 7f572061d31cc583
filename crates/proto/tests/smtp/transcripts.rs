//! Replays `tests/transcripts/submission/{server,client}/*.txt`. Sessions start as `sealed`, `clear`, or (server alone)
//! `window`. In the server's transcripts `@` sets a limit or an offer and `D|` is the content of the message stored
//! last; in the client's, `!` is what its user does and `E:` how the event it is told begins, in Debug form.

use std::sync::Arc;

use pillarbox_policy::{
    AccountLevel, Credentials, LadderRefusal, LoginOutcome, LoginRefusal, TlsFacts, TlsVersion,
};
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, Nonce};
use pillarbox_proto::smtp::LineEnds;
use pillarbox_proto::smtp::submission::client::{Client, Envelope};
use pillarbox_proto::smtp::submission::server::{
    Config, Event, LoginsInClear, Request, Server, StartTls,
};
use pillarbox_proto::smtp::{Body, DeliveryReports, ForwardPath, Mail, Refusal, ReversePath};
use pillarbox_proto::{
    AsksForPermit, Clear, Legacy, LoginChannel, LoginMachine, Machine, Sealed, Start as _, Step,
    Upgrade,
};
use pillarbox_testkit::facts_with;
use pillarbox_testkit::transcript::{Session, Side, Start, Transcripts, unescape};

use crate::channels::{clear, permitted, window};

fn starttls_facts() -> TlsFacts {
    facts_with(|parts| {
        parts.tls_start = pillarbox_names::TlsStart::StartTls;
        parts.binding = None;
    })
}

enum AnyServer {
    /// Whether logins are listed, and a window is opened for each.
    Clear(Server<Clear>, LoginsInClear),
    Legacy(Server<Legacy>),
    Sealed(Server<Sealed>),
}

/// A server with a toy owner.
struct Served {
    config: Arc<Config>,
    server: Option<AnyServer>,
    out: Vec<u8>,
    content: Vec<u8>,
    stored: Option<Vec<u8>>,
    starttls: bool,
    end: Option<String>,
}

impl Served {
    fn new(start: &Start) -> Self {
        let config = Arc::new(configured(start));
        let clear_with = |logins| {
            let server = Server::<Clear>::start(&clear(), (Arc::clone(&config), logins));
            AnyServer::Clear(server, logins)
        };
        let mut served = Self {
            server: Some(match start.channel.as_str() {
                "clear" => clear_with(LoginsInClear::NotListed),
                "window" => clear_with(LoginsInClear::Listed),
                "sealed" => {
                    let channel = Sealed::new(facts_with(|parts| parts.binding = None));
                    AnyServer::Sealed(Server::<Sealed>::start(&channel, Arc::clone(&config)))
                }
                other => panic!("there is no channel {other:?}"),
            }),
            config,
            out: Vec::new(),
            content: Vec::new(),
            stored: None,
            starttls: false,
            end: None,
        };
        served.pump();
        served
    }

    fn pump(&mut self) {
        let mut server = self.server.take().unwrap();
        loop {
            let step = match &mut server {
                AnyServer::Clear(server, _) => server.poll(),
                AnyServer::Legacy(server) => server.poll(),
                AnyServer::Sealed(server) => server.poll(),
            };
            match step {
                Step::Output(octets) => self.out.extend_from_slice(&octets),
                Step::Event(event) => {
                    server = match (server, event) {
                        (AnyServer::Clear(server, LoginsInClear::Listed), Event::NeedPermit) => {
                            AnyServer::Legacy(permitted(server))
                        }
                        (AnyServer::Clear(mut server, logins), event) => {
                            match event {
                                Event::StartTls => self.starttls = true,
                                Event::NeedPermit => server.refuse_login(),
                                Event::Request(Request::TransactionAbandoned) => {}
                                other => panic!("{other:?}"),
                            }
                            AnyServer::Clear(server, logins)
                        }
                        (AnyServer::Legacy(mut server), event) => {
                            self.answer(&mut server, event);
                            AnyServer::Legacy(server)
                        }
                        (AnyServer::Sealed(mut server), event) => {
                            self.answer(&mut server, event);
                            AnyServer::Sealed(server)
                        }
                    };
                }
                Step::NeedInput => break,
                Step::NeedReply => {
                    assert!(self.starttls, "an answer is owed");
                    break;
                }
                Step::Close => {
                    self.end = Some("Closed".to_owned());
                    break;
                }
                Step::Err(violation) => {
                    self.end = Some(format!("{violation:?}"));
                    break;
                }
            }
        }
        self.server = Some(server);
    }

    fn answer<C: LoginChannel>(&mut self, server: &mut Server<C>, event: Event) {
        match event {
            Event::StartTls => self.starttls = true,
            Event::NeedPermit => server.permit(Some(window())),
            Event::Login(event) => server.answer_login(answer_login(event.question)),
            Event::Request(Request::Sender(Mail { reverse_path, .. })) => match &reverse_path {
                ReversePath::Null => server.accept(),
                ReversePath::Address(address) if !address.domain().is_fully_qualified() => {
                    server.refuse(Refusal::SenderNotQualified);
                }
                ReversePath::Address(address) if address.local_part() == "bob" => {
                    server.refuse(Refusal::NotYourAddress);
                }
                ReversePath::Address(_) => server.accept(),
            },
            Event::Request(Request::Recipient(rcpt)) => match &rcpt.forward_path {
                ForwardPath::Address(address) if !address.domain().is_fully_qualified() => {
                    server.refuse(Refusal::RecipientNotQualified);
                }
                ForwardPath::Address(address) if address.domain().to_string() != "example.org" => {
                    server.refuse(Refusal::NoRelay);
                }
                ForwardPath::Address(address) if address.local_part() == "nobody" => {
                    server.refuse(Refusal::NoSuchMailbox);
                }
                _ => server.accept(),
            },
            Event::Request(Request::ContentBegins) => {
                self.content.clear();
                server.accept();
            }
            Event::Request(Request::Content(piece)) => {
                assert!(piece.len() <= 16 * 1024);
                self.content.extend(piece);
                if self.content.starts_with(b"FULL") {
                    server.refuse(Refusal::StorageFull);
                }
            }
            Event::Request(Request::ContentEnds) => {
                self.stored = Some(std::mem::take(&mut self.content));
                server.accept();
            }
            Event::Request(Request::TransactionAbandoned) => self.content.clear(),
        }
    }
}

impl Session for Served {
    fn input(&mut self, octets: &[u8]) {
        match self.server.as_mut().unwrap() {
            AnyServer::Clear(server, _) => server.input(octets),
            AnyServer::Legacy(server) => server.input(octets),
            AnyServer::Sealed(server) => server.input(octets),
        }
        self.pump();
    }

    fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn start_tls(&mut self) {
        assert!(std::mem::take(&mut self.starttls), "no go-ahead for TLS");
        match self.server.take() {
            Some(AnyServer::Clear(server, _)) => server.nothing_left().unwrap(),
            Some(AnyServer::Legacy(server)) => server.nothing_left().unwrap(),
            _ => panic!("TLS twice"),
        }
        let channel = Sealed::new(starttls_facts());
        let server = Server::<Sealed>::start(&channel, Arc::clone(&self.config));
        self.server = Some(AnyServer::Sealed(server));
    }

    fn end(&self) -> Option<String> {
        self.end.clone()
    }

    fn line(&mut self, line: &str) {
        let wanted = line.strip_prefix("D| ").unwrap();
        assert_eq!(
            self.stored
                .take()
                .map(|stored| stored.escape_ascii().to_string()),
            Some(unescape(wanted).escape_ascii().to_string())
        );
    }

    fn finish(&mut self) {
        assert_eq!(self.stored, None, "a message was stored and not looked at");
    }
}

fn answer_login(question: LoginQuestion) -> LoginAnswer {
    let refusal = match question {
        LoginQuestion::Nonce => return LoginAnswer::Nonce(Nonce::from_random([1; 18])),
        LoginQuestion::Password { login, password } => match (login.as_str(), password.expose()) {
            ("ann@example.org", "secret") => return LoginAnswer::Accept,
            ("old@example.org", "secret") => LoginRefusal::PasswordChangeNeeded,
            ("tls13@example.org", _) => {
                LoginRefusal::Ladder(LadderRefusal::NeedsVersion(TlsVersion::Tls13))
            }
            ("later@example.org", _) => LoginRefusal::Unavailable,
            _ => LoginRefusal::Credentials,
        },
        LoginQuestion::Ended { login, outcome } => {
            let ann = login.as_deref() == Some("ann@example.org");
            assert!(ann || outcome != LoginOutcome::Succeeded);
            return LoginAnswer::Recorded;
        }
        other => panic!("{other:?}"),
    };
    LoginAnswer::Refuse(refusal)
}

fn configured(start: &Start) -> Config {
    let mut config = Config::new("mail.example.org");
    for (key, value) in &start.settings {
        match (key.as_str(), value.as_str()) {
            ("starttls", "unavailable") => config.starttls = StartTls::NoCertificate,
            ("reports", "offered") => config.reports = DeliveryReports::Offered,
            ("message", octets) => config.limits.message = octets.parse().unwrap(),
            ("recipients", count) => config.limits.recipients = count.parse().unwrap(),
            ("errors", count) => {
                config.limits.session.bad_before_login = count.parse().unwrap();
                config.limits.session.bad_after_login = config.limits.session.bad_before_login;
            }
            ("commands", count) => {
                config.limits.session.commands_before_login = count.parse().unwrap()
            }
            ("logins", count) => config.limits.session.failed_logins = count.parse().unwrap(),
            _ => panic!("there is no setting {key} {value}"),
        }
    }
    config
}

enum AnyClient {
    Clear(Client<Clear>),
    Sealed(Client<Sealed>),
}

struct Driven {
    client: Option<AnyClient>,
    out: Vec<u8>,
    events: Vec<String>,
    end: Option<String>,
}

impl Driven {
    fn new(start: &Start) -> Self {
        let client = match start.channel.as_str() {
            "clear" => AnyClient::Clear(Client::<Clear>::start(&clear(), ())),
            "sealed" => {
                let channel = Sealed::new(facts_with(|parts| parts.binding = None));
                AnyClient::Sealed(Client::<Sealed>::start(&channel, ()))
            }
            other => panic!("there is no channel {other:?}"),
        };
        let mut driven = Self {
            client: Some(client),
            out: Vec::new(),
            events: Vec::new(),
            end: None,
        };
        driven.pump();
        driven
    }

    fn pump(&mut self) {
        loop {
            let step = match self.client.as_mut().unwrap() {
                AnyClient::Clear(client) => client.poll(),
                AnyClient::Sealed(client) => client.poll(),
            };
            match step {
                Step::Output(octets) => self.out.extend_from_slice(&octets),
                Step::Event(event) => self.events.push(format!("{event:?}")),
                Step::NeedInput | Step::NeedReply => return,
                Step::Close => {
                    self.end = Some("Closed".to_owned());
                    return;
                }
                Step::Err(failure) => {
                    self.end = Some(format!("{failure:?}"));
                    return;
                }
            }
        }
    }

    fn act(&mut self, action: &str) {
        let Some(AnyClient::Sealed(client)) = &mut self.client else {
            panic!("{action} in the clear");
        };
        let (verb, rest) = action.split_once(' ').unwrap_or((action, ""));
        match verb {
            "authenticate" => {
                let credentials =
                    Credentials::new("ann@example.org", "secret".into(), &AccountLevel::default());
                client
                    .authenticate(&credentials, Nonce::from_random([2; 18]))
                    .unwrap();
            }
            "send" => {
                let mut words = rest.split(' ');
                let size = words.next().unwrap().parse().unwrap();
                let sender = words.next().unwrap();
                client
                    .send(Envelope {
                        sender: ReversePath::Address(sender.parse().unwrap()),
                        recipients: words.map(|word| word.parse().unwrap()).collect(),
                        size,
                        body: Body::SevenBit,
                        utf8_header: false,
                    })
                    .unwrap();
            }
            "crlf" => client.go_ahead(LineEnds::Crlf),
            "lf" => client.go_ahead(LineEnds::Lf),
            "give-up" => client.give_up(),
            "content" => {
                let _ = client.content(&unescape(rest));
            }
            "end" => client.end_content().unwrap(),
            "quit" => client.quit(),
            _ => panic!("{action}"),
        }
        self.pump();
    }
}

impl Session for Driven {
    fn input(&mut self, octets: &[u8]) {
        match self.client.as_mut().unwrap() {
            AnyClient::Clear(client) => client.input(octets),
            AnyClient::Sealed(client) => client.input(octets),
        }
        self.pump();
    }

    fn output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn start_tls(&mut self) {
        let Some(AnyClient::Clear(client)) = self.client.take() else {
            panic!("TLS twice");
        };
        client.nothing_left().unwrap();
        let channel = Sealed::new(starttls_facts());
        self.client = Some(AnyClient::Sealed(Client::<Sealed>::start(&channel, ())));
        self.pump();
    }

    fn end(&self) -> Option<String> {
        self.end.clone()
    }

    fn line(&mut self, line: &str) {
        if let Some(action) = line.strip_prefix("! ") {
            return self.act(action);
        }
        let expected = line.strip_prefix("E: ").unwrap();
        assert!(!self.events.is_empty(), "no event, {:?}", self.end);
        let event = self.events.remove(0);
        assert!(event.starts_with(expected), "{event} is not {expected}");
    }

    fn finish(&mut self) {
        assert_eq!(self.events, [""; 0], "more events");
    }
}

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts/submission");

#[test]
fn server_transcripts_in_every_split() {
    Transcripts::read(&format!("{FOLDER}/server"), Side::Server)
        .replay(|start| Box::new(Served::new(start)));
}

#[test]
fn client_transcripts_in_every_split() {
    Transcripts::read(&format!("{FOLDER}/client"), Side::Client)
        .replay(|start| Box::new(Driven::new(start)));
}
