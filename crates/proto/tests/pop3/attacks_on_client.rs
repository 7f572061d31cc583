//! docs/attacks.md, clients: one test a row that applies to POP3. In every failing case nothing secret was sent:
//! a `Client<Clear>` has no secret to send, and `sent` shows what it did send.

use pillarbox_policy::RefusalCode;
use pillarbox_proto::channel::End;
use pillarbox_proto::line::LineError;
use pillarbox_proto::pop3::client::{Client, Event, NotNow, Violation};
use pillarbox_proto::{Clear, Injected, Machine, Sealed, Start, Step, Upgrade};

use crate::caller::facts;
use crate::channels::{clear, seal};

/// A client on a cleartext port that was greeted and has sent STLS.
fn stls_sent() -> Client<Clear> {
    let mut client = Client::<Clear>::start(&clear(), ());
    client.input(b"+OK\r\n");
    assert_eq!(client.poll(), Step::Event(Event::Greeted));
    client.start_tls().unwrap();
    assert_eq!(client.poll(), Step::Output(b"STLS\r\n".into()));
    client
}

/// Lets the client talk to a server that says these things, whatever it hears. What it sent, and how it ended.
fn talk(answers: &[&[u8]]) -> (Vec<u8>, Result<Event, Violation>) {
    let mut client = Client::<Clear>::start(&clear(), ());
    let mut sent = Vec::new();
    let mut answers = answers.iter();
    loop {
        match client.poll() {
            Step::Output(bytes) => sent.extend_from_slice(&bytes),
            Step::Event(Event::Greeted) => client.ask_capabilities().unwrap(),
            Step::Event(Event::Capabilities) => client.start_tls().unwrap(),
            Step::Event(event) => return (sent, Ok(event)),
            Step::Err(violation) => return (sent, Err(violation)),
            Step::NeedInput => client.input(answers.next().unwrap()),
            step => panic!("{step:?}"),
        }
    }
}

#[test]
fn c1_response_injection_pop3() {
    let injected = b"+OK begin TLS\r\n+OK\r\nSASL PLAIN\r\n.\r\n+OK logged in\r\n+OK 0 0\r\n";
    let reply = b"+OK begin TLS\r\n".len();
    for end in reply + 1..injected.len() {
        let found = Injected {
            found_by: End::Client,
            bytes: end - reply,
        };
        // In one segment.
        let mut client = stls_sent();
        client.input(&injected[..end]);
        assert_eq!(client.poll(), Step::Err(Violation::Injected(found)));
        assert_eq!(
            Violation::Injected(found).code(),
            RefusalCode::ResponseInjection
        );
        // Split in time: after the reply was taken, before the handshake.
        let mut client = stls_sent();
        client.input(&injected[..reply]);
        assert_eq!(client.poll(), Step::Event(Event::StartTls));
        assert_eq!(client.poll(), Step::NeedReply);
        client.input(&injected[reply..end]);
        assert_eq!(client.nothing_left().err(), Some(found));
    }
}

#[test]
fn c4_stls_stripped_pop3() {
    for answer in [
        &b"-ERR no TLS here\r\n"[..],
        b"-ERR\r\n",
        b"+ \r\n",
        b"+ go ahead\r\n",
        b"+OKAY\r\n",
        b"* OK begin TLS\r\n",
        b"220 ready\r\n",
        b"BAD\r\n",
        b"\r\n",
    ] {
        let mut client = stls_sent();
        client.input(answer);
        assert_eq!(
            client.poll(),
            Step::Err(Violation::StlsRefused),
            "{answer:?}"
        );
        assert_eq!(Violation::StlsRefused.code(), RefusalCode::StarttlsStripped);
    }
    // Not listed: it is sent all the same, and nothing else is.
    let (sent, end) = talk(&[
        b"+OK\r\n",
        b"+OK\r\nUSER\r\nSASL PLAIN\r\n.\r\n",
        b"-ERR unknown command\r\n",
    ]);
    assert_eq!(sent, b"CAPA\r\nSTLS\r\n");
    assert_eq!(end, Err(Violation::StlsRefused));
}

#[test]
fn c5_old_server_pretended_pop3() {
    let (sent, end) = talk(&[
        b"+OK\r\n",
        b"-ERR unknown command\r\n",
        b"-ERR unknown command\r\n",
    ]);
    assert_eq!(sent, b"CAPA\r\nSTLS\r\n");
    assert_eq!(end, Err(Violation::StlsRefused));
}

#[test]
fn c9_cleartext_capabilities_are_forgotten_pop3() {
    let mut client = Client::<Clear>::start(&clear(), ());
    client.input(b"+OK\r\n");
    assert_eq!(client.poll(), Step::Event(Event::Greeted));
    client.ask_capabilities().unwrap();
    assert!(matches!(client.poll(), Step::Output(_)));
    client.input(b"+OK\r\nSASL PLAIN\r\nSTLS\r\n.\r\n");
    assert_eq!(client.poll(), Step::Event(Event::Capabilities));
    client.start_tls().unwrap();
    assert!(matches!(client.poll(), Step::Output(_)));
    client.input(b"+OK\r\n");
    assert_eq!(client.poll(), Step::Event(Event::StartTls));
    let mut client: Client<Sealed> = seal(client, ()).unwrap();
    assert!(!client.capabilities().has("SASL"));
    assert_eq!(client.poll(), Step::Output(b"CAPA\r\n".into()));
}

#[test]
fn c10_no_words_of_a_cleartext_server_are_told_pop3() {
    // Events before TLS carry no text at all; violations have our words only.
    for answers in [
        &[&b"-ERR Call 555-EVIL now\r\n"[..]][..],
        &[
            b"+OK Call 555-EVIL\r\n",
            b"-ERR 555-EVIL\r\n",
            b"-ERR 555-EVIL\r\n",
        ],
        &[b"+OK Call 555-EVIL\r\n", b"+OK\r\n.\r\n", b"+ 555-EVIL\r\n"],
    ] {
        let (_, end) = talk(answers);
        let told = match &end {
            Ok(event) => format!("{event:?}"),
            Err(violation) => format!("{violation:?} {violation}"),
        };
        assert!(!told.contains("EVIL"), "{told}");
    }
    let mut client = Client::<Clear>::start(&clear(), ());
    client.input(b"+OK\r\n");
    assert_eq!(client.poll(), Step::Event(Event::Greeted));
    client.quit().unwrap();
    assert!(matches!(client.poll(), Step::Output(_)));
    client.input(b"-ERR 555-EVIL\r\n");
    assert_eq!(client.poll(), Step::Close);
}

#[test]
fn c12_malformed_greetings_pop3() {
    for greeting in [
        &b"-ERR go away\r\n"[..],
        b"-ERR\r\n",
        b"+ OK\r\n",
        b"+ok\r\n",
        b"* OK IMAP4rev2\r\n",
        b"220 mail.example.org ESMTP\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"garbage\r\n+OK\r\n",
        b"\r\n+OK\r\n",
        b"+OKtoo close\r\n",
    ] {
        let mut clear = Client::<Clear>::start(&crate::channels::clear(), ());
        clear.input(greeting);
        assert_eq!(
            clear.poll(),
            Step::Err(Violation::NoGreeting),
            "{greeting:?}"
        );
        let mut sealed = Client::<Sealed>::start(&Sealed::new(facts()), ());
        sealed.input(greeting);
        assert_eq!(
            sealed.poll(),
            Step::Err(Violation::NoGreeting),
            "{greeting:?}"
        );
    }
    for (greeting, error) in [
        (&b"+OK\n"[..], LineError::BareLf),
        (b"+OK\0\r\n", LineError::Nul),
        (b"+OK\rx\r\n", LineError::BareCr),
    ] {
        let mut client = Client::<Clear>::start(&clear(), ());
        client.input(greeting);
        assert_eq!(client.poll(), Step::Err(Violation::Line(error)));
    }
    let mut client = Client::<Clear>::start(&clear(), ());
    let mut fed = 0;
    let end = loop {
        client.input(&[b'x'; 4096]);
        fed += 4096;
        match client.poll() {
            Step::NeedInput => assert!(fed < 1 << 20),
            step => break step,
        }
    };
    assert_eq!(end, Step::Err(Violation::Line(LineError::Endless)));
    // One byte at a time is slow, not wrong.
    let mut client = Client::<Clear>::start(&clear(), ());
    for octet in b"+OK POP3 <1.2@x>\r" {
        client.input(&[*octet]);
        assert_eq!(client.poll(), Step::NeedInput);
    }
    client.input(b"\n");
    assert_eq!(client.poll(), Step::Event(Event::Greeted));
}

#[test]
fn c13_early_answer_pop3() {
    // The answer to STLS comes with the greeting, before STLS was sent.
    let mut client = Client::<Clear>::start(&clear(), ());
    client.input(b"+OK\r\n+OK begin TLS\r\n");
    assert_eq!(client.poll(), Step::Event(Event::Greeted));
    client.start_tls().unwrap();
    assert_eq!(client.poll(), Step::Err(Violation::EarlyAnswer));
    // The same, inside TLS: nothing may stand behind the greeting.
    let mut client = Client::<Sealed>::start(&Sealed::new(facts()), ());
    client.input(b"+OK\r\n+OK\r\n.\r\n");
    assert_eq!(client.poll(), Step::Err(Violation::Unsolicited));
    // Words nobody asked for, in between.
    let mut client = Client::<Clear>::start(&clear(), ());
    client.input(b"+OK\r\n");
    assert_eq!(client.poll(), Step::Event(Event::Greeted));
    client.input(b"+OK begin TLS\r\n");
    assert_eq!(client.poll(), Step::Err(Violation::EarlyAnswer));
    assert_eq!(client.start_tls(), Err(NotNow));
}

#[test]
fn c22_nothing_but_capa_stls_and_quit_is_sent_in_the_clear_pop3() {
    let (sent, end) = talk(&[
        b"+OK\r\n",
        b"+OK\r\nSTLS\r\nUTF8\r\nLANG\r\n.\r\n",
        b"+OK\r\n",
    ]);
    assert_eq!(sent, b"CAPA\r\nSTLS\r\n");
    assert_eq!(end, Ok(Event::StartTls));
}
