//! The server's state rules and limits, beyond what transcripts show.

use pillarbox_policy::LoginRefusal;
use pillarbox_proto::line::LineError;
use pillarbox_proto::pop3::client::{Client, Event as ClientEvent, LoggedInBy};
use pillarbox_proto::pop3::maildrop::Maildrop;
use pillarbox_proto::pop3::server::{
    Config, Event, Limits, LoginsInClear, Request, Server, StartTls, Updated, Violation,
};
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, MAX_LINE, Mechanism, Nonce, ScramKeys};
use pillarbox_proto::server::Goodbye;
use pillarbox_proto::{LoginMachine, Machine, Sealed, ServerMachine, SessionLimits, Start, Step};
use proptest::prelude::*;

use crate::both_ends::{credentials, pump};
use crate::caller::{Caller, Stop, facts, feed, in_the_clear};

fn sealed(limits: Limits) -> Server<Sealed> {
    let config = Config {
        limits,
        ..Config::default()
    };
    Server::<Sealed>::start(&Sealed::new(facts()), config)
}

/// What a fresh session inside TLS answers to this input, and why it stopped.
fn said(limits: Limits, input: &[u8]) -> (String, Stop) {
    let (said, stop) = feed(
        &mut Caller::new(),
        &mut sealed(limits),
        input,
        &[usize::MAX],
    );
    let said = said.strip_prefix("+OK Pillarbox ready\r\n").unwrap();
    (said.to_owned(), stop)
}

const LOG_IN: &str = "USER ann@example.org\r\nPASS open sesame\r\n";

#[test]
fn every_command_in_every_state() {
    let before_login = |line: &str| said(Limits::default(), format!("{line}\r\n").as_bytes()).0;
    for line in [
        "STAT", "LIST", "LIST 1", "UIDL", "RETR 1", "TOP 1 1", "DELE 1", "RSET", "NOOP",
    ] {
        assert_eq!(before_login(line), "-ERR log in first\r\n", "{line}");
    }
    let after_login = |line: &str| {
        let all = said(Limits::default(), format!("{LOG_IN}{line}\r\n").as_bytes()).0;
        let greeted = "+OK now the password\r\n+OK 3 messages (48 octets)\r\n";
        all.strip_prefix(greeted).unwrap().to_owned()
    };
    for line in [
        "STLS",
        "USER ann",
        "PASS x",
        "AUTH PLAIN",
        "AUTH PLAIN =",
        "APOP a b",
    ] {
        assert_eq!(after_login(line), "-ERR not after login\r\n", "{line}");
    }
    for line in [
        "RETR 4",
        "RETR 4294967295",
        "LIST 4",
        "UIDL 4",
        "DELE 4",
        "TOP 4 1",
    ] {
        assert_eq!(after_login(line), "-ERR no such message\r\n", "{line}");
    }
    for line in ["RETR", "RETR 0", "RETR x", "TOP 1", "LIST 0", "STAT 1"] {
        assert_eq!(after_login(line), "-ERR wrong arguments\r\n", "{line}");
    }
    for line in ["", "XYZZY", "LAST"] {
        assert_eq!(before_login(line), "-ERR unknown command\r\n", "{line}");
        assert_eq!(after_login(line), "-ERR unknown command\r\n", "{line}");
    }
}

#[test]
fn r5034_2_command_line_at_the_limit_and_one_over() {
    let line = |octets: usize| {
        let mut line = b"NOOP ".to_vec();
        line.resize(octets - 2, b'x');
        line.extend_from_slice(b"\r\nCAPA x\r\n");
        said(Limits::default(), &line).0
    };
    assert_eq!(
        line(255),
        "-ERR wrong arguments\r\n-ERR wrong arguments\r\n"
    );
    assert_eq!(line(256), "-ERR line too long\r\n-ERR wrong arguments\r\n");
}

#[test]
fn r5034_2_lines_of_an_exchange_may_be_longer() {
    let exchange = |octets: usize| {
        let mut input = b"AUTH PLAIN\r\n".to_vec();
        input.resize(input.len() + octets, b'A');
        input.extend_from_slice(b"\r\nNOOP\r\n");
        said(Limits::default(), &input).0
    };
    let no_message = "+ \r\n-ERR that is no message of this mechanism; the exchange is over\r\n-ERR log in first\r\n";
    assert_eq!(exchange(10_240), no_message);
    assert_eq!(exchange(MAX_LINE), no_message);
    let too_long = "+ \r\n-ERR line too long; the exchange is over\r\n-ERR log in first\r\n";
    assert_eq!(exchange(MAX_LINE + 1), too_long);
}

fn session(session: SessionLimits) -> Limits {
    Limits {
        session,
        ..Limits::default()
    }
}

#[test]
fn wrong_commands_at_the_limit() {
    let limits = session(SessionLimits {
        bad_before_login: 3,
        ..SessionLimits::default()
    });
    let unknown = "-ERR unknown command\r\n";
    assert_eq!(
        said(limits, b"X\r\nX\r\n"),
        (unknown.repeat(2), Stop::NeedInput)
    );
    assert_eq!(
        said(limits, b"X\r\nX\r\nX\r\nCAPA\r\n"),
        (
            unknown.repeat(3),
            Stop::Violated(Violation::TooManyBadCommands)
        )
    );
}

#[test]
fn failed_logins_at_the_limit() {
    let limits = session(SessionLimits {
        failed_logins: 2,
        ..SessionLimits::default()
    });
    let attempt = b"AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB3cm9uZw==\r\n";
    let wrong = "-ERR [AUTH] wrong login name or password\r\n";
    assert_eq!(said(limits, attempt), (wrong.to_owned(), Stop::NeedInput));
    assert_eq!(
        said(limits, &attempt.repeat(3)),
        (
            wrong.repeat(2),
            Stop::Violated(Violation::TooManyFailedLogins)
        )
    );
}

#[test]
fn commands_before_login_at_the_limit_and_one_over() {
    let limits = session(SessionLimits {
        commands_before_login: 1,
        ..SessionLimits::default()
    });
    assert_eq!(
        said(limits, b"USER ann\r\nPASS x\r\n"),
        (
            "+OK now the password\r\n-ERR too many commands before login\r\n".to_owned(),
            Stop::Violated(Violation::TooManyCommands)
        )
    );
}

#[test]
fn a_maildrop_in_use_leaves_the_session_before_login() {
    let mut caller = Caller::new();
    caller.in_use = true;
    let input = format!("{LOG_IN}STAT\r\n");
    let (said, stop) = feed(
        &mut caller,
        &mut sealed(Limits::default()),
        input.as_bytes(),
        &[],
    );
    assert_eq!(
        said,
        "+OK Pillarbox ready\r\n+OK now the password\r\n\
         -ERR [IN-USE] another session has the mailbox; try again later\r\n-ERR log in first\r\n"
    );
    assert_eq!(stop, Stop::NeedInput);
}

#[test]
fn only_quit_removes_messages() {
    for (end, removed) in [
        ("QUIT\r\n", vec![1, 9]),
        ("RSET\r\nQUIT\r\n", vec![]),
        ("NOOP\r\n", vec![]),
    ] {
        let mut caller = Caller::new();
        let input = format!("{LOG_IN}DELE 3\r\nDELE 1\r\n{end}");
        feed(
            &mut caller,
            &mut sealed(Limits::default()),
            input.as_bytes(),
            &[],
        );
        assert_eq!(caller.removed, removed, "{end}");
    }
}

#[test]
fn a_removal_that_fails_is_told() {
    let mut server = logged_in();
    server.input(b"DELE 1\r\nQUIT\r\n");
    assert_eq!(
        server.poll(),
        Step::Output(b"+OK marked deleted\r\n".into())
    );
    assert!(
        matches!(server.poll(), Step::Event(Event::Request(Request::Update { entries })) if entries.len() == 1)
    );
    assert_eq!(server.poll(), Step::NeedReply);
    server.updated(Updated::SomeNotRemoved);
    assert_eq!(
        server.poll(),
        Step::Output(b"-ERR [SYS/TEMP] some deleted messages not removed\r\n".into())
    );
    assert_eq!(server.poll(), Step::Close);
}

/// Runs to the question about a password, and answers it so.
fn decide(server: &mut Server<Sealed>, answer: LoginAnswer) {
    let asks_for_password = |step| match step {
        Step::Event(Event::Login(event)) => {
            matches!(event.question, LoginQuestion::Password { .. })
        }
        _ => false,
    };
    while !asks_for_password(server.poll()) {}
    server.answer_login(answer);
    assert!(matches!(server.poll(), Step::Event(Event::Login(_))));
    server.answer_login(LoginAnswer::Recorded);
}

/// A session in the TRANSACTION state with one message.
fn logged_in() -> Server<Sealed> {
    use pillarbox_proto::pop3::maildrop::{Entry, UniqueId};
    let mut server = sealed(Limits::default());
    server.input(LOG_IN.as_bytes());
    decide(&mut server, LoginAnswer::Accept);
    assert!(matches!(
        server.poll(),
        Step::Event(Event::Request(Request::OpenMaildrop { .. }))
    ));
    let id = UniqueId {
        validity: 1,
        uid: 1,
    };
    server.open(Maildrop::new(vec![Entry { octets: 5, id }]));
    assert!(matches!(server.poll(), Step::Output(_)));
    assert!(server.is_in_transaction());
    server
}

#[test]
fn a_message_that_breaks_off_has_no_end_mark() {
    let mut server = logged_in();
    server.input(b"RETR 1\r\nNOOP\r\n");
    assert!(matches!(
        server.poll(),
        Step::Event(Event::Request(Request::Retrieve { .. }))
    ));
    server.message_begins(5);
    assert_eq!(server.poll(), Step::Output(b"+OK 5 octets\r\n".into()));
    server.message_piece(b"a\r\n");
    assert_eq!(server.poll(), Step::Output(b"a\r\n".into()));
    server.message_fails();
    assert_eq!(server.poll(), Step::Close);
}

#[test]
fn a_message_that_is_gone_is_told() {
    let mut server = logged_in();
    server.input(b"RETR 1\r\n");
    assert!(matches!(
        server.poll(),
        Step::Event(Event::Request(Request::Retrieve { .. }))
    ));
    server.message_missing();
    let Step::Output(said) = server.poll() else {
        panic!("a reply")
    };
    assert!(said.starts_with(b"-ERR [SYS/TEMP] "));
    assert_eq!(server.poll(), Step::NeedInput);
}

#[test]
fn shutting_down_says_so_but_not_into_a_message() {
    let mut server = logged_in();
    server.say_goodbye(Goodbye::ShuttingDown);
    assert_eq!(
        server.poll(),
        Step::Output(b"-ERR [SYS/TEMP] the server is going down; come back in a moment\r\n".into())
    );
    assert_eq!(server.poll(), Step::Close);

    let mut server = logged_in();
    server.input(b"RETR 1\r\n");
    assert!(matches!(
        server.poll(),
        Step::Event(Event::Request(Request::Retrieve { .. }))
    ));
    server.message_begins(5);
    assert!(matches!(server.poll(), Step::Output(_)));
    server.say_goodbye(Goodbye::ShuttingDown);
    assert_eq!(server.poll(), Step::Close);
}

#[test]
fn refusals_inside_tls_are_told_apart() {
    use pillarbox_policy::{LadderRefusal, TlsVersion};
    for (refusal, reply) in [
        (
            LoginRefusal::Credentials,
            "-ERR [AUTH] wrong login name or password\r\n".to_owned(),
        ),
        (
            LoginRefusal::Unavailable,
            "-ERR [SYS/TEMP] logging in is not possible at the moment; try again later\r\n"
                .to_owned(),
        ),
        (
            LoginRefusal::Ladder(LadderRefusal::NeedsVersion(TlsVersion::Tls13)),
            format!(
                "-ERR [AUTH] {}\r\n",
                LadderRefusal::NeedsVersion(TlsVersion::Tls13)
            ),
        ),
    ] {
        let mut server = sealed(Limits::default());
        server.input(LOG_IN.as_bytes());
        decide(&mut server, LoginAnswer::Refuse(refusal));
        assert_eq!(server.poll(), Step::Output(reply.into_bytes().into()));
        assert_eq!(server.poll(), Step::NeedInput);
    }
}

#[test]
fn r9266_1_the_binding_serves_one_exchange_a_connection() {
    let mut caller = Caller::new();
    let input = b"AUTH SCRAM-SHA-256-PLUS\r\n*\r\nAUTH SCRAM-SHA-256-PLUS\r\n";
    let (said, _) = feed(&mut caller, &mut sealed(Limits::default()), input, &[]);
    assert_eq!(
        said,
        "+OK Pillarbox ready\r\n+ \r\n-ERR cancelled\r\n-ERR connect again to use this mechanism again\r\n"
    );
}

#[test]
fn scram_plus_goes_all_the_way() {
    let mut server = sealed(Limits::default());
    let mut client = Client::<Sealed>::start(&Sealed::new(facts()), ());
    let mut caller = Caller::new();
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(ClientEvent::Ready)
    );
    client
        .log_in(&credentials("open sesame"), Nonce::from_random([7; 18]))
        .unwrap();
    assert_eq!(
        pump(&mut client, &mut server, &mut caller),
        Ok(ClientEvent::LoggedIn(LoggedInBy::Sasl(
            Mechanism::ScramSha256Plus
        )))
    );
}

#[test]
fn answers_nobody_asked_for_change_nothing() {
    let mut server = sealed(Limits::default());
    server.answer_login(LoginAnswer::Accept);
    server.answer_login(LoginAnswer::Refuse(LoginRefusal::Credentials));
    server.answer_login(LoginAnswer::Nonce(Nonce::from_random([1; 18])));
    let keys = ScramKeys::derive(&"x".into(), b"salt", 4096).unwrap();
    server.answer_login(LoginAnswer::Keys(keys));
    server.answer_login(LoginAnswer::Recorded);
    server.open(Maildrop::default());
    server.message_begins(1);
    server.message_piece(b"x");
    server.message_ends();
    server.message_fails();
    server.message_missing();
    server.updated(Updated::Removed);
    assert_eq!(
        server.poll(),
        Step::Output(b"+OK Pillarbox ready\r\n".into())
    );
    assert_eq!(server.poll(), Step::NeedInput);
    assert!(!server.is_in_transaction());
}

#[test]
fn a_large_listing_comes_in_bounded_pieces() {
    let messages: Vec<_> = (1..=5000).map(|uid| (uid, &b"x"[..])).collect();
    let mut caller = Caller::with_messages(&messages);
    let input = format!("{LOG_IN}UIDL\r\nLIST\r\n");
    // `Caller::run` asserts the bound of each output.
    let (said, _) = feed(
        &mut caller,
        &mut sealed(Limits::default()),
        input.as_bytes(),
        &[usize::MAX],
    );
    assert_eq!(
        said.lines().filter(|line| line.ends_with(" 1")).count(),
        5000
    );
    assert!(said.contains("\r\n5000 7.5000\r\n.\r\n"));
}

/// Lines that mean something in some state, and some that do not.
fn input() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => prop::sample::select(vec![
            "USER ann@example.org", "PASS open sesame", "PASS x", "CAPA", "STLS", "QUIT", "STAT", "LIST", "UIDL",
            "RETR 1", "RETR 2", "TOP 1 1", "DELE 1", "RSET", "NOOP", "AUTH PLAIN", "*", "AUTH LOGIN",
            "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBvcGVuIHNlc2FtZQ==", "AUTH SCRAM-SHA-256 biwsbj1hbm4scj1hYmM=",
        ])
        .prop_map(|line| line.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| {
        let mut input = lines.join(&b"\r\n"[..]);
        input.extend_from_slice(b"\r\n");
        input
    })
}

proptest! {
    #[test]
    fn splitting_input_changes_nothing(input in input(), pieces in prop::collection::vec(1usize..50, 0..60)) {
        let whole = feed(&mut Caller::new(), &mut sealed(Limits::default()), &input, &[usize::MAX]);
        let split = feed(&mut Caller::new(), &mut sealed(Limits::default()), &input, &pieces);
        // How soon an endless line is given up depends on the pieces.
        if whole.1 != Stop::Violated(Violation::Line(LineError::Endless)) {
            prop_assert_eq!(whole, split);
        }
    }

    #[test]
    fn s4_no_input_in_the_clear_makes_a_credential_event(input in input(), pieces in prop::collection::vec(1usize..50, 0..60)) {
        let mut caller = Caller::new();
        let mut server = in_the_clear(StartTls::Offered, LoginsInClear::NotListed);
        feed(&mut caller, &mut server, &input, &pieces);
        prop_assert_eq!(caller.credentials_seen, 0);
    }
}
