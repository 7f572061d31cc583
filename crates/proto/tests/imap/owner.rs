//! An owner for the server's machine: one account and one mailbox in memory, the same answers every time.

use std::num::NonZeroU32;

use pillarbox_proto::imap::grammar::{DateTime, SequenceSet};
use pillarbox_proto::imap::server::{
    Access, Attribute, Code, Completion, CopyKind, Denial, Dialogue, Event, Expunges, FetchItem,
    FieldFilter, FlagOperation, Listed, Login, Naming, SearchKey, SearchOutcome, SelectedMailbox,
    Server, StatusValues, Update, View, Violation,
};
use pillarbox_proto::message::{Index, IndexLimits, Indexer};
use pillarbox_proto::sasl::Nonce;
use pillarbox_proto::{LoginChannel, Machine, Step};

use crate::channels::window;

/// The one message there is; every mailbox entry is a copy of it.
pub(crate) const MESSAGE: &str = "From: Fred <fred@example.org>\r\nTo: tim@example.org\r\nSubject: lunch\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nAt one?\r\n--b\r\nContent-Type: text/html\r\n\r\n\
    <p>At one?\r\n--b--\r\n";

/// What the machine did in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    NeedInput,
    Closed,
    Violation(Violation),
}

#[derive(Debug, Default)]
pub(crate) struct Owner {
    view: View,
    appended: Vec<u8>,
    access: Option<Access>,
    /// Names of the events, for tests of what may not be asked.
    pub(crate) events: Vec<&'static str>,
    pub(crate) id: Vec<(String, Option<String>)>,
}

impl Owner {
    /// Polls until the client has to speak, answering everything. Appends what is put out to `out`.
    pub(crate) fn run<C: LoginChannel>(
        &mut self,
        dialogue: &mut Server<C>,
        out: &mut Vec<u8>,
    ) -> End {
        loop {
            match dialogue.poll() {
                Step::Output(bytes) => {
                    assert!(!bytes.is_empty() && bytes.len() <= 16 * 1024);
                    out.extend_from_slice(&bytes);
                }
                Step::Event(Event::NeedPermit) => dialogue.permit(Some(window())),
                Step::Event(event) => self.answer(dialogue, event),
                Step::NeedInput => return End::NeedInput,
                Step::NeedReply => panic!("an event was left unanswered: {:?}", self.events),
                Step::Close => return End::Closed,
                Step::Err(violation) => return End::Violation(violation),
            }
        }
    }

    fn announce(&mut self, dialogue: &mut Dialogue) {
        for update in self.view.announce(Expunges::Announced) {
            match update {
                Update::Expunge(number) => dialogue.expunged(number),
                Update::Exists(count) => dialogue.exists(count),
            }
        }
    }

    fn answer(&mut self, dialogue: &mut Dialogue, event: Event) {
        let (name, completion) = match event {
            Event::NeedPermit => unreachable!("answered by run"),
            Event::Login(login) => {
                self.events.push("Login");
                return answer_login(dialogue, login);
            }
            Event::Id(fields) => {
                self.events.push("Id");
                self.id = fields;
                return;
            }
            Event::Append(head) => {
                self.events.push("Append");
                self.appended.clear();
                if head.mailbox == "missing" {
                    dialogue.append_refuse(Code::TryCreate, "There is no such mailbox");
                } else {
                    dialogue.append_accept();
                }
                return;
            }
            Event::AppendPiece(piece) => {
                assert!(!piece.is_empty() && piece.len() <= 16 * 1024);
                return self.appended.extend(piece);
            }
            Event::AppendAborted => return self.events.push("AppendAborted"),
            Event::Idle => {
                self.events.push("Idle");
                self.view.arrived([self.view.largest_uid() + 1]);
                return self.announce(dialogue);
            }
            Event::Select(select) => {
                self.events.push("Select");
                return self.select(dialogue, &select.mailbox, select.access);
            }
            Event::AppendEnd => ("AppendEnd", self.append_end()),
            Event::IdleEnd => ("IdleEnd", Completion::DONE),
            Event::Noop => ("Noop", Completion::DONE),
            Event::Create(name) => ("Create", exists_already(&name)),
            Event::Delete(name) | Event::Subscribe(name) | Event::Unsubscribe(name) => {
                ("Mailbox", must_exist(&name))
            }
            Event::Rename { from, .. } => ("Rename", must_exist(&from)),
            Event::List(list) => {
                for name in ["INBOX", "Entw\u{fc}rfe"] {
                    if list.patterns.iter().any(|pattern| pattern.matches(name)) {
                        dialogue.listed(&Listed {
                            name: name.to_owned(),
                            attributes: vec![Attribute::HasNoChildren],
                            child_subscribed: false,
                        });
                        if let Some(items) = &list.status {
                            dialogue.status(name, items, &VALUES);
                        }
                    }
                }
                ("List", Completion::DONE)
            }
            Event::Lsub(_) => {
                dialogue.listed_subscribed("INBOX", true);
                ("Lsub", Completion::DONE)
            }
            Event::Status { mailbox, items } => {
                dialogue.status(&mailbox, &items, &VALUES);
                ("Status", Completion::DONE)
            }
            Event::Close | Event::Unselect => ("Close", Completion::DONE),
            Event::Expunge(set) => {
                let among = set.map(|set| self.view.resolve(&set, Naming::Uid).unwrap());
                if among.is_none_or(|among| among.iter().any(|(_, uid)| *uid == 7)) {
                    self.view.expunged([7]);
                }
                ("Expunge", Completion::DONE)
            }
            Event::Search(search) => {
                let found: Vec<SearchOutcome> = (1..=self.view.len())
                    .filter(|_| search.key == SearchKey::All)
                    .map(|number| SearchOutcome {
                        number: match search.naming {
                            Naming::Sequence => number,
                            Naming::Uid => self.view.uid_of(number).unwrap(),
                        },
                        modseq: 5,
                    })
                    .collect();
                dialogue.found(&search, &found);
                ("Search", Completion::DONE)
            }
            Event::Fetch(fetch) => match self.view.resolve(&fetch.set, fetch.naming) {
                Ok(named) => {
                    for (number, uid) in named {
                        fetch_one(dialogue, number, uid, &fetch.items);
                    }
                    ("Fetch", Completion::DONE)
                }
                Err(_) => (
                    "Fetch",
                    Completion::Bad("there is no message with that number"),
                ),
            },
            Event::Store(store) => {
                let named = self
                    .view
                    .resolve(&store.set, store.naming)
                    .unwrap_or_default();
                for (number, _) in named {
                    if !store.silent {
                        dialogue.fetch_open(number);
                        match store.operation {
                            FlagOperation::Remove => dialogue.fetch_flags([]),
                            _ => dialogue.fetch_flags(store.flags.iter().map(String::as_str)),
                        }
                        dialogue.fetch_close();
                    }
                }
                ("Store", Completion::DONE)
            }
            Event::Copy {
                set, naming, kind, ..
            } => {
                let named = self.view.resolve(&set, naming).unwrap_or_default();
                let code = Code::CopyUid {
                    validity: NonZeroU32::MIN,
                    from: SequenceSet::of(named.iter().map(|(_, uid)| *uid)),
                    to: SequenceSet::of(1..=named.len() as u32),
                };
                match kind {
                    _ if named.is_empty() => ("Copy", Completion::DONE),
                    CopyKind::Copy => ("Copy", Completion::Ok(Some(code))),
                    CopyKind::Move => {
                        dialogue.moved(&code);
                        self.view.expunged(named.into_iter().map(|(_, uid)| uid));
                        ("Move", Completion::DONE)
                    }
                }
            }
        };
        self.events.push(name);
        self.announce(dialogue);
        dialogue.complete(completion);
    }

    fn select(&mut self, dialogue: &mut Dialogue, mailbox: &str, access: Access) {
        if mailbox == "missing" {
            return dialogue.complete(must_exist(mailbox));
        }
        self.view = View::new(vec![4, 7, 9]);
        self.access = Some(access);
        dialogue.selected(&SelectedMailbox {
            messages: 3,
            uid_validity: NonZeroU32::MIN,
            uid_next: NonZeroU32::new(10).unwrap(),
            first_unseen: Some(2),
            keywords: vec!["$Forwarded".to_owned()],
            highest_modseq: 5,
        });
    }

    fn append_end(&mut self) -> Completion {
        Completion::Ok(Some(Code::AppendUid {
            validity: NonZeroU32::MIN,
            uids: SequenceSet::of([self.appended.len() as u32]),
        }))
    }
}

const VALUES: StatusValues = StatusValues {
    messages: 3,
    uid_next: NonZeroU32::new(10).unwrap(),
    uid_validity: NonZeroU32::MIN,
    unseen: 2,
    deleted: 0,
    size: 600,
    highest_modseq: 5,
};

fn must_exist(name: &str) -> Completion {
    match name {
        "missing" => Completion::no(Code::Nonexistent, "There is no such mailbox"),
        _ => Completion::DONE,
    }
}

fn exists_already(name: &str) -> Completion {
    match name {
        "INBOX" => Completion::no(Code::AlreadyExists, "There is such a mailbox already"),
        _ => Completion::DONE,
    }
}

fn answer_login(dialogue: &mut Dialogue, login: Login) {
    match login {
        Login::Nonce(_) => dialogue.exchange_nonce(Nonce::from_random([1; Nonce::RANDOM])),
        Login::Password {
            login, password, ..
        } => {
            let right = login == "tim" && password.expose() == "tanstaaf \"x\"";
            dialogue.login_decided(if right {
                Ok(())
            } else {
                Err(Denial::Credentials)
            });
        }
        Login::ScramKeys { .. } => dialogue.login_decided(Err(Denial::Unavailable)),
        Login::Scram { .. } => dialogue.login_decided(Ok(())),
    }
}

pub(crate) fn index() -> Index {
    let mut indexer = Indexer::new(IndexLimits::default());
    indexer.push(MESSAGE.as_bytes());
    indexer.finish()
}

fn fetch_one(dialogue: &mut Dialogue, number: u32, uid: u32, items: &[FetchItem]) {
    let index = index();
    dialogue.fetch_open(number);
    for item in items {
        match item {
            FetchItem::Uid => dialogue.fetch_uid(uid),
            FetchItem::Flags => dialogue.fetch_flags(["\\Seen"]),
            FetchItem::InternalDate => dialogue.fetch_internal_date(DateTime {
                seconds: 837_596_665,
                offset_minutes: -420,
            }),
            FetchItem::Size => dialogue.fetch_size(MESSAGE.len() as u64),
            FetchItem::Modseq => dialogue.fetch_modseq(5),
            FetchItem::Envelope => dialogue.fetch_envelope(&index.envelope()),
            FetchItem::Body => dialogue.fetch_body(&index.body_structure()),
            FetchItem::BodyStructure => dialogue.fetch_body_structure(&index.body_structure()),
            FetchItem::Section {
                section,
                partial,
                label,
            } => {
                let Some(range) = section.range(&index) else {
                    dialogue.fetch_nothing(section, *partial, *label);
                    continue;
                };
                let mut octets =
                    MESSAGE.as_bytes()[range.start as usize..range.end as usize].to_vec();
                if let Some(mut filter) = section.text.as_ref().and_then(FieldFilter::new) {
                    octets = filter.push(&octets);
                    octets.extend(filter.finish());
                }
                let all = 0..octets.len() as u64;
                let wanted = partial.map_or(all.clone(), |partial| partial.of(all));
                dialogue.fetch_octets(section, *partial, *label, wanted.end - wanted.start);
                dialogue.fetch_piece(&octets[wanted.start as usize..wanted.end as usize]);
            }
        }
    }
    dialogue.fetch_close();
}
