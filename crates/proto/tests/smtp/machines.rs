//! Both machines against each other, against injected octets, and against octets of any kind.

use std::sync::Arc;

use pillarbox_names::TlsStart;
use pillarbox_policy::{
    AccountLevel, Credentials, LoginOutcome, LoginRefusal, RefusalCode, Secret, TlsFacts,
};
use pillarbox_proto::sasl::{
    LoginAnswer, LoginEvent, LoginMethod, LoginQuestion, Mechanism, Nonce, ScramKeys,
};
use pillarbox_proto::smtp::LineEnds;
use pillarbox_proto::smtp::submission::client::{
    AuthenticateError, Client, Envelope, Event as Told, Failure, SendError,
};
use pillarbox_proto::smtp::submission::server::{
    Config, Event, Limits, LoginsInClear, Request, Server, Violation,
};
use pillarbox_proto::smtp::{Body, ReversePath};
use pillarbox_proto::{
    AsksForPermit, ChannelState, Clear, LoginChannel, LoginMachine, Machine, OnChannel, Sealed,
    Start, Step, Upgrade,
};
use pillarbox_testkit::{facts, facts_with, starttls_facts};
use proptest::prelude::*;

use crate::channels::clear;

const LOGIN: &str = "ann@example.org";
const PASSWORD: &str = "correct horse";

fn server_config() -> Arc<Config> {
    Arc::new(Config::new("mail.example.org"))
}

fn keys() -> ScramKeys {
    ScramKeys::derive(&Secret::from(PASSWORD), &[9; 16], 4096).unwrap()
}

/// A toy caller of a server: everything is accepted, and what happened is kept.
#[derive(Debug, Default, PartialEq, Eq)]
struct Caller {
    logins: Vec<(LoginMethod, LoginOutcome)>,
    recipients: usize,
    content: Vec<u8>,
    messages: Vec<Vec<u8>>,
    abandoned: usize,
    starttls: usize,
}

impl Caller {
    fn answer<C: LoginChannel>(&mut self, server: &mut Server<C>, event: Event) {
        match event {
            Event::StartTls => self.starttls += 1,
            Event::Login(LoginEvent { method, question }) => {
                server.answer_login(match question {
                    LoginQuestion::Nonce => LoginAnswer::Nonce(Nonce::from_random([1; 18])),
                    LoginQuestion::ScramKeys { .. } => LoginAnswer::Keys(keys()),
                    LoginQuestion::Password { login, password }
                        if login == LOGIN && password.expose() == PASSWORD =>
                    {
                        LoginAnswer::Accept
                    }
                    LoginQuestion::Password { .. } => {
                        LoginAnswer::Refuse(LoginRefusal::Credentials)
                    }
                    LoginQuestion::Proof { .. } => LoginAnswer::Accept,
                    LoginQuestion::Ended { outcome, .. } => {
                        self.logins.push((method, outcome));
                        LoginAnswer::Recorded
                    }
                });
            }
            Event::Request(Request::Sender(_)) => server.accept(),
            Event::Request(Request::Recipient(_)) => {
                self.recipients += 1;
                server.accept();
            }
            Event::Request(Request::ContentBegins) => {
                self.content.clear();
                server.accept();
            }
            Event::Request(Request::Content(piece)) => {
                assert!(!piece.is_empty() && piece.len() <= 16 * 1024);
                self.content.extend(piece);
            }
            Event::Request(Request::ContentEnds) => {
                self.messages.push(std::mem::take(&mut self.content));
                server.accept();
            }
            Event::Request(Request::TransactionAbandoned) => {
                self.abandoned += 1;
                self.content.clear();
            }
            other => panic!("{other:?}"),
        }
    }

    /// Runs the server until it waits; answers what it wrote and how it ended, if it did.
    fn run<S: Served>(&mut self, server: &mut S) -> (Vec<u8>, Option<Result<(), Violation>>) {
        let mut out = Vec::new();
        loop {
            match server.poll() {
                Step::Output(octets) => {
                    assert!(octets.len() <= 17 * 1024);
                    out.extend_from_slice(&octets);
                }
                Step::Event(event) => server.answer(self, event),
                Step::NeedInput | Step::NeedReply => return (out, None),
                Step::Close => return (out, Some(Ok(()))),
                Step::Err(violation) => return (out, Some(Err(violation))),
            }
        }
    }
}

/// A server in some state of its channel, and how its caller answers it.
trait Served: Machine<Event = Event, Error = Violation> {
    fn answer(&mut self, caller: &mut Caller, event: Event);
}

impl Served for Server<Sealed> {
    fn answer(&mut self, caller: &mut Caller, event: Event) {
        caller.answer(self, event);
    }
}

/// There is no window.
impl Served for Server<Clear> {
    fn answer(&mut self, caller: &mut Caller, event: Event) {
        match event {
            Event::StartTls => caller.starttls += 1,
            Event::NeedPermit => self.refuse_login(),
            Event::Request(Request::TransactionAbandoned) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn clear_server(config: Arc<Config>) -> Server<Clear> {
    Server::<Clear>::start(&clear(), (config, LoginsInClear::NotListed))
}

/// Carries octets both ways until neither end has anything to say; answers what the client told.
fn converse<A: ChannelState, S: Served>(
    client: &mut Client<A>,
    server: &mut S,
    caller: &mut Caller,
) -> Vec<Told> {
    let mut told = Vec::new();
    loop {
        let (out, _) = caller.run(server);
        let mut quiet = out.is_empty();
        client.input(&out);
        loop {
            match client.poll() {
                Step::Output(octets) => {
                    quiet = false;
                    server.input(&octets);
                }
                Step::Event(event) => told.push(event),
                Step::Err(failure) => panic!("{failure}"),
                _ => break,
            }
        }
        if quiet {
            return told;
        }
    }
}

/// A client that has logged in over STARTTLS with these facts at both ends.
fn logged_in(facts: impl Fn() -> TlsFacts) -> (Client<Sealed>, Server<Sealed>, Caller, Mechanism) {
    let mut caller = Caller::default();
    let mut server = clear_server(server_config());
    let mut client = Client::<Clear>::start(&clear(), ());
    let told = converse(&mut client, &mut server, &mut caller);
    assert_eq!(told, [Told::StartTls]);
    assert_eq!(caller.starttls, 1);
    server.nothing_left().unwrap();
    client.nothing_left().unwrap();
    let mut server = Server::<Sealed>::start(&Sealed::new(facts()), server_config());
    let mut client = Client::<Sealed>::start(&Sealed::new(facts()), ());
    let told = converse(&mut client, &mut server, &mut caller);
    assert!(matches!(told.as_slice(), [Told::Ready(_)]));
    let credentials = Credentials::new(LOGIN, PASSWORD.into(), &AccountLevel::default());
    let mechanism = client
        .authenticate(&credentials, Nonce::from_random([2; 18]))
        .unwrap();
    let told = converse(&mut client, &mut server, &mut caller);
    assert_eq!(told, [Told::Authenticated(mechanism)]);
    (client, server, caller, mechanism)
}

fn envelope(recipients: usize, size: usize) -> Envelope {
    Envelope {
        sender: ReversePath::Address(LOGIN.parse().unwrap()),
        recipients: (0..recipients)
            .map(|number| format!("to{number}@example.org").parse().unwrap())
            .collect(),
        size: size as u64,
        body: Body::EightBitMime,
        utf8_header: false,
    }
}

/// Sends one message in pieces; answers what the server got.
fn send(recipients: usize, pieces: &[&[u8]], ends: LineEnds) -> Vec<u8> {
    let (mut client, mut server, mut caller, _) = logged_in(starttls_facts);
    client.send(envelope(recipients, 1)).unwrap();
    let told = converse(&mut client, &mut server, &mut caller);
    assert_eq!(
        told,
        [Told::RecipientsAnswered {
            accepted: recipients,
            refused: Vec::new()
        }]
    );
    assert_eq!(caller.recipients, recipients);
    client.go_ahead(ends);
    for piece in pieces {
        assert_eq!(
            converse(&mut client, &mut server, &mut caller),
            [Told::NeedContent]
        );
        client.content(piece).unwrap();
    }
    assert_eq!(
        converse(&mut client, &mut server, &mut caller),
        [Told::NeedContent]
    );
    client.end_content().unwrap();
    let told = converse(&mut client, &mut server, &mut caller);
    assert!(matches!(told.as_slice(), [Told::Sent(reply)] if reply.code == 250));
    client.quit();
    converse(&mut client, &mut server, &mut caller);
    assert_eq!(client.poll(), Step::Close);
    assert_eq!(server.poll(), Step::Close);
    assert_eq!(caller.messages.len(), 1);
    caller.messages.remove(0)
}

#[test]
fn the_best_mechanism_of_the_channel_is_used() {
    assert_eq!(logged_in(starttls_facts).3, Mechanism::ScramSha256Plus);
    let unbound = || {
        facts_with(|parts| {
            parts.tls_start = TlsStart::StartTls;
            parts.binding = None;
        })
    };
    let (_, _, caller, mechanism) = logged_in(unbound);
    assert_eq!(mechanism, Mechanism::ScramSha256);
    assert_eq!(
        caller.logins,
        [(
            LoginMethod::Sasl(Mechanism::ScramSha256),
            LoginOutcome::Succeeded
        )]
    );
}

#[test]
fn a_wrong_password_is_refused_by_every_mechanism() {
    let mut caller = Caller::default();
    let mut server = Server::<Sealed>::start(&Sealed::new(facts()), server_config());
    let mut client = Client::<Sealed>::start(&Sealed::new(facts()), ());
    converse(&mut client, &mut server, &mut caller);
    let credentials = Credentials::new(LOGIN, "wrong".into(), &AccountLevel::default());
    client
        .authenticate(&credentials, Nonce::from_random([2; 18]))
        .unwrap();
    let told = converse(&mut client, &mut server, &mut caller);
    let [Told::NotAuthenticated(failure)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert!(failure.to_string().contains("535 5.7.8"), "{failure}");
    let plus = LoginMethod::Sasl(Mechanism::ScramSha256Plus);
    let refused = LoginOutcome::Refused(LoginRefusal::Credentials);
    assert_eq!(caller.logins, [(plus, refused)]);
    assert_eq!(client.send(envelope(1, 1)), Err(SendError::OutOfTurn));
}

#[test]
fn a_session_below_the_level_gets_no_password() {
    let mut caller = Caller::default();
    let pinned = facts_with(|parts| {
        parts.peer = pillarbox_policy::PeerProof::Pinned {
            fingerprint: "00".to_owned(),
        };
    });
    let mut server = Server::<Sealed>::start(&Sealed::new(facts()), server_config());
    let mut client = Client::<Sealed>::start(&Sealed::new(pinned), ());
    converse(&mut client, &mut server, &mut caller);
    let credentials = Credentials::new(LOGIN, PASSWORD.into(), &AccountLevel::default());
    let refused = client.authenticate(&credentials, Nonce::from_random([2; 18]));
    let Err(AuthenticateError::Refused(refusal)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refusal.code(), RefusalCode::PinOnly);
    assert!(converse(&mut client, &mut server, &mut caller).is_empty());
    assert_eq!(caller.logins, []);
}

#[test]
fn what_the_server_cannot_take_is_not_begun() {
    let (mut client, ..) = logged_in(starttls_facts);
    let limit = Limits::default().message;
    assert_eq!(
        client.send(envelope(1, usize::try_from(limit).unwrap() + 1)),
        Err(SendError::TooLarge {
            size: limit + 1,
            limit
        })
    );
    assert_eq!(client.send(envelope(0, 1)), Err(SendError::NoRecipients));
    assert_eq!(
        client.content(b"x"),
        Err(pillarbox_proto::smtp::ContentError::OutOfTurn)
    );
}

#[test]
fn many_recipients_are_pipelined_in_batches() {
    assert_eq!(send(300, &[b"x\r\n"], LineEnds::Crlf), b"x\r\n");
}

#[test]
fn what_stands_behind_starttls_ends_the_connection() {
    let suffix = b"MAIL FROM:<eve@example.org>\r\n";
    for length in 1..=suffix.len() {
        let mut caller = Caller::default();
        let mut server = clear_server(server_config());
        server.input(b"EHLO x\r\nSTARTTLS\r\n");
        server.input(&suffix[..length]);
        let (out, end) = caller.run(&mut server);
        assert!(
            out.ends_with(b"554 5.7.0 Data stood behind STARTTLS; this connection is not safe\r\n")
        );
        let Some(Err(violation @ Violation::Injected(injected))) = end else {
            panic!("{end:?}");
        };
        assert_eq!(injected.bytes, length);
        assert_eq!(violation.code(), RefusalCode::CommandInjection);
        assert_eq!(caller.starttls, 0);
    }
}

#[test]
fn what_comes_in_the_clear_after_the_go_ahead_ends_the_connection() {
    let mut caller = Caller::default();
    let mut server = clear_server(server_config());
    server.input(b"EHLO x\r\nSTARTTLS\r\n");
    caller.run(&mut server);
    server.input(b"NOOP\r\n");
    let (out, _) = caller.run(&mut server);
    assert_eq!(out, b"", "nothing is read before TLS");
    let injected = server.nothing_left().unwrap_err();
    assert_eq!(
        (injected.bytes, injected.code()),
        (6, RefusalCode::CommandInjection)
    );
}

#[test]
fn what_stands_behind_the_answer_to_starttls_ends_the_connection() {
    let suffix = b"250 AUTH PLAIN\r\n";
    for length in 1..=suffix.len() {
        let mut client = Client::<Clear>::start(&clear(), ());
        for input in [b"220 x\r\n".as_slice(), b"250-x\r\n250 STARTTLS\r\n"] {
            client.input(input);
            while let Step::Output(_) = client.poll() {}
        }
        client.input(b"220 go\r\n");
        client.input(&suffix[..length]);
        let Step::Err(Failure::Injected(injected)) = client.poll() else {
            panic!();
        };
        assert_eq!(injected.bytes, length);
        assert_eq!(injected.code(), RefusalCode::ResponseInjection);
    }
}

#[test]
fn what_comes_to_the_client_before_the_handshake_ends_the_connection() {
    let mut client = Client::<Clear>::start(&clear(), ());
    for input in [
        b"220 x\r\n".as_slice(),
        b"250-x\r\n250 STARTTLS\r\n",
        b"220 go\r\n",
    ] {
        client.input(input);
        while let Step::Output(_) = client.poll() {}
    }
    client.input(b"2");
    assert_eq!(client.nothing_left().unwrap_err().bytes, 1);
}

#[test]
fn answers_before_their_commands_end_the_connection() {
    for early in [
        b"220 x\r\n250 STARTTLS\r\n".as_slice(),
        b"220 x\r\n250-",
        b"220 x\r\n2",
    ] {
        let mut client = Client::<Clear>::start(&clear(), ());
        client.input(early);
        assert_eq!(client.poll(), Step::Err(Failure::EarlyAnswer));
    }
    let mut client = Client::<Clear>::start(&clear(), ());
    client.input(b"220 x\r\n");
    assert!(matches!(client.poll(), Step::Output(_)));
    client.input(b"250-x\r\n250 STARTTLS\r\n220 go\r\n");
    assert_eq!(client.poll(), Step::Err(Failure::EarlyAnswer));
}

/// Lines, whole and broken, that reach into every state.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let words: Vec<&[u8]> = vec![
        b"EHLO x\r\n",
        b"HELO x\r\n",
        b"AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl\r\n",
        b"AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB3cm9uZw==\r\n",
        b"AUTH LOGIN\r\n",
        b"AUTH SCRAM-SHA-256\r\n",
        b"biwsbj1hbm4scj1hYmM=\r\n",
        b"YW5u\r\n",
        b"*\r\n",
        b"MAIL FROM:<ann@example.org>\r\n",
        b"MAIL FROM:<> SIZE=9 SMTPUTF8\r\n",
        b"RCPT TO:<bob@example.org>\r\n",
        b"RCPT TO:<\xc3\xa9@example.org>\r\n",
        b"DATA\r\n",
        b"a\r\n..b\r\n.\r\n",
        b"a\n.\n",
        b"\r\n.\r\n",
        b".",
        b"\r",
        b"\n",
        b"\0",
        b"BDAT 4\r\nNOOP",
        b"BDAT 2 LAST\r\n\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT x\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"QUIT\r\n",
        b"xx",
        b" ",
    ];
    proptest::collection::vec(proptest::sample::select(words), 0..24)
        .prop_map(|words| words.concat())
}

fn small() -> Arc<Config> {
    let mut config = Config::new("mail.example.org");
    config.limits.message = 40;
    config.limits.session.bad_before_login = 20;
    Arc::new(config)
}

proptest! {
    #[test]
    fn any_message_arrives_as_it_was(
        lines in proptest::collection::vec("[.]{0,3}[a-zé ]{0,8}", 0..20),
        cut in 1usize..40,
    ) {
        let lf: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let crlf = lf.replace('\n', "\r\n");
        let pieces: Vec<&[u8]> = lf.as_bytes().chunks(cut).collect();
        prop_assert_eq!(&send(1, &pieces, LineEnds::Lf), crlf.as_bytes());
        let pieces: Vec<&[u8]> = crlf.as_bytes().chunks(cut).collect();
        prop_assert_eq!(&send(1, &pieces, LineEnds::Crlf), crlf.as_bytes());
    }

    #[test]
    fn splitting_the_input_of_a_sealed_server_changes_nothing(
        login in any::<bool>(),
        mut input in fragments(),
        cuts in proptest::collection::vec(1usize..9, 1..40),
    ) {
        if login {
            let hello = b"EHLO x\r\nAUTH PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl\r\n";
            input.splice(..0, hello.iter().copied());
        }
        let run = |pieces: &[&[u8]]| {
            let mut caller = Caller::default();
            let mut server = Server::<Sealed>::start(&Sealed::new(facts()), small());
            let (mut out, mut end) = caller.run(&mut server);
            for piece in pieces {
                server.input(piece);
                let (more, over) = caller.run(&mut server);
                out.extend(more);
                end = end.or(over);
            }
            caller.content.clear();
            (String::from_utf8(out).unwrap(), end, caller)
        };
        let mut pieces = Vec::new();
        let mut rest = input.as_slice();
        let mut cuts = cuts.into_iter().cycle();
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at(cuts.next().unwrap().min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(run(&pieces), run(&[&input]));
    }

    #[test]
    fn a_cleartext_server_takes_no_password_and_no_mail(input in fragments()) {
        let mut caller = Caller::default();
        let mut server = clear_server(small());
        server.input(&input);
        let (out, _) = caller.run(&mut server);
        prop_assert_eq!(caller, Caller::default());
        prop_assert!(!out.windows(3).any(|code| code == b"235" || code == b"354" || code == b"334"));
    }

    #[test]
    fn a_client_in_the_clear_says_three_things_at_most(input in proptest::collection::vec(any::<u8>(), 0..200), known in 0usize..4) {
        let mut client = Client::<Clear>::start(&clear(), ());
        let mut out = Vec::new();
        let mut drain = |client: &mut Client<Clear>| while let Step::Output(octets) = client.poll() { out.extend_from_slice(&octets) };
        for reply in [b"220 x\r\n".as_slice(), b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n"].into_iter().take(known) {
            client.input(reply);
            drain(&mut client);
        }
        client.input(&input);
        drain(&mut client);
        prop_assert!(b"EHLO [127.0.0.1]\r\nSTARTTLS\r\n".starts_with(&out));
    }
}

#[test]
fn starttls_facts_are_those_of_the_handshake() {
    let (client, ..) = logged_in(starttls_facts);
    assert_eq!(client.channel().facts().tls_start(), TlsStart::StartTls);
}
