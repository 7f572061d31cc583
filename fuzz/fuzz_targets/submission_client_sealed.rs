//! A server inside TLS against a client that logs in and sends one message after the other.
//!
//! Oracles: no panic; lines cut into octets say the same as whole lines; what is put out is bounded; no
//! message is reported sent before its final dot was said; no text of the server reaches the owner with
//! control characters.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::client_facts;
use pillarbox_policy::{AccountLevel, Credentials};
use pillarbox_proto::sasl::Nonce;
use pillarbox_proto::smtp::LineEnds;
use pillarbox_proto::smtp::submission::client::{Client, Envelope, Event, Failure};
use pillarbox_proto::smtp::{Body, ReversePath};
use pillarbox_proto::{Machine, Sealed, Start, Step};

#[derive(Debug, Default, PartialEq)]
struct Heard {
    said: Vec<u8>,
    events: Vec<String>,
    ended: usize,
    end: Option<Result<(), Failure>>,
}

fn envelope() -> Envelope {
    Envelope {
        sender: ReversePath::Null,
        recipients: (0..3)
            .filter_map(|number| format!("to{number}@example.org").parse().ok())
            .collect(),
        size: 100,
        body: Body::SevenBit,
        utf8_header: false,
    }
}

/// What the owner does when it is told something.
fn act(client: &mut Client<Sealed>, heard: &mut Heard, event: &Event) {
    match event {
        Event::Ready(_) => {
            let credentials = Credentials::new("ann", "secret".into(), &AccountLevel::default());
            if client
                .authenticate(&credentials, Nonce::from_random([2; Nonce::RANDOM]))
                .is_err()
            {
                client.quit();
            }
        }
        Event::Authenticated(_) | Event::Sent(_) | Event::NotSent { .. } | Event::GivenUp => {
            if client.send(envelope()).is_err() {
                client.quit();
            }
        }
        Event::NotAuthenticated(_) => client.quit(),
        Event::RecipientsAnswered { accepted: 0, .. } => client.give_up(),
        Event::RecipientsAnswered { .. } => client.go_ahead(LineEnds::Lf),
        Event::NeedContent if heard.said.ends_with(b"..x\r\n") => {
            assert_eq!(client.end_content(), Ok(()));
            heard.ended += 1;
        }
        Event::NeedContent => assert_eq!(client.content(b"Subject: x\n\n.x\n"), Ok(())),
        other => panic!("{other:?}"),
    }
}

fn session<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Heard {
    let mut client = Client::<Sealed>::start(&Sealed::new(client_facts(None)), ());
    let mut heard = Heard::default();
    for piece in pieces {
        client.input(piece);
        loop {
            match client.poll() {
                Step::Output(octets) => {
                    assert!(!octets.is_empty() && octets.len() <= 16 * 1024);
                    heard.said.extend_from_slice(&octets);
                }
                Step::Event(event) => {
                    if let Event::Sent(reply) | Event::NotSent { reply, .. } = &event {
                        assert!(!reply.text.as_str().chars().any(char::is_control));
                    }
                    if matches!(event, Event::Sent(_)) {
                        let sent = heard
                            .events
                            .iter()
                            .filter(|told| told.starts_with("Sent"))
                            .count();
                        assert!(sent < heard.ended);
                    }
                    heard.events.push(format!("{event:?}"));
                    act(&mut client, &mut heard, &event);
                }
                Step::NeedInput => break,
                Step::NeedReply => panic!("the owner always does something"),
                Step::Close => {
                    heard.end = Some(Ok(()));
                    break;
                }
                Step::Err(failure) => {
                    heard.end = Some(Err(failure));
                    break;
                }
            }
        }
    }
    heard
}

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else {
        return;
    };
    // A reply before its command ends the session, so that pieces matter unless they hold one reply each.
    session(input.chunks(usize::from(cut).max(1)));
    let line_by_line = session(input.split_inclusive(|octet| *octet == b'\n'));
    let octet_by_octet = session(input.chunks(1));
    // How soon an endless line is given up depends on the pieces.
    if input.len() < 12 * 1024 {
        assert_eq!(line_by_line, octet_by_octet);
    }
});
