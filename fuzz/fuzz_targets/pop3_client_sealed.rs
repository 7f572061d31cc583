//! A server inside TLS, hostile or broken. The client logs in, looks around, reads, deletes and leaves.
//!
//! Oracles: no panic; a SCRAM login never succeeds, since the fuzzer does not know the password; pieces of a
//! message are bounded and come between begin and end; server text that is told holds no control character.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::{binding, client_facts};
use pillarbox_policy::AccountLevel;
use pillarbox_policy::Credentials;
use pillarbox_proto::machine::MAX_OUTPUT;
use pillarbox_proto::pop3::client::{Client, Event, LoggedInBy};
use pillarbox_proto::sasl::{Mechanism, Nonce};
use pillarbox_proto::{Machine, Sealed, Start, Step};

/// Gives the next command of a session of fixed course.
fn command(client: &mut Client<Sealed>, step: &mut u8) {
    *step += 1;
    let given = match *step {
        1 => client.stat(),
        2 => client.list(),
        3 => client.unique_ids(),
        4 => client.retrieve(1),
        5 => client.top(1, 3),
        6 => client.ask_capabilities(),
        7 => client.delete(1),
        _ => client.quit(),
    };
    given.unwrap();
}

fn session<'a>(pieces: impl Iterator<Item = &'a [u8]>) {
    let credentials = Credentials::new("ann", "s3cret".into(), &AccountLevel::default());
    let mut client = Client::<Sealed>::start(&Sealed::new(client_facts(Some(binding()))), ());
    let mut step = 0;
    let mut in_message = false;
    for piece in pieces {
        client.input(piece);
        loop {
            match client.poll() {
                Step::Output(bytes) => assert!(!bytes.is_empty() && bytes.len() <= MAX_OUTPUT),
                Step::Event(Event::Ready) => {
                    if client
                        .log_in(&credentials, Nonce::from_random([1; 18]))
                        .is_err()
                    {
                        return;
                    }
                }
                Step::Event(Event::LoggedIn(by)) => {
                    assert!(matches!(
                        by,
                        LoggedInBy::UserPass | LoggedInBy::Sasl(Mechanism::Plain)
                    ));
                    command(&mut client, &mut step);
                }
                Step::Event(Event::LoginRefused(refused)) => {
                    assert!(!refused.text.as_str().contains(char::is_control));
                    return;
                }
                Step::Event(Event::Refused(refused)) => {
                    assert!(!refused.text.as_str().contains(char::is_control));
                    if step < 8 {
                        command(&mut client, &mut step);
                    }
                }
                Step::Event(Event::MessageBegins) => in_message = true,
                Step::Event(Event::MessagePiece(piece)) => {
                    assert!(in_message && !piece.is_empty() && piece.len() <= MAX_OUTPUT + 2);
                }
                Step::Event(Event::MessageEnds) => {
                    assert!(in_message);
                    in_message = false;
                    command(&mut client, &mut step);
                }
                Step::Event(Event::UniqueId { id, .. }) => {
                    assert!(!id.is_empty() && id.len() <= 70)
                }
                Step::Event(Event::Size { message, .. }) => assert!(message > 0),
                Step::Event(
                    Event::Totals { .. } | Event::ListEnds | Event::Capabilities | Event::Done,
                ) => {
                    command(&mut client, &mut step);
                }
                Step::Event(Event::Goodbye) => assert_eq!(step, 8),
                Step::Event(event) => panic!("{event:?} inside TLS"),
                Step::NeedInput => break,
                Step::NeedReply => panic!("nothing was asked"),
                Step::Close => {
                    assert_eq!(step, 8);
                    return;
                }
                Step::Err(violation) => {
                    client.input(b"+OK\r\n");
                    assert_eq!(client.poll(), Step::Err(violation));
                    return;
                }
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    session(std::iter::once(data));
    session(data.chunks(1));
    session(data.chunks(1 + data.len() % 11));
    // Line by line, as an honest server's words would come.
    session(data.split_inclusive(|octet| *octet == b'\n'));
});
