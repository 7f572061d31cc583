//! Transcripts in `tests/transcripts/submission/`, replayed whole, octet by octet, and in random pieces.
//!
//! `C:` and `S:` are lines with CRLF; `C|` and `S|` are octets with Rust's escapes and no line end. `--TLS--`
//! is the handshake. In the server's transcripts `# config` sets a key, `--CLOSED--` and `--VIOLATION X--` are
//! the end, and `D|` is the content of the message stored last. In the client's, `!` is what the owner does
//! and `E:` how the event it is told begins, in Debug form.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that meets the unexpected fails"
)]

use std::path::PathBuf;
use std::sync::Arc;

use pillarbox_policy::{AccountLevel, Credentials, TlsFacts};
use pillarbox_proto::sasl::Nonce;
use pillarbox_proto::smtp::LineEnds;
use pillarbox_proto::smtp::submission::client::{Client, Envelope};
use pillarbox_proto::smtp::submission::server::{
    Config, Event, LoginAnswer, LoginsInClear, Server, StartTlsOffer, Violation,
};
use pillarbox_proto::smtp::{Body, DeliveryReports, ForwardPath, Mail, Refusal, ReversePath};
use pillarbox_proto::{
    AsksForPermit, Clear, Legacy, LoginChannel, Machine, Sealed, Start, Step, Upgrade,
};
use pillarbox_testkit::facts_with;
use proptest::prelude::*;

use crate::channels::{clear, permitted, window};

fn transcripts(role: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/transcripts/submission")
        .join(role);
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    assert!(!all.is_empty());
    all
}

fn starttls_facts() -> TlsFacts {
    facts_with(|parts| {
        parts.tls_start = pillarbox_names::TlsStart::StartTls;
        parts.binding = None;
    })
}

/// Undoes `\r`, `\n`, `\0`, `\t`, `\\`, `\xHH` and `\{n}`, which repeats the octet before it up to n times.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next != '\\' {
            let mut utf8 = [0; 4];
            octets.extend_from_slice(next.encode_utf8(&mut utf8).as_bytes());
            continue;
        }
        match rest.next().unwrap() {
            'r' => octets.push(b'\r'),
            'n' => octets.push(b'\n'),
            't' => octets.push(b'\t'),
            '0' => octets.push(0),
            '\\' => octets.push(b'\\'),
            'x' => {
                let digits: String = rest.by_ref().take(2).collect();
                octets.push(u8::from_str_radix(&digits, 16).unwrap());
            }
            '{' => {
                let count: String = rest.by_ref().take_while(|&next| next != '}').collect();
                let last = *octets.last().unwrap();
                octets.extend(std::iter::repeat_n(
                    last,
                    count.parse::<usize>().unwrap() - 1,
                ));
            }
            other => panic!("\\{other}"),
        }
    }
    octets
}

/// What a transcript's line says.
enum Said<'a> {
    Input(Vec<u8>),
    Output(Vec<u8>),
    Other(&'a str),
}

fn said<'a>(line: &'a str, inward: char, outward: char) -> Said<'a> {
    let octets = |text: &str, kind: char| match kind {
        ':' => [
            unescape(text.strip_prefix(' ').unwrap_or(text)),
            b"\r\n".to_vec(),
        ]
        .concat(),
        _ => unescape(text.strip_prefix(' ').unwrap_or(text)),
    };
    let mut chars = line.chars();
    match (chars.next(), chars.next()) {
        (Some(who), Some(kind @ (':' | '|'))) if who == inward => {
            Said::Input(octets(chars.as_str(), kind))
        }
        (Some(who), Some(kind @ (':' | '|'))) if who == outward => {
            Said::Output(octets(chars.as_str(), kind))
        }
        _ => Said::Other(line),
    }
}

/// How input is cut into pieces.
struct Cuts(Box<dyn FnMut() -> usize>);

impl Cuts {
    fn whole() -> Self {
        Self(Box::new(|| usize::MAX))
    }
    fn single() -> Self {
        Self(Box::new(|| 1))
    }
    fn feed(&mut self, mut input: &[u8], mut give: impl FnMut(&[u8])) {
        while !input.is_empty() {
            let (piece, rest) = input.split_at((self.0)().min(input.len()));
            give(piece);
            input = rest;
        }
    }
    fn cycle(cuts: Vec<usize>) -> Self {
        let mut cuts = cuts.into_iter().cycle();
        Self(Box::new(move || cuts.next().unwrap()))
    }
}

/// What a server's session begins as.
#[derive(Clone, Copy)]
enum Opening {
    Sealed,
    Clear,
    Window,
}

enum AnyServer {
    /// With a window for every login, or none.
    Clear(Server<Clear>, Opening),
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
    end: Option<Result<(), Violation>>,
}

impl Served {
    fn new(config: Config, start: Opening) -> Self {
        let config = Arc::new(config);
        let clear_with = |config, logins| {
            let server = Server::<Clear>::start(&clear(), (config, logins));
            AnyServer::Clear(server, start)
        };
        Self {
            config: Arc::clone(&config),
            server: Some(match start {
                Opening::Clear => clear_with(config, LoginsInClear::NotListed),
                Opening::Window => clear_with(config, LoginsInClear::Listed),
                Opening::Sealed => {
                    let facts = facts_with(|parts| parts.binding = None);
                    AnyServer::Sealed(Server::<Sealed>::start(&Sealed::new(facts), config))
                }
            }),
            out: Vec::new(),
            content: Vec::new(),
            stored: None,
            starttls: false,
            end: None,
        }
    }

    fn input(&mut self, octets: &[u8]) {
        match self.server.as_mut().unwrap() {
            AnyServer::Clear(server, _) => server.input(octets),
            AnyServer::Legacy(server) => server.input(octets),
            AnyServer::Sealed(server) => server.input(octets),
        }
        self.pump();
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
                        (AnyServer::Clear(server, Opening::Window), Event::NeedPermit) => {
                            AnyServer::Legacy(permitted(server))
                        }
                        (AnyServer::Clear(mut server, opening), event) => {
                            match event {
                                Event::StartTls => self.starttls = true,
                                Event::NeedPermit => server.refuse_login(),
                                Event::TransactionAbandoned => {}
                                other => panic!("{other:?}"),
                            }
                            AnyServer::Clear(server, opening)
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
                    self.end = Some(Ok(()));
                    break;
                }
                Step::Err(violation) => {
                    self.end = Some(Err(violation));
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
            Event::NeedNonce => server.nonce(Nonce::from_random([1; 18])),
            Event::CheckPassword {
                login, password, ..
            } => {
                server.login_decided(match (login.as_str(), password.expose()) {
                    ("ann@example.org", "secret") => LoginAnswer::Accept,
                    ("old@example.org", "secret") => LoginAnswer::PasswordChangeNeeded,
                    ("tls13@example.org", _) => LoginAnswer::ChannelTooWeak,
                    ("later@example.org", _) => LoginAnswer::Unavailable,
                    _ => LoginAnswer::Refuse,
                });
            }
            Event::Authenticated { login, .. } => assert_eq!(login, "ann@example.org"),
            Event::Sender(Mail { reverse_path, .. }) => match &reverse_path {
                ReversePath::Null => server.accept(),
                ReversePath::Address(address) if !address.domain().is_fully_qualified() => {
                    server.refuse(Refusal::SenderNotQualified);
                }
                ReversePath::Address(address) if address.local_part() == "bob" => {
                    server.refuse(Refusal::NotYourAddress);
                }
                ReversePath::Address(_) => server.accept(),
            },
            Event::Recipient(rcpt) => match &rcpt.forward_path {
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
            Event::ContentBegins => {
                self.content.clear();
                server.accept();
            }
            Event::Content(piece) => {
                assert!(piece.len() <= 16 * 1024);
                self.content.extend(piece);
                if self.content.starts_with(b"FULL") {
                    server.refuse(Refusal::StorageFull);
                }
            }
            Event::ContentEnds => {
                self.stored = Some(std::mem::take(&mut self.content));
                server.accept();
            }
            Event::TransactionAbandoned => self.content.clear(),
            other => panic!("{other:?}"),
        }
    }

    fn seal(&mut self) {
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
}

fn configure(text: &str) -> (Config, Opening) {
    let mut config = Config::new("mail.example.org");
    let mut opening = Opening::Sealed;
    for line in text
        .lines()
        .filter_map(|line| line.strip_prefix("# config "))
    {
        let (key, value) = line.split_once(' ').unwrap();
        match (key, value) {
            ("channel", "clear") => opening = Opening::Clear,
            ("channel", "window") => opening = Opening::Window,
            ("starttls", "unavailable") => config.starttls = StartTlsOffer::Unavailable,
            ("reports", "offered") => config.reports = DeliveryReports::Offered,
            ("message", octets) => config.limits.message = octets.parse().unwrap(),
            ("recipients", count) => config.limits.recipients = count.parse().unwrap(),
            ("errors", count) => {
                config.limits.errors = count.parse().unwrap();
                config.limits.errors_before_login = config.limits.errors;
            }
            ("commands", count) => config.limits.commands_before_login = count.parse().unwrap(),
            ("logins", count) => config.limits.failed_logins = count.parse().unwrap(),
            _ => panic!("{line}"),
        }
    }
    (config, opening)
}

fn replay_server(name: &str, text: &str, cuts: &mut Cuts) {
    let (config, opening) = configure(text);
    let mut served = Served::new(config, opening);
    served.pump();
    let mut pending: Vec<u8> = Vec::new();
    let mut expected = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = format!("{name}:{}", number + 1);
        let said = said(line, 'C', 'S');
        if !matches!(said, Said::Input(_)) && !pending.is_empty() {
            cuts.feed(&std::mem::take(&mut pending), |piece| served.input(piece));
        }
        if !matches!(said, Said::Output(_)) && !expected.is_empty() {
            assert_eq!(
                String::from_utf8_lossy(&served.out),
                String::from_utf8_lossy(&expected),
                "{at}"
            );
            served.out.clear();
            expected.clear();
        }
        match said {
            Said::Input(octets) => pending.extend(octets),
            Said::Output(octets) => expected.extend(octets),
            Said::Other("--TLS--") => served.seal(),
            Said::Other("--CLOSED--") => assert_eq!(served.end, Some(Ok(())), "{at}"),
            Said::Other(line) if line.starts_with("--VIOLATION ") => {
                let wanted = line
                    .trim_start_matches("--VIOLATION ")
                    .trim_end_matches("--");
                let Some(Err(violation)) = served.end else {
                    panic!("{at}: {:?}", served.end);
                };
                let found = format!("{violation:?}");
                assert!(found.starts_with(wanted), "{at}: {found}");
            }
            Said::Other(line) if line.starts_with("D|") => {
                let wanted = unescape(line[2..].strip_prefix(' ').unwrap());
                let stored = served.stored.take();
                assert_eq!(
                    stored.map(|stored| stored.escape_ascii().to_string()),
                    Some(wanted.escape_ascii().to_string()),
                    "{at}"
                );
            }
            Said::Other(line) => assert!(line.is_empty() || line.starts_with('#'), "{at}: {line}"),
        }
    }
    assert!(pending.is_empty(), "{name}: input at the very end");
    assert_eq!(
        String::from_utf8_lossy(&served.out),
        String::from_utf8_lossy(&expected),
        "{name}: at the end"
    );
    assert_eq!(
        served.stored, None,
        "{name}: a message was stored and not looked at"
    );
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
    fn input(&mut self, octets: &[u8]) {
        match self.client.as_mut().unwrap() {
            AnyClient::Clear(client) => client.input(octets),
            AnyClient::Sealed(client) => client.input(octets),
        }
        self.pump();
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

fn replay_client(name: &str, text: &str, cuts: &mut Cuts) {
    let in_the_clear = text.lines().any(|line| line == "# config channel clear");
    let plain = |parts: &mut pillarbox_policy::FactsParts| parts.binding = None;
    let mut served = Driven {
        client: Some(if in_the_clear {
            AnyClient::Clear(Client::<Clear>::start(&clear(), ()))
        } else {
            AnyClient::Sealed(Client::<Sealed>::start(&Sealed::new(facts_with(plain)), ()))
        }),
        out: Vec::new(),
        events: Vec::new(),
        end: None,
    };
    served.pump();
    let mut pending: Vec<u8> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = format!("{name}:{}", number + 1);
        let said = said(line, 'S', 'C');
        if !matches!(said, Said::Input(_)) && !pending.is_empty() {
            cuts.feed(&std::mem::take(&mut pending), |piece| served.input(piece));
        }
        match said {
            Said::Input(octets) => pending.extend(octets),
            Said::Output(octets) => {
                assert!(
                    served.out.starts_with(&octets),
                    "{at}: {}",
                    served.out.escape_ascii()
                );
                served.out.drain(..octets.len());
            }
            Said::Other("--TLS--") => {
                let Some(AnyClient::Clear(client)) = served.client.take() else {
                    panic!("{at}: TLS twice");
                };
                client.nothing_left().unwrap();
                let channel = Sealed::new(starttls_facts());
                served.client = Some(AnyClient::Sealed(Client::<Sealed>::start(&channel, ())));
                served.pump();
            }
            Said::Other(line) if line.starts_with("E: ") => {
                assert!(
                    !served.events.is_empty(),
                    "{at}: no event, {:?}",
                    served.end
                );
                let event = served.events.remove(0);
                assert!(event.starts_with(&line[3..]), "{at}: {event}");
            }
            Said::Other(line) if line.starts_with("--END ") => {
                let wanted = line.trim_start_matches("--END ").trim_end_matches("--");
                let end = served.end.clone().unwrap_or_default();
                assert!(end.starts_with(wanted), "{at}: {end}");
                served.pump();
            }
            Said::Other(line) if line.starts_with("! ") => served.act(&line[2..]),
            Said::Other(line) => assert!(line.is_empty() || line.starts_with('#'), "{at}: {line}"),
        }
    }
    assert!(pending.is_empty(), "{name}: input at the very end");
    assert_eq!(
        served.out.escape_ascii().to_string(),
        "",
        "{name}: more was written"
    );
    assert_eq!(served.events, [""; 0], "{name}: more events");
}

#[test]
fn server_transcripts_whole_and_octet_by_octet() {
    for (name, text) in transcripts("server") {
        replay_server(&name, &text, &mut Cuts::whole());
        replay_server(&name, &text, &mut Cuts::single());
    }
}

#[test]
fn client_transcripts_whole_and_octet_by_octet() {
    for (name, text) in transcripts("client") {
        replay_client(&name, &text, &mut Cuts::whole());
        replay_client(&name, &text, &mut Cuts::single());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn server_transcripts_in_random_pieces(cuts in proptest::collection::vec(1usize..40, 1..20)) {
        for (name, text) in transcripts("server") {
            replay_server(&name, &text, &mut Cuts::cycle(cuts.clone()));
        }
    }

    #[test]
    fn client_transcripts_in_random_pieces(cuts in proptest::collection::vec(1usize..40, 1..20)) {
        for (name, text) in transcripts("client") {
            replay_client(&name, &text, &mut Cuts::cycle(cuts.clone()));
        }
    }
}
