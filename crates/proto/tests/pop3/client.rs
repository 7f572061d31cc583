//! What the client makes of a server's words, inside TLS.

use pillarbox_policy::{AccountLevel, Credentials, PeerProof, Refusal};
use pillarbox_proto::line::LineError;
use pillarbox_proto::pop3::client::{
    Client, Event, LoggedInBy, LoginError, MAX_RESPONSE_LINE, NotNow, Violation,
};
use pillarbox_proto::pop3::response::ResponseCode;
use pillarbox_proto::sasl::{Mechanism, Nonce, client::Failure};
use pillarbox_proto::{Machine, Sealed, Start, Step};
use proptest::prelude::*;

use crate::both_ends::credentials;
use crate::caller::{PASSWORD, facts};

type ClientStep = Step<Event, Violation>;

fn nonce() -> Nonce {
    Nonce::from_random([7; Nonce::RANDOM])
}

fn output(client: &mut Client<Sealed>) -> String {
    match client.poll() {
        Step::Output(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        step => panic!("{step:?}"),
    }
}

/// A client that was greeted, and answered CAPA with these lines.
fn ready(capabilities: &str) -> Client<Sealed> {
    let mut client = Client::<Sealed>::start(&Sealed::new(facts()), ());
    client.input(b"+OK hello\r\n");
    assert_eq!(output(&mut client), "CAPA\r\n");
    client.input(capabilities.as_bytes());
    assert_eq!(client.poll(), Step::Event(Event::Ready));
    client
}

/// A client that is logged in.
fn logged_in() -> Client<Sealed> {
    let mut client = ready("+OK\r\nSASL PLAIN\r\n.\r\n");
    client.log_in(&credentials(PASSWORD), nonce()).unwrap();
    output(&mut client);
    client.input(b"+OK in\r\n");
    assert_eq!(
        client.poll(),
        Step::Event(Event::LoggedIn(LoggedInBy::Sasl(Mechanism::Plain)))
    );
    client
}

/// What a command's answer leads to.
fn answered(
    command: impl FnOnce(&mut Client<Sealed>) -> Result<(), NotNow>,
    answer: &[u8],
) -> ClientStep {
    let mut client = logged_in();
    command(&mut client).unwrap();
    output(&mut client);
    client.input(answer);
    client.poll()
}

#[test]
fn c11_the_best_mechanism_listed_is_used() {
    let first_command = |capabilities: &str| {
        let mut client = ready(capabilities);
        client
            .log_in(&credentials(PASSWORD), nonce())
            .map(|()| output(&mut client))
    };
    let starts = |capabilities: &str, start: &str| {
        let sent = first_command(capabilities).unwrap();
        assert!(sent.starts_with(start), "{sent}");
    };
    starts(
        "+OK\r\nUSER\r\nSASL PLAIN SCRAM-SHA-256\r\n.\r\n",
        "AUTH SCRAM-SHA-256 eSws",
    );
    starts(
        "+OK\r\nSASL PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n.\r\n",
        "AUTH SCRAM-SHA-256-PLUS cD10bHMt",
    );
    starts(
        "+OK\r\nsasl LOGIN CRAM-MD5 plain\r\n.\r\n",
        "AUTH PLAIN AGFubkBl",
    );
    starts(
        "+OK\r\nUSER\r\nSASL CRAM-MD5\r\n.\r\n",
        "USER ann@example.org\r\n",
    );
    starts("+OK\r\nUSER\r\n.\r\n", "USER ann@example.org\r\n");
    // RFC 1939 servers know no CAPA, and have USER.
    starts("-ERR what?\r\n", "USER ann@example.org\r\n");
    assert_eq!(
        first_command("+OK\r\nTOP\r\n.\r\n"),
        Err(LoginError::NoMechanism)
    );
    assert_eq!(
        first_command("+OK\r\nSASL CRAM-MD5\r\n.\r\n"),
        Err(LoginError::NoMechanism)
    );
}

#[test]
fn user_and_pass_are_sent_one_after_the_other() {
    let mut client = ready("-ERR\r\n");
    client.log_in(&credentials(PASSWORD), nonce()).unwrap();
    assert_eq!(output(&mut client), "USER ann@example.org\r\n");
    assert_eq!(client.poll(), Step::NeedInput);
    client.input(b"+OK\r\n");
    assert_eq!(output(&mut client), "PASS open sesame\r\n");
    client.input(b"+OK\r\n");
    assert_eq!(
        client.poll(),
        Step::Event(Event::LoggedIn(LoggedInBy::UserPass))
    );

    let mut client = ready("-ERR\r\n");
    client.log_in(&credentials(PASSWORD), nonce()).unwrap();
    output(&mut client);
    client.input(b"-ERR [SYS/PERM] nobody\r\n");
    let step = client.poll();
    assert!(
        matches!(&step, Step::Event(Event::LoginRefused(refused)) if refused.code == Some(ResponseCode::SysPerm)),
        "{step:?}"
    );
}

#[test]
fn s5_4_a_session_below_the_level_gets_no_password() {
    let anonymous = pillarbox_testkit::facts_with(|parts| parts.peer = PeerProof::Anonymous);
    let mut client = Client::<Sealed>::start(&Sealed::new(anonymous), ());
    client.input(b"+OK\r\n");
    output(&mut client);
    client.input(b"+OK\r\nSASL PLAIN\r\n.\r\n");
    assert_eq!(client.poll(), Step::Event(Event::Ready));
    let refused = client.log_in(&credentials(PASSWORD), nonce());
    assert!(matches!(
        refused,
        Err(LoginError::BelowLevel(Refusal::Unauthenticated { .. }))
    ));
    assert_eq!(client.poll(), Step::NeedInput);
}

#[test]
fn an_initial_response_that_does_not_fit_waits_for_the_challenge() {
    let long = "x".repeat(200);
    let credentials = Credentials::new("ann", long.as_str().into(), &AccountLevel::default());
    let mut client = ready("+OK\r\nSASL PLAIN\r\n.\r\n");
    client.log_in(&credentials, nonce()).unwrap();
    assert_eq!(output(&mut client), "AUTH PLAIN\r\n");
    client.input(b"+ \r\n");
    assert!(output(&mut client).starts_with("AGFubgB4eHh4"));
    client.input(b"+OK\r\n");
    assert!(matches!(client.poll(), Step::Event(Event::LoggedIn(_))));

    // USER and PASS have no way to say more.
    let credentials = Credentials::new(
        "ann",
        "x".repeat(249).as_str().into(),
        &AccountLevel::default(),
    );
    let refused = ready("-ERR\r\n").log_in(&credentials, nonce());
    assert!(matches!(
        refused,
        Err(LoginError::Unusable(Failure::Password(_)))
    ));
}

#[test]
fn r5802_2_success_without_the_servers_proof_is_no_success() {
    let mut client = ready("+OK\r\nSASL SCRAM-SHA-256\r\n.\r\n");
    client.log_in(&credentials(PASSWORD), nonce()).unwrap();
    output(&mut client);
    client.input(b"+OK in\r\n");
    assert_eq!(
        client.poll(),
        Step::Err(Violation::Login(Failure::EndedEarly))
    );

    // A challenge that is not the server's proof: cancelled, and over.
    let mut client = ready("+OK\r\nSASL SCRAM-SHA-256\r\n.\r\n");
    client.log_in(&credentials(PASSWORD), nonce()).unwrap();
    output(&mut client);
    client.input(b"+ bm9uc2Vuc2U=\r\n");
    assert_eq!(output(&mut client), "*\r\n");
    assert_eq!(
        client.poll(),
        Step::Err(Violation::Login(Failure::Malformed))
    );
}

#[test]
fn mailbox_commands_wait_for_the_login() {
    let mut client = ready("-ERR\r\n");
    assert_eq!(client.stat(), Err(NotNow));
    assert_eq!(client.retrieve(1), Err(NotNow));
    assert_eq!(client.delete(1), Err(NotNow));
    assert_eq!(client.poll(), Step::NeedInput);
    let mut client = logged_in();
    assert_eq!(
        client.log_in(&credentials(PASSWORD), nonce()),
        Err(LoginError::NotNow(NotNow))
    );
    client.stat().unwrap();
    assert_eq!(client.list(), Err(NotNow));
}

#[test]
fn answers_that_do_not_follow_the_protocol() {
    let malformed = Step::Err(Violation::Malformed);
    for answer in [
        "+OK\r\n",
        "+OK 1\r\n",
        "+OK x y\r\n",
        "+OK -1 2\r\n",
        "3 4\r\n",
        "* OK\r\n",
    ] {
        assert_eq!(
            answered(Client::stat, answer.as_bytes()),
            malformed,
            "{answer:?}"
        );
    }
    for line in ["1", "x 1", "0 1", "1 -1", "1 99999999999999999999", ""] {
        let answer = format!("+OK\r\n{line}\r\n.\r\n");
        assert_eq!(
            answered(Client::list, answer.as_bytes()),
            malformed,
            "{line:?}"
        );
    }
    for line in ["1", "1 a b", "1 \u{e4}", &format!("1 {}", "x".repeat(71))] {
        let answer = format!("+OK\r\n{line}\r\n.\r\n");
        assert_eq!(
            answered(Client::unique_ids, answer.as_bytes()),
            malformed,
            "{line:?}"
        );
    }
    assert_eq!(answered(Client::noop, b"ok\r\n"), malformed);
    assert_eq!(
        answered(|client| client.retrieve(1), b"Subject: x\r\n"),
        malformed
    );
    assert_eq!(
        answered(Client::noop, b"+OK\nx\r\n"),
        Step::Err(Violation::Line(LineError::BareLf))
    );
    let long = [
        b"+OK ".to_vec(),
        vec![b'x'; MAX_RESPONSE_LINE],
        b"\r\n".to_vec(),
    ]
    .concat();
    assert_eq!(
        answered(Client::noop, &long),
        Step::Err(Violation::Line(LineError::TooLong))
    );
}

#[test]
fn a_capability_list_without_end_is_given_up() {
    let mut client = Client::<Sealed>::start(&Sealed::new(facts()), ());
    client.input(b"+OK\r\n");
    output(&mut client);
    client.input(b"+OK\r\n");
    client.input(&b"X-MORE\r\n".repeat(101));
    assert_eq!(client.poll(), Step::Err(Violation::Malformed));
}

#[test]
fn c19_a_message_is_complete_with_its_end_mark_only() {
    let mut client = logged_in();
    client.retrieve(1).unwrap();
    output(&mut client);
    client.input(b"+OK 9 octets\r\nHello\r\n.");
    assert_eq!(client.poll(), Step::Event(Event::MessageBegins));
    assert_eq!(
        client.poll(),
        Step::Event(Event::MessagePiece(b"Hello\r\n".to_vec()))
    );
    assert_eq!(client.poll(), Step::NeedInput);
    client.input(b"\r\n");
    assert_eq!(client.poll(), Step::Event(Event::MessageEnds));
    assert_eq!(client.poll(), Step::NeedInput);
}

#[test]
fn c13_words_after_a_message_are_no_answer() {
    let mut client = logged_in();
    client.retrieve(1).unwrap();
    output(&mut client);
    client.input(b"+OK\r\nx\r\n.\r\n+OK 1 1\r\n");
    assert_eq!(client.poll(), Step::Event(Event::MessageBegins));
    assert!(matches!(client.poll(), Step::Event(Event::MessagePiece(_))));
    assert_eq!(client.poll(), Step::Event(Event::MessageEnds));
    client.stat().unwrap();
    assert_eq!(client.poll(), Step::Err(Violation::Unsolicited));
}

proptest! {
    #[test]
    fn splitting_input_changes_nothing(
        lines in prop::collection::vec(
            prop_oneof![
                6 => prop::sample::select(vec!["+OK", "-ERR no", ".", "1 10", "2 x", "..", "+OK 3 4", "+ ", "+ abcd", "x"])
                    .prop_map(|line| line.as_bytes().to_vec()),
                1 => prop::collection::vec(any::<u8>(), 0..40),
            ],
            0..12,
        ),
        pieces in prop::collection::vec(1usize..20, 0..40),
        command in 0u8..5,
    ) {
        let mut input = lines.join(&b"\r\n"[..]);
        input.extend_from_slice(b"\r\n");
        prop_assert_eq!(
            events(command, &input, &[usize::MAX]),
            events(command, &input, &pieces)
        );
    }
}

/// What a client that has given one command tells, with adjacent pieces of a message put together.
fn events(command: u8, input: &[u8], pieces: &[usize]) -> Vec<String> {
    let mut client = logged_in();
    match command {
        0 => client.list(),
        1 => client.unique_ids(),
        2 => client.retrieve(1),
        3 => client.ask_capabilities(),
        _ => client.stat(),
    }
    .unwrap();
    output(&mut client);
    let mut all = Vec::new();
    let mut message = Vec::new();
    let mut rest = input;
    let mut pieces = pieces.iter();
    loop {
        match client.poll() {
            Step::Event(Event::MessagePiece(piece)) => message.extend_from_slice(&piece),
            Step::NeedInput if rest.is_empty() => break,
            Step::NeedInput => {
                let (piece, tail) =
                    rest.split_at(pieces.next().copied().unwrap_or(1).min(rest.len()));
                rest = tail;
                client.input(piece);
            }
            step @ (Step::Err(_) | Step::Close) => {
                all.push(format!("{step:?}"));
                break;
            }
            step => all.push(format!("{step:?}")),
        }
    }
    all.push(String::from_utf8_lossy(&message).into_owned());
    all
}
