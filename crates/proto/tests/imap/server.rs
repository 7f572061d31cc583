//! The IMAP server's machine from outside: transcripts in every split, limits, and what must never happen.

use crate::caller::{Caller, End};
use crate::channels::{clear, seal};
use pillarbox_proto::channel::End as Side;
use pillarbox_proto::imap::server::{
    ClearEvent, ClearSettings, Limits, LoginsInClear, Server, StartTls, Violation,
};
use pillarbox_proto::line::LineError;
use pillarbox_proto::{AsksForPermit, Clear, Injected, Machine, Sealed, Start, Step, Upgrade};
use pillarbox_testkit::facts;
use proptest::prelude::*;

fn clear_server() -> Server<Clear> {
    Server::<Clear>::start(
        &clear(),
        ClearSettings {
            limits: Limits::default(),
            starttls: StartTls::Offered,
            logins: LoginsInClear::NotListed,
        },
    )
}

fn run_clear(server: &mut Server<Clear>) -> (String, Step<ClearEvent, Violation>) {
    let mut out = Vec::new();
    loop {
        match server.poll() {
            Step::Output(bytes) => out.extend_from_slice(&bytes),
            // No grant is open.
            Step::Event(ClearEvent::NeedPermit) => server.refuse_login(),
            step => return (String::from_utf8(out).unwrap(), step),
        }
    }
}

fn sealed() -> Server<Sealed> {
    let mut dialogue = Server::<Sealed>::start(&Sealed::new(facts()), Limits::default());
    let mut greeting = Vec::new();
    assert_eq!(
        Caller::default().run(&mut dialogue, &mut greeting),
        End::NeedInput
    );
    dialogue
}

fn said(dialogue: &mut Server<Sealed>, caller: &mut Caller, input: &[u8]) -> (String, End) {
    dialogue.input(input);
    let mut out = Vec::new();
    let end = caller.run(dialogue, &mut out);
    (String::from_utf8_lossy(&out).into_owned(), end)
}

fn logged_in() -> (Server<Sealed>, Caller) {
    let (mut dialogue, mut caller) = (sealed(), Caller::default());
    let (out, _) = said(
        &mut dialogue,
        &mut caller,
        b"l LOGIN tim \"tanstaaf \\\"x\\\"\"\r\n",
    );
    assert!(out.starts_with("l OK [CAPABILITY "), "{out}");
    (dialogue, caller)
}

/// S1: a suffix of every kind and length, in the same segment as STARTTLS.
#[test]
fn bytes_after_starttls_in_one_segment_are_an_error() {
    for suffix in [
        &b"b"[..],
        b"\r\n",
        b"b LOGIN a b\r\n",
        b"\x16\x03\x01",
        &[b'x'; 4000],
    ] {
        let mut server = clear_server();
        run_clear(&mut server);
        server.input(&[b"a STARTTLS\r\n", suffix].concat());
        let (out, step) = run_clear(&mut server);
        assert_eq!(out, "a BAD Nothing may follow STARTTLS\r\n");
        let bytes = suffix.len();
        let injected = Injected {
            found_by: Side::Server,
            bytes,
        };
        assert_eq!(step, Step::Err(Violation::Injected(injected)));
    }
}

/// S1: bytes that come after STARTTLS was answered and before the handshake.
#[test]
fn bytes_after_the_answer_to_starttls_are_an_error() {
    let mut server = clear_server();
    run_clear(&mut server);
    server.input(b"a STARTTLS\r\n");
    let (out, step) = run_clear(&mut server);
    assert_eq!(
        (out.as_str(), step),
        ("a OK Begin TLS now\r\n", Step::Event(ClearEvent::StartTls))
    );
    server.input(b"b LOGIN a b\r\n");
    assert_eq!(run_clear(&mut server), (String::new(), Step::NeedReply));
    let injected = server.nothing_left().unwrap_err();
    assert_eq!(
        injected,
        Injected {
            found_by: Side::Server,
            bytes: 13
        }
    );
}

/// S2, S3: nothing of the cleartext session is left inside TLS, and no second greeting is put out.
#[test]
fn tls_starts_from_nothing() {
    let mut server = clear_server();
    run_clear(&mut server);
    server.input(b"x FOO\r\nx FOO\r\nx FOO\r\nx FOO\r\na STARTTLS\r\n");
    run_clear(&mut server);
    let mut dialogue = seal::<Server<Sealed>>(server, Limits::default()).unwrap();
    let mut caller = Caller::default();
    // Four bad commands were counted in the clear; inside TLS there is room for four more.
    let (out, end) = said(
        &mut dialogue,
        &mut caller,
        b"x FOO\r\nx FOO\r\nx FOO\r\nx FOO\r\nb NOOP\r\n",
    );
    assert_eq!(
        out,
        "x BAD Unknown command\r\n".repeat(4) + "b OK NOOP completed\r\n"
    );
    assert_eq!(end, End::NeedInput);
}

/// S4: whatever LOGIN carries, the bytes of the refusal are the same and no event comes of it.
#[test]
fn cleartext_login_is_refused_unread() {
    let answers: Vec<String> = [
        &b"a LOGIN tim right\r\n"[..],
        b"a LOGIN tim wrong\r\n",
        b"a LOGIN nobody \"x\"\r\n",
        b"a LOGIN\r\n",
        b"a LOGIN \"\r\n",
        b"a LOGIN {3}\r\n",
        b"a LOGIN {3+}\r\ntim {5+}\r\nright\r\n",
        b"a AUTHENTICATE PLAIN\r\n",
        b"a AUTHENTICATE PLAIN AHRpbQB0YW5zdGFhZg==\r\n",
        b"a AUTHENTICATE ((\r\n",
    ]
    .into_iter()
    .map(|input| {
        let mut server = clear_server();
        run_clear(&mut server);
        server.input(input);
        let (out, step) = run_clear(&mut server);
        assert_eq!(step, Step::NeedInput);
        out
    })
    .collect();
    assert!(answers[0].starts_with("a NO [PRIVACYREQUIRED] "));
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

/// S8: the octets of a literal nobody wants are not commands.
#[test]
fn a_literal_in_the_clear_is_never_a_command() {
    let mut server = clear_server();
    run_clear(&mut server);
    server.input(b"a LOGIN {12+}\r\nb STARTTLS\r\n x\r\nc NOOP\r\n");
    let (out, step) = run_clear(&mut server);
    assert_eq!(step, Step::NeedInput);
    assert!(
        out.starts_with("a NO [PRIVACYREQUIRED]") && out.ends_with("\r\nc OK NOOP completed\r\n")
    );
    let mut server = clear_server();
    run_clear(&mut server);
    server.input(b"a LOGIN {999999+}\r\n");
    let (_, step) = run_clear(&mut server);
    assert_eq!(step, Step::Err(Violation::Literal(999_999)));
}

/// S6: an HTTP request gets no byte in answer, in the clear and inside TLS.
#[test]
fn an_http_request_ends_the_session_unanswered() {
    for request in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"post /a HTTP/1.0\r\n",
    ] {
        let mut server = clear_server();
        run_clear(&mut server);
        server.input(request);
        assert_eq!(
            run_clear(&mut server),
            (String::new(), Step::Err(Violation::Http))
        );
        let (out, end) = said(&mut sealed(), &mut Caller::default(), request);
        assert_eq!((out.as_str(), end), ("", End::Violation(Violation::Http)));
    }
}

/// S8: one line grammar before and after TLS.
#[test]
fn broken_lines_end_the_session() {
    for (input, error) in [
        (&b"a NOOP\nb NOOP\r\n"[..], LineError::BareLf),
        (b"a NO\rOP\r\n", LineError::BareCr),
        (b"a NO\0OP\r\n", LineError::Nul),
    ] {
        let mut server = clear_server();
        run_clear(&mut server);
        server.input(input);
        let (out, step) = run_clear(&mut server);
        assert_eq!(
            (out.as_str(), step),
            (
                "* BYE That is no line\r\n",
                Step::Err(Violation::Line(error))
            )
        );
        let (out, end) = said(&mut sealed(), &mut Caller::default(), input);
        assert_eq!(
            (out.as_str(), end),
            (
                "* BYE That is no line\r\n",
                End::Violation(Violation::Line(error))
            )
        );
    }
}

#[test]
fn lines_at_the_limit_and_one_over() {
    let line = |length: usize| {
        let tag = b"a NOOP ".to_vec();
        let mut line = tag.clone();
        line.resize(length, b'x');
        line.extend(b"\r\n");
        line
    };
    let most = Limits::default().before_login.line;
    let (out, _) = said(&mut sealed(), &mut Caller::default(), &line(most));
    assert_eq!(out, "a BAD expected the end of the line\r\n");
    let (out, _) = said(&mut sealed(), &mut Caller::default(), &line(most + 1));
    assert_eq!(out, "* BAD The line is too long\r\n");
}

#[test]
fn bad_commands_at_the_limit() {
    let most = Limits::default().session.bad_before_login as usize;
    let mut dialogue = sealed();
    let mut caller = Caller::default();
    let (_, end) = said(&mut dialogue, &mut caller, &b"a FOO\r\n".repeat(most - 1));
    assert_eq!(end, End::NeedInput);
    let (out, end) = said(&mut dialogue, &mut caller, b"a FOO\r\n");
    assert_eq!(
        out,
        "a BAD Unknown command\r\n* BYE Too many bad commands\r\n"
    );
    assert_eq!(end, End::Violation(Violation::TooManyBadCommands));
}

#[test]
fn failed_logins_at_the_limit() {
    let most = Limits::default().session.failed_logins as usize;
    let (mut dialogue, mut caller) = (sealed(), Caller::default());
    let (out, end) = said(
        &mut dialogue,
        &mut caller,
        &b"a LOGIN tim x\r\n".repeat(most - 1),
    );
    assert_eq!(
        out,
        "a NO [AUTHENTICATIONFAILED] Wrong login or password\r\n".repeat(most - 1)
    );
    assert_eq!(end, End::NeedInput);
    let (_, end) = said(&mut dialogue, &mut caller, b"a LOGIN tim x\r\n");
    assert_eq!(end, End::Violation(Violation::TooManyFailedLogins));
}

/// Before login nothing of what a client sends comes back but its tag.
#[test]
fn nothing_is_echoed_before_login() {
    let input = b"tag1 <script>evil\r\ntag2 LOGIN evil evil\r\ntag3 ID (\"evil\" \"evil\")\r\ntag4 SELECT evil\r\n";
    let (out, _) = said(&mut sealed(), &mut Caller::default(), input);
    assert!(!out.contains("evil") && !out.contains("script"), "{out}");
}

/// A message larger than memory would be is never held: 100 MB pass in pieces.
#[test]
fn append_streams() {
    let limits = Limits {
        message: 1 << 40,
        ..Limits::default()
    };
    let mut dialogue = Server::<Sealed>::start(&Sealed::new(facts()), limits);
    let mut out = Vec::new();
    let mut caller = Caller::default();
    caller.run(&mut dialogue, &mut out);
    let size = 100_000_000usize;
    said(
        &mut dialogue,
        &mut caller,
        b"l LOGIN tim \"tanstaaf \\\"x\\\"\"\r\n",
    );
    let mut pieces = 0;
    dialogue.input(format!("a APPEND INBOX {{{size}+}}\r\n").as_bytes());
    let mut sent = 0;
    loop {
        match dialogue.poll() {
            Step::Event(pillarbox_proto::imap::server::Event::Append(head)) => {
                assert_eq!(head.size, size as u64);
                dialogue.message_accept();
            }
            Step::Event(pillarbox_proto::imap::server::Event::MessagePiece(piece)) => {
                pieces += piece.len()
            }
            Step::Event(pillarbox_proto::imap::server::Event::MessageEnd) => break,
            Step::NeedInput if sent == size => dialogue.input(b"\r\n"),
            Step::NeedInput => {
                let length = (size - sent).min(16_000);
                dialogue.input(&vec![b'x'; length]);
                sent += length;
            }
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(pieces, size);
}

/// R5802-1, R9051-1: inside TLS the mechanisms stand in CAPABILITY, and nothing of the cleartext side does.
#[test]
fn mechanisms_are_listed_once_policy_permits() {
    let (out, _) = said(&mut sealed(), &mut Caller::default(), b"a CAPABILITY\r\n");
    let list = out.lines().next().unwrap();
    assert!(
        list.contains(" AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN"),
        "{list}"
    );
    assert!(
        !list.contains("STARTTLS") && !list.contains("LOGINDISABLED"),
        "{list}"
    );
}

/// The table of commands has examples of each. All are understood, cut into whatever pieces, where they may come.
#[test]
fn the_examples_of_every_command_are_understood() {
    for example in pillarbox_proto::imap::server::examples() {
        let line = format!("x {example}\r\n");
        let before_login = ["LOGIN", "AUTHENTICATE", "STARTTLS"]
            .iter()
            .any(|name| example.starts_with(name));
        let answer = |size: usize| {
            let (mut dialogue, mut caller) = match before_login {
                true => (sealed(), Caller::default()),
                false => logged_in(),
            };
            if !before_login {
                said(&mut dialogue, &mut caller, b"s SELECT INBOX\r\n");
            }
            let mut out = String::new();
            for piece in line.as_bytes().chunks(size) {
                out.push_str(&said(&mut dialogue, &mut caller, piece).0);
            }
            out
        };
        let whole = answer(usize::MAX);
        let refused = whole.contains("BAD ");
        assert_eq!(refused, example == "STARTTLS", "{line} {whole}");
        assert!(!whole.is_empty(), "{line}");
        assert_eq!(answer(1), whole, "{line}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is said in the clear: no event but STARTTLS, no panic, bounded output, no mailbox data.
    #[test]
    fn the_clear_machine_gives_nothing_away(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "a ", "LOGIN ", "AUTHENTICATE ", "PLAIN", "STARTTLS", "CAPABILITY", "NOOP", "LOGOUT", "SELECT INBOX",
            "ID NIL", "\r\n", "\r\n", "{3}\r\n", "{3+}\r\n", "{70000+}\r\n", "abc", "\"", "\\", "(", "\n", "\0", "* ", "+ ",
        ]), 0..40),
        cut in 1usize..20,
    ) {
        let input = words.concat().into_bytes();
        let mut server = clear_server();
        let mut rest = input.as_slice();
        let mut put_out = 0;
        loop {
            match server.poll() {
                Step::Output(bytes) => {
                    put_out += bytes.len();
                    prop_assert!(!bytes.windows(6).any(|window| window == b"EXISTS"));
                }
                Step::NeedInput if rest.is_empty() => break,
                Step::NeedInput => {
                    let (piece, tail) = rest.split_at(cut.min(rest.len()));
                    server.input(piece);
                    rest = tail;
                }
                Step::Event(ClearEvent::NeedPermit) => server.refuse_login(),
                Step::Event(event) => {
                    prop_assert_eq!(event, ClearEvent::StartTls);
                    break;
                }
                Step::Close | Step::Err(_) => break,
                Step::NeedReply => prop_assert!(false, "nobody owes a reply"),
            }
        }
        prop_assert!(put_out <= 200 + input.len() * 30, "{} for {}", put_out, input.len());
    }

    /// Whatever is said inside TLS, in whatever pieces: the same answers, no panic, bounded output.
    #[test]
    fn the_sealed_machine_answers_the_same_in_every_split(
        words in proptest::collection::vec(proptest::sample::select(vec![
            "a ", "b ", "SELECT INBOX\r\n", "FETCH ", "1:* ", "(FLAGS UID)", "BODY[]", "BODY[1.MIME]<0.5>", "UID ", "STORE ",
            "+FLAGS (\\Seen)", "SEARCH ", "ALL", "OR SEEN ", "APPEND INBOX ", "{5}\r\n", "{5+}\r\n", "hello", "\r\n", "\r\n",
            "IDLE\r\n", "DONE\r\n", "LIST \"\" %", "STATUS INBOX (MESSAGES)", "CLOSE", "EXPUNGE", "COPY ", "1 ", "x",
            "AUTHENTICATE PLAIN", "*", "LOGOUT", "ENABLE CONDSTORE", "\"", "(", ")", "{0+}\r\n", "{9999+}\r\n",
        ]), 0..40),
        cuts in proptest::collection::vec(1usize..30, 1..20),
    ) {
        let input = words.concat().into_bytes();
        let whole = {
            let (mut dialogue, mut caller) = logged_in();
            said(&mut dialogue, &mut caller, &input)
        };
        let (mut dialogue, mut caller) = logged_in();
        let mut out = Vec::new();
        let mut end = caller.run(&mut dialogue, &mut out);
        let mut rest = input.as_slice();
        let mut turn = 0;
        while end == End::NeedInput && !rest.is_empty() {
            let (piece, tail) = rest.split_at(cuts[turn % cuts.len()].min(rest.len()));
            dialogue.input(piece);
            end = caller.run(&mut dialogue, &mut out);
            rest = tail;
            turn += 1;
        }
        prop_assert!(out.len() <= 1_000 + input.len() * 400);
        prop_assert_eq!(whole, (String::from_utf8_lossy(&out).into_owned(), end));
    }
}
