//! What the machines leave of a password in this process' own memory: nothing. No allocator that zeroes what is freed
//! helps them here, as it does in the programs (docs/secrets-in-memory.md).
#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

#[path = "../channels/mod.rs"]
mod channels;
mod memory;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pillarbox_policy::{AccountLevel, Credentials, LoginRefusal, Secret};
use pillarbox_proto::sasl::{LoginAnswer, LoginEvent, LoginQuestion, Nonce, coding};
use pillarbox_proto::{Clear, LoginMachine, Machine, Sealed, Start, Step, imap, pop3, smtp};
use pillarbox_testkit::facts;
use zeroize::Zeroizing;

use crate::channels::clear;
use crate::memory::Masked;

/// What the other end says, with a place for the password.
type Lines = fn(&Masked) -> Vec<Zeroizing<Vec<u8>>>;

/// Room enough that nothing of the test's own grows, and leaves something behind.
const ROOM: usize = 64 * 1024;

/// A search copies what it looks at, where another one would find it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(before: &str, password: &Masked, behind: &str) -> Zeroizing<Vec<u8>> {
    let mut line = Zeroizing::new(Vec::with_capacity(ROOM));
    line.extend_from_slice(before.as_bytes());
    password.put(&mut line);
    line.extend_from_slice(behind.as_bytes());
    line
}

/// The same with a message of PLAIN.
fn plain(before: &str, password: &Masked, behind: &str) -> Zeroizing<Vec<u8>> {
    let message = coding::encode(&line("\0ann@example.org\0", password, ""));
    let mut line = Zeroizing::new(Vec::with_capacity(ROOM));
    line.extend_from_slice(before.as_bytes());
    line.extend_from_slice(message.as_bytes());
    line.extend_from_slice(behind.as_bytes());
    line
}

/// Feeds a machine, in pieces of this length, until it says something that has to be answered by a decision.
fn feed<M: Machine>(
    machine: &mut M,
    lines: &[Zeroizing<Vec<u8>>],
    length: usize,
    mut answer: impl FnMut(&mut M, M::Event),
) {
    for piece in lines.iter().flat_map(|line| line.chunks(length)) {
        machine.input(piece);
        loop {
            match machine.poll() {
                Step::Output(_) => (),
                Step::Event(event) => answer(machine, event),
                Step::NeedInput => break,
                Step::NeedReply | Step::Close | Step::Err(_) => return,
            }
        }
    }
}

/// Lets nobody in.
fn refused(login: LoginEvent) -> LoginAnswer {
    match login.question {
        LoginQuestion::Nonce => LoginAnswer::Nonce(Nonce::from_random([1; Nonce::RANDOM])),
        LoginQuestion::Ended { .. } => LoginAnswer::Recorded,
        LoginQuestion::Password { .. }
        | LoginQuestion::ScramKeys { .. }
        | LoginQuestion::Proof { .. } => LoginAnswer::Refuse(LoginRefusal::Credentials),
    }
}

/// Lets a machine have each conversation in pieces of several lengths, and looks for what is left.
fn nothing_is_left<M: Machine>(
    start: impl Fn() -> M,
    answer: impl Fn(&mut M, M::Event) + Copy,
    conversations: &[(&str, Lines)],
) {
    for (name, lines) in conversations {
        for length in [1, 7, ROOM] {
            let password = Masked::random();
            let mut machine = start();
            feed(&mut machine, &lines(&password), length, answer);
            drop(machine);
            let left = memory::search(&password);
            assert!(left.is_empty(), "{name}, {length} octets a piece: {left:?}");
        }
    }
}

#[test]
fn what_is_there_is_found() {
    let _alone = alone();
    let password = Masked::random();
    let held = line("LOGIN ", &password, "");
    assert!(!memory::search(&password).is_empty(), "as it is");
    drop(held);
    assert!(memory::search(&password).is_empty(), "zeroed");
    let held = plain("AUTH PLAIN ", &password, "");
    assert!(!memory::search(&password).is_empty(), "in base64");
    drop(held);
    // A Vec that grows leaves what it held behind.
    let mut grown = Vec::with_capacity(200);
    password.put(&mut grown);
    grown.reserve_exact(100_000);
    grown.fill(0);
    assert!(!memory::search(&password).is_empty(), "in freed memory");
}

#[test]
fn imap_server() {
    let _alone = alone();
    use imap::server::{Event, Limits, Server};
    let conversations: &[(&str, Lines)] = &[
        ("LOGIN", |pw| vec![line("t LOGIN a \"", pw, "\"\r\n")]),
        ("LOGIN with escapes", |pw| {
            vec![line("t LOGIN a \"\\\\", pw, "\\\"x\"\r\n")]
        }),
        ("LOGIN with a bad escape", |pw| {
            vec![line("t LOGIN a \"\\\\", pw, "\\x\"\r\n")]
        }),
        ("LOGIN with literals", |pw| {
            vec![line("t LOGIN {1+}\r\na {32+}\r\n", pw, "\r\n")]
        }),
        ("LOGIN with too much", |pw| {
            vec![line("t LOGIN a ", pw, " x\r\n")]
        }),
        ("a line that is too long", |pw| {
            vec![
                line("t LOGIN a ", pw, &"x".repeat(20_000)),
                line("", pw, "\r\n"),
            ]
        }),
        ("a bare line feed", |pw| vec![line("t LOGIN a ", pw, "\n")]),
        ("PLAIN", |pw| {
            vec![plain("t AUTHENTICATE PLAIN ", pw, "\r\n")]
        }),
        ("PLAIN when asked", |pw| {
            vec![plain("t AUTHENTICATE PLAIN\r\n", pw, "\r\n")]
        }),
        ("no base64", |pw| {
            vec![plain("t AUTHENTICATE PLAIN ", pw, "!\r\n")]
        }),
    ];
    nothing_is_left(
        || Server::<Sealed>::start(&Sealed::new(facts()), Limits::default()),
        |server, event| {
            if let Event::Login(login) = event {
                server.answer_login(refused(login));
            }
        },
        conversations,
    );
}

#[test]
fn pop3_server() {
    let _alone = alone();
    use pop3::server::{Config, Event, Server};
    let conversations: &[(&str, Lines)] = &[
        ("PASS", |pw| vec![line("USER ann\r\nPASS ", pw, "\r\n")]),
        ("PASS out of turn", |pw| vec![line("PASS ", pw, "\r\n")]),
        ("as a command", |pw| vec![line("", pw, "\r\n")]),
        ("PLAIN", |pw| vec![plain("AUTH PLAIN ", pw, "\r\n")]),
        ("PLAIN when asked", |pw| {
            vec![plain("AUTH PLAIN\r\n", pw, "\r\n")]
        }),
    ];
    nothing_is_left(
        || Server::<Sealed>::start(&Sealed::new(facts()), Config::default()),
        |server, event| {
            if let Event::Login(login) = event {
                server.answer_login(refused(login));
            }
        },
        conversations,
    );
}

#[test]
fn submission_server() {
    let _alone = alone();
    use smtp::submission::server::{Config, Event, Server};
    let conversations: &[(&str, Lines)] = &[
        ("PLAIN", |pw| {
            vec![plain("EHLO [127.0.0.1]\r\nAUTH PLAIN ", pw, "\r\n")]
        }),
        ("PLAIN when asked", |pw| {
            vec![plain("EHLO [127.0.0.1]\r\nAUTH PLAIN\r\n", pw, "\r\n")]
        }),
        ("no base64", |pw| {
            vec![plain("EHLO [127.0.0.1]\r\nAUTH PLAIN ", pw, "!\r\n")]
        }),
        ("before EHLO", |pw| vec![plain("AUTH PLAIN ", pw, "\r\n")]),
    ];
    nothing_is_left(
        || {
            let config = Arc::new(Config::new("mail.example.org"));
            Server::<Sealed>::start(&Sealed::new(facts()), config)
        },
        |server, event| {
            if let Event::Login(login) = event {
                server.answer_login(refused(login));
            }
        },
        conversations,
    );
}

#[test]
fn imap_server_in_the_clear() {
    let _alone = alone();
    use imap::server::{ClearSettings, Limits, LoginsInClear, Server, StartTls};
    let conversations: &[(&str, Lines)] = &[
        ("LOGIN", |pw| vec![line("t LOGIN a \"", pw, "\"\r\n")]),
        ("LOGIN with a literal", |pw| {
            vec![line("t LOGIN a {32+}\r\n", pw, "\r\n")]
        }),
        ("PLAIN", |pw| {
            vec![plain("t AUTHENTICATE PLAIN ", pw, "\r\n")]
        }),
    ];
    let settings = || ClearSettings {
        limits: Limits::default(),
        starttls: StartTls::Offered,
        logins: LoginsInClear::NotListed,
    };
    nothing_is_left(
        || Server::<Clear>::start(&clear(), settings()),
        |_, _| (),
        conversations,
    );
}

/// A client that logs in, and whose server takes what it says without an answer.
fn client_leaves_nothing<M: Machine>(
    start: impl Fn() -> M,
    greeting: &[&str],
    log_in: impl Fn(&mut M, &Credentials),
) {
    for _ in 0..4 {
        let password = Masked::random();
        let mut text = Zeroizing::new(Vec::with_capacity(ROOM));
        password.put(&mut text);
        let secret = Secret::from(std::str::from_utf8(&text).unwrap());
        let credentials = Credentials::new("ann@example.org", secret, &AccountLevel::default());
        drop(text);
        let mut client = start();
        let greeting: Vec<_> = greeting
            .iter()
            .map(|line| Zeroizing::new(line.as_bytes().to_vec()))
            .collect();
        feed(&mut client, &greeting, ROOM, |_, _| ());
        log_in(&mut client, &credentials);
        feed(&mut client, &[], ROOM, |_, _| ());
        let mut said = 0;
        while let Step::Output(octets) = client.poll() {
            said += octets.len();
        }
        assert!(said > 0, "it has to log in");
        drop((client, credentials));
        let left = memory::search(&password);
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn imap_client() {
    let _alone = alone();
    use imap::client::{Client, ClientCertificate};
    for capabilities in ["AUTH=PLAIN SASL-IR", ""] {
        let listed = format!("* CAPABILITY IMAP4rev1 {capabilities}\r\nA0001 OK\r\n");
        client_leaves_nothing(
            || Client::<Sealed>::start(&Sealed::new(facts()), ClientCertificate::NotSent),
            &["* OK hello\r\n", &listed],
            |client, credentials| {
                let nonce = Nonce::from_random([1; Nonce::RANDOM]);
                client.authenticate(credentials, nonce).unwrap();
            },
        );
    }
}
