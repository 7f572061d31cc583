//! A client inside TLS against the server's machine, with an caller that answers every event.
//!
//! Oracles: no panic; how the client's words are cut into pieces never matters; no event but those of
//! authentication before the caller has let somebody in; pieces of messages and of output are at most 16 KiB.

#![no_main]

use std::num::NonZeroU32;

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::server_facts;
use pillarbox_policy::{LoginOutcome, LoginRefusal};
use pillarbox_proto::imap::server::{
    Completion, Event, FetchItem, Limits, ResponseCode, SearchOutcome, SelectedMailbox, Server,
    StatusValues, Violation,
};
use pillarbox_proto::line::LineError;
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, Nonce};
use pillarbox_proto::{Machine, Sealed, Start, Step};

#[path = "../../crates/proto/tests/imap/view.rs"]
mod view;

use view::{Update, View};

/// Lets in everybody whose login begins with `a`; has one mailbox with three messages of five octets.
#[derive(Default)]
struct Caller {
    view: View,
    let_in: bool,
}

impl Caller {
    fn answer(&mut self, dialogue: &mut Server<Sealed>, event: Event) {
        assert!(
            self.let_in || matches!(event, Event::Login(_) | Event::Id(_)),
            "{event:?} before login"
        );
        match event {
            Event::NeedPermit => unreachable!("that comes in the clear alone"),
            Event::Login(login) => dialogue.answer_login(match login.question {
                LoginQuestion::Nonce => LoginAnswer::Nonce(Nonce::from_random([1; Nonce::RANDOM])),
                LoginQuestion::Password { login, .. } if login.starts_with('a') => {
                    LoginAnswer::Accept
                }
                LoginQuestion::Ended { outcome, .. } => {
                    self.let_in = outcome == LoginOutcome::Succeeded;
                    LoginAnswer::Recorded
                }
                _ => LoginAnswer::Refuse(LoginRefusal::Credentials),
            }),
            Event::MessageAborted => {}
            Event::MessagePiece(piece) => assert!(!piece.is_empty() && piece.len() <= 16 * 1024),
            Event::Append(append) if append.mailbox == "x" => {
                dialogue.message_refuse(ResponseCode::TryCreate, "no such mailbox");
            }
            Event::Append(_) | Event::Replace(_) => dialogue.message_accept(),
            Event::Unauthenticate(_) => {
                self.let_in = false;
                dialogue.complete(Completion::DONE);
            }
            Event::Idle(_) => {
                self.view
                    .arrived([self.view.largest_uid().saturating_add(1)]);
                self.announce(dialogue);
            }
            Event::Select(select) if select.mailbox == "x" => {
                dialogue.complete(Completion::no(ResponseCode::Nonexistent, "no such mailbox"));
            }
            Event::Select(_) | Event::Examine(_) => {
                self.view = View::new(vec![2, 3, 5]);
                dialogue.selected(&SelectedMailbox {
                    messages: 3,
                    uid_validity: NonZeroU32::MIN,
                    uid_next: NonZeroU32::MIN,
                    first_unseen: None,
                    keywords: Vec::new(),
                    highest_modseq: 1,
                });
            }
            Event::Status(status) => {
                let values = StatusValues {
                    messages: 3,
                    uid_next: NonZeroU32::MIN,
                    uid_validity: NonZeroU32::MIN,
                    unseen: 0,
                    deleted: 0,
                    size: 15,
                    highest_modseq: 1,
                };
                dialogue
                    .responses()
                    .status(&status.mailbox, &status.items, &values);
                dialogue.complete(Completion::DONE);
            }
            Event::Search(search) => {
                let found: Vec<SearchOutcome> = (1..=self.view.len())
                    .map(|number| SearchOutcome { number, modseq: 1 })
                    .collect();
                dialogue.responses().found(&search, &found);
                dialogue.complete(Completion::DONE);
            }
            Event::Fetch(fetch) => {
                for (number, uid) in self.view.resolve(&fetch.messages).unwrap_or_default() {
                    dialogue.responses().fetch_open(number);
                    for item in &fetch.items {
                        if let FetchItem::Section(wanted) = item {
                            let range = wanted.part_of(0..5);
                            let length = range.end - range.start;
                            dialogue.responses().fetch_octets(wanted, length);
                            dialogue
                                .responses()
                                .fetch_piece(&b"hello"[..length as usize]);
                        } else {
                            dialogue.responses().fetch_uid(uid);
                        }
                    }
                    dialogue.responses().fetch_close();
                }
                dialogue.complete(Completion::DONE);
            }
            Event::Expunge(expunge) => {
                let doomed = match &expunge.among {
                    Some(messages) => self.view.resolve(messages).unwrap_or_default(),
                    None => self
                        .view
                        .uid_of(1)
                        .map(|uid| (1, uid))
                        .into_iter()
                        .collect(),
                };
                self.view.expunged(doomed.into_iter().map(|(_, uid)| uid));
                self.announce(dialogue);
                dialogue.complete(Completion::DONE);
            }
            _ => {
                self.announce(dialogue);
                dialogue.complete(Completion::DONE);
            }
        }
    }

    fn announce(&mut self, dialogue: &mut Server<Sealed>) {
        for update in self.view.announce() {
            match update {
                Update::Expunge(number) => dialogue.responses().expunged(number),
                Update::Exists(count) => dialogue.responses().exists(count),
            }
        }
    }
}

/// All that is put out, and the violation it ends in.
fn session<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Option<Violation>) {
    let limits = Limits {
        message: 4096,
        skip: 4096,
        ..Limits::default()
    };
    let mut dialogue = Server::<Sealed>::start(&Sealed::new(server_facts(None)), limits);
    let mut caller = Caller::default();
    let mut out = Vec::new();
    for piece in pieces {
        dialogue.input(piece);
        loop {
            match dialogue.poll() {
                Step::Output(bytes) => {
                    assert!(!bytes.is_empty() && bytes.len() <= 16 * 1024);
                    out.extend_from_slice(&bytes);
                }
                Step::Event(event) => caller.answer(&mut dialogue, event),
                Step::NeedInput => break,
                Step::NeedReply => panic!("an event was left unanswered"),
                Step::Close => return (out, None),
                Step::Err(violation) => return (out, Some(violation)),
            }
        }
    }
    (out, None)
}

fn check(whole: &(Vec<u8>, Option<Violation>), split: &(Vec<u8>, Option<Violation>)) {
    let endless = Some(Violation::Line(LineError::Endless));
    // How soon a line without end is given up depends on the pieces; everything else does not.
    if whole.1 != endless && split.1 != endless {
        assert_eq!(whole, split);
    }
}

fuzz_target!(|data: &[u8]| {
    for login in [&b""[..], b"l LOGIN a b\r\nm SELECT INBOX\r\n"] {
        let whole = session([login, data].into_iter());
        let first = || std::iter::once(login);
        check(&whole, &session(first().chain(data.chunks(1))));
        check(
            &whole,
            &session(first().chain(data.chunks(1 + data.len() % 13))),
        );
    }
});
