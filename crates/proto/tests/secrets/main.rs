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

/// Room enough that nothing of the test's own grows, and leaves something behind.
const ROOM: usize = 64 * 1024;

/// A search copies what it looks at, where another one would find it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the other end says: `{pw}` stands for the password, `{plain}` for a message of PLAIN in base64, `{x}` for more
/// than a line may hold; all other braces stand for themselves.
fn said(template: &str, password: &Masked) -> Zeroizing<Vec<u8>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(ROOM));
    let mut parts = template.split('{');
    octets.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (what, rest) = part.split_once('}').unwrap();
        match what {
            "pw" => password.put(&mut octets),
            "plain" => {
                let message = said("\0ann@example.org\0{pw}", password);
                octets.extend_from_slice(coding::encode(&message).as_bytes());
            }
            "x" => octets.extend_from_slice(&[b'x'; 20_000]),
            literal => octets.extend_from_slice(format!("{{{literal}}}").as_bytes()),
        }
        octets.extend_from_slice(rest.as_bytes());
    }
    octets
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
    conversations: &[(&str, &str)],
) {
    for (name, template) in conversations {
        for length in [1, 7, ROOM] {
            let password = Masked::random();
            let mut machine = start();
            feed(&mut machine, &[said(template, &password)], length, answer);
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
    let held = said("LOGIN {pw}", &password);
    assert!(!memory::search(&password).is_empty(), "as it is");
    drop(held);
    assert!(memory::search(&password).is_empty(), "zeroed");
    let held = said("AUTH PLAIN {plain}", &password);
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
    let conversations: &[(&str, &str)] = &[
        ("LOGIN", "t LOGIN a \"{pw}\"\r\n"),
        ("LOGIN with escapes", "t LOGIN a \"\\\\{pw}\\\"x\"\r\n"),
        ("LOGIN with a bad escape", "t LOGIN a \"\\\\{pw}\\x\"\r\n"),
        ("LOGIN with literals", "t LOGIN {1+}\r\na {32+}\r\n{pw}\r\n"),
        ("LOGIN with too much", "t LOGIN a {pw} x\r\n"),
        ("a line that is too long", "t LOGIN a {pw}{x}{pw}\r\n"),
        ("a bare line feed", "t LOGIN a {pw}\n"),
        ("PLAIN", "t AUTHENTICATE PLAIN {plain}\r\n"),
        ("PLAIN when asked", "t AUTHENTICATE PLAIN\r\n{plain}\r\n"),
        ("no base64", "t AUTHENTICATE PLAIN {plain}!\r\n"),
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
    let conversations: &[(&str, &str)] = &[
        ("PASS", "USER ann\r\nPASS {pw}\r\n"),
        ("PASS out of turn", "PASS {pw}\r\n"),
        ("as a command", "{pw}\r\n"),
        ("PLAIN", "AUTH PLAIN {plain}\r\n"),
        ("PLAIN when asked", "AUTH PLAIN\r\n{plain}\r\n"),
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
    let conversations: &[(&str, &str)] = &[
        ("PLAIN", "EHLO [127.0.0.1]\r\nAUTH PLAIN {plain}\r\n"),
        (
            "PLAIN when asked",
            "EHLO [127.0.0.1]\r\nAUTH PLAIN\r\n{plain}\r\n",
        ),
        ("no base64", "EHLO [127.0.0.1]\r\nAUTH PLAIN {plain}!\r\n"),
        ("before EHLO", "AUTH PLAIN {plain}\r\n"),
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
    let conversations: &[(&str, &str)] = &[
        ("LOGIN", "t LOGIN a \"{pw}\"\r\n"),
        ("LOGIN with a literal", "t LOGIN a {32+}\r\n{pw}\r\n"),
        ("PLAIN", "t AUTHENTICATE PLAIN {plain}\r\n"),
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
