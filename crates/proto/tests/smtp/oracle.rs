//! MAIL, RCPT, EHLO and BDAT read by us and by smtp-proto, a grammar of other people's.
//!
//! We are the stricter: whatever we take it takes too, and understands alike. Commands made after the grammar
//! are taken by both. Out of scope: address literals, which smtp-proto does not read, and BDAT sizes over 64
//! bits.

use std::borrow::Cow;
use std::sync::Arc;

use pillarbox_names::{Address, AddressDomain};
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, Nonce};
use pillarbox_proto::smtp::submission::server::{self, Config, Event, Server};
use pillarbox_proto::smtp::{Body, ForwardPath, Mail, Rcpt, ReversePath};
use pillarbox_proto::{LoginMachine, Machine, Sealed, Start, Step};
use pillarbox_testkit::facts;
use proptest::prelude::*;
use smtp_proto::{MAIL_BODY_8BITMIME, MAIL_SMTPUTF8, Request};

/// What we made of a line.
#[derive(Debug)]
enum Ours {
    Mail(Mail),
    Rcpt(Rcpt),
    Ehlo(String),
    Refused,
}

/// Reads one command in a session that is logged in, and in a transaction where RCPT needs one.
fn ours(line: &str) -> Ours {
    let mut server = Server::<Sealed>::start(
        &Sealed::new(facts()),
        Arc::new(Config::new("mail.example.org")),
    );
    server.input(b"EHLO x\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\n");
    run(&mut server);
    if line
        .get(..4)
        .is_some_and(|verb| verb.eq_ignore_ascii_case("RCPT"))
    {
        server.input(b"MAIL FROM:<> SMTPUTF8\r\n");
        run(&mut server);
    }
    server.input(line.as_bytes());
    server.input(b"\r\n");
    let (out, event) = run(&mut server);
    match event {
        Some(Event::Request(server::Request::Sender(mail))) => Ours::Mail(mail),
        Some(Event::Request(server::Request::Recipient(rcpt))) => Ours::Rcpt(rcpt),
        None if out.starts_with("250-") => Ours::Ehlo(server.client_name().unwrap().to_string()),
        None => Ours::Refused,
        Some(other) => panic!("{other:?}"),
    }
}

/// Runs the server until it waits; answers what it said, and the last envelope event.
fn run(server: &mut Server<Sealed>) -> (String, Option<Event>) {
    let (mut out, mut last) = (Vec::new(), None);
    loop {
        match server.poll() {
            Step::Output(octets) => out.extend_from_slice(&octets),
            Step::Event(Event::Login(event)) => server.answer_login(match event.question {
                LoginQuestion::Nonce => LoginAnswer::Nonce(Nonce::from_random([1; 18])),
                _ => LoginAnswer::Accept,
            }),
            Step::Event(
                event @ Event::Request(server::Request::Sender(_) | server::Request::Recipient(_)),
            ) => {
                server.accept();
                last = Some(event);
            }
            Step::Event(_) => {}
            _ => return (String::from_utf8(out).unwrap(), last),
        }
    }
}

fn theirs(line: &str) -> Option<Request<String>> {
    let line = format!("{line}\r\n");
    Request::parse(&mut line.as_bytes().iter())
        .ok()
        .map(Request::<Cow<'_, str>>::into_owned)
}

/// An address of smtp-proto with its domain in the spelling that we keep.
fn canonical(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => match domain.parse::<AddressDomain>() {
            Ok(domain) => format!("{local}@{domain}"),
            Err(_) => address.to_owned(),
        },
        None => address.to_owned(),
    }
}

/// An address as smtp-proto hands it out: without quoting.
fn unquoted(address: &Address) -> String {
    format!("{}@{}", address.local_part(), address.domain())
}

/// Whatever we take, it takes, and understands alike.
fn compare(line: &str) -> Result<(), TestCaseError> {
    match (ours(line), theirs(line)) {
        (Ours::Mail(mail), Some(Request::Mail { from })) => {
            let address = match &mail.reverse_path {
                ReversePath::Null => String::new(),
                ReversePath::Address(address) => unquoted(address),
            };
            prop_assert_eq!(address, canonical(&from.address), "{}", line);
            let size = mail.parameters.size.unwrap_or(0);
            prop_assert_eq!(size, from.size as u64, "{}", line);
            prop_assert_eq!(
                mail.parameters.body == Body::EightBitMime,
                from.flags & MAIL_BODY_8BITMIME != 0
            );
            prop_assert_eq!(mail.parameters.smtputf8, from.flags & MAIL_SMTPUTF8 != 0);
        }
        (Ours::Rcpt(rcpt), Some(Request::Rcpt { to })) => {
            let address = match &rcpt.forward_path {
                ForwardPath::Postmaster => String::new(),
                ForwardPath::Address(address) => unquoted(address),
            };
            prop_assert_eq!(address, canonical(&to.address), "{}", line);
        }
        (Ours::Ehlo(name), Some(Request::Ehlo { host })) => prop_assert_eq!(name, host),
        (Ours::Refused, _) => {}
        (ours, theirs) => prop_assert!(false, "{}: {:?} {:?}", line, ours, theirs),
    }
    Ok(())
}

fn address() -> impl Strategy<Value = String> {
    let local = "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,12}(\\.[a-z0-9]{1,8}){0,2}|\"[a-z .,;:<>()]{1,10}\"";
    (
        local,
        "[a-z][a-z0-9]{0,9}(-[a-z0-9]{1,5})?(\\.[a-z]{2,6}){0,3}",
    )
        .prop_map(|(local, domain)| format!("{local}@{domain}"))
}

fn any_case(word: &'static str) -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<bool>(), word.len()).prop_map(move |upper| {
        word.chars()
            .zip(upper)
            .map(|(letter, upper)| {
                if upper {
                    letter
                } else {
                    letter.to_ascii_lowercase()
                }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn commands_after_the_grammar_are_taken_by_both(
        mail in any_case("MAIL FROM:"),
        rcpt in any_case("RCPT TO:"),
        address in address(),
        size in proptest::option::of(0u64..50_000_000),
        body in proptest::option::of(proptest::sample::select(vec!["7BIT", "8BITMIME", "8bitmime"])),
        utf8 in any::<bool>(),
    ) {
        let mut line = format!("{mail}<{address}>");
        if let Some(size) = size {
            line.push_str(&format!(" SIZE={size}"));
        }
        if let Some(body) = body {
            line.push_str(&format!(" BODY={body}"));
        }
        if utf8 {
            line.push_str(" SMTPUTF8");
        }
        prop_assert!(matches!(ours(&line), Ours::Mail(_)), "{}", line);
        compare(&line)?;
        let line = format!("{rcpt}<{address}>");
        prop_assert!(matches!(ours(&line), Ours::Rcpt(_)), "{}", line);
        compare(&line)?;
    }

    #[test]
    fn what_we_take_is_understood_alike(
        verb in proptest::sample::select(vec!["MAIL FROM:", "RCPT TO:", "EHLO ", "mail from:", "MAIL  FROM:"]),
        rest in "[<>@a-c.\"\\\\ :,é-]{0,24}|<[a-c.\"\\\\ @]{0,16}@[a-c.-]{0,8}>( (SIZE=[0-9]{0,4}|BODY=7BIT|SMTPUTF8|X=1)){0,2}",
    ) {
        compare(&format!("{verb}{rest}"))?;
    }

    #[test]
    fn chunk_sizes(size in 0usize..90_000_000, last in any::<bool>()) {
        let line = format!("BDAT {size}{}", if last { " LAST" } else { "" });
        prop_assert_eq!(theirs(&line), Some(Request::Bdat { chunk_size: size, is_last: last }));
        // Ours cannot be told from outside before the chunk has come; that it is waited for can.
        let mut server = Server::<Sealed>::start(&Sealed::new(facts()), Arc::new(Config::new("mail.example.org")));
        server.input(format!("{line}\r\n").as_bytes());
        let (before, _) = run(&mut server);
        server.input(&vec![b'x'; size.min(5000)]);
        let (after, _) = run(&mut server);
        let refused = format!("{before}{after}").contains("503 5.5.1 Send EHLO first");
        prop_assert_eq!(refused, size <= 5000);
    }
}

#[test]
fn where_we_are_stricter() {
    for line in [
        "MAIL FROM: <a@example.org>",
        "MAIL FROM:<a@example.org >",
        "RCPT TO:<a@exa_mple.org>",
        "RCPT TO:<a@-example.org>",
        "MAIL FROM:<a@example.org> SIZE=1 SIZE=2",
    ] {
        assert!(matches!(ours(line), Ours::Refused), "{line}");
    }
}
