//! A server inside TLS against an owner that gives one command after the other.
//!
//! Oracles: no panic; how the server's words are cut into pieces never matters; what is put out is bounded;
//! no body piece is over 16 KiB; no text of the server reaches the owner with control characters.

#![no_main]

use std::num::NonZeroU32;

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::client_facts;
use pillarbox_policy::{AccountLevel, Credentials};
use pillarbox_proto::imap::client::{
    Client, ClientCertificate, Event, FlagChange, MailboxName, SearchKey, Violation,
};
use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::sasl::Nonce;
use pillarbox_proto::{Machine, Sealed, Start, Step};

#[derive(Debug, Default, PartialEq)]
struct Heard {
    said: Vec<u8>,
    events: Vec<String>,
    body: Vec<u8>,
    end: Option<Result<(), Violation>>,
}

fn session<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Heard {
    let mut client =
        Client::<Sealed>::start(&Sealed::new(client_facts(None)), ClientCertificate::NotSent);
    let mut heard = Heard::default();
    let mut turn = 0;
    for piece in pieces {
        client.input(piece);
        loop {
            match client.poll() {
                Step::Output(bytes) => {
                    assert!(!bytes.is_empty() && bytes.len() <= 16 * 1024);
                    heard.said.extend_from_slice(&bytes);
                }
                Step::Event(Event::BodyPiece(octets)) => {
                    assert!(octets.len() <= 16 * 1024);
                    heard.body.extend(octets);
                }
                Step::Event(event) => {
                    match &event {
                        Event::Alert(text) | Event::Bye(text) => {
                            assert!(!text.as_str().chars().any(char::is_control));
                        }
                        Event::Mailbox(listing) => {
                            assert!(!listing.name.to_text().chars().any(char::is_control));
                        }
                        Event::AppendWants(most) => {
                            client.append_data(&vec![b'm'; *most]).unwrap();
                        }
                        Event::Idling => client.end_idle().unwrap(),
                        Event::Ready | Event::Done(_) | Event::Refused(_) => {
                            turn += 1;
                            command(&mut client, turn);
                        }
                        _ => {}
                    }
                    heard.events.push(format!("{event:?}"));
                }
                Step::NeedInput => break,
                Step::NeedReply => panic!("every question was answered"),
                Step::Close => {
                    heard.end = Some(Ok(()));
                    return heard;
                }
                Step::Err(error) => {
                    heard.end = Some(Err(error));
                    return heard;
                }
            }
        }
    }
    heard
}

/// Gives the next command; one that cannot be given now is left out.
fn command(client: &mut Client<Sealed>, turn: u32) {
    let inbox = MailboxName::new("INBOX");
    let credentials = Credentials::new("ann", "secret".into(), &AccountLevel::default());
    let uids = SequenceSet::of([1, 2]);
    let _ = match turn {
        1 => {
            let _ = client.authenticate(&credentials, Nonce::from_random([1; 18]));
            Ok(())
        }
        2 => client.select(&inbox),
        3 => client.fetch_summaries(&uids),
        4 => client.fetch_body(NonZeroU32::MIN),
        5 => client.list(&MailboxName::new(""), &MailboxName::new("*")),
        6 => client.append(&inbox, &["\\Seen"], None, 20_000),
        7 => client.search(&[SearchKey::Subject("\u{e4}".to_owned())]),
        8 => client.store_flags(&uids, FlagChange::Add, &["\\Seen"]),
        9 => client.idle(),
        10 => client.status(&inbox),
        11 => client.id(&[("name", "fuzz")]),
        _ => client.logout(),
    };
}

fuzz_target!(|data: &[u8]| {
    let whole = session(std::iter::once(data));
    // A dozen commands and a message of 20,000 octets.
    assert!(whole.said.len() < 24_000);
    assert!(whole.body.len() <= data.len());
    assert_eq!(whole, session(data.chunks(1)));
    assert_eq!(whole, session(data.chunks(1 + data.len() % 13)));
});
