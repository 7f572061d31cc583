//! An caller for the server's machine: one account and one mailbox in memory, the same answers every time.

use std::num::NonZeroU32;

use pillarbox_policy::LoginRefusal;
use pillarbox_proto::imap::grammar::{DateTime, SequenceSet};
use pillarbox_proto::imap::server::{
    Access, Attribute, Completion, Copy, Dialogue, Event, FetchItem, FieldFilter, FlagOperation,
    Listed, Move, Naming, ResponseCode, SearchKey, SearchOutcome, SelectedMailbox, Server,
    StatusValues, Violation,
};
use pillarbox_proto::message::{Index, IndexLimits, Indexer};
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, Nonce};
use pillarbox_proto::{LoginChannel, LoginMachine, Machine, Step};

use crate::channels::window;

use crate::view::{Update, View};

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
pub(crate) struct Caller {
    view: View,
    appended: Vec<u8>,
    /// The UID of the message that REPLACE removes.
    replaces: Option<u32>,
    access: Option<Access>,
    /// Names of the events, for tests of what may not be asked.
    pub(crate) events: Vec<&'static str>,
    pub(crate) id: Vec<(String, Option<String>)>,
}

impl Caller {
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
        for update in self.view.announce() {
            match update {
                Update::Expunge(number) => dialogue.responses().expunged(number),
                Update::Exists(count) => dialogue.responses().exists(count),
            }
        }
    }

    fn answer(&mut self, dialogue: &mut Dialogue, event: Event) {
        let (name, completion) = match event {
            Event::NeedPermit => unreachable!("answered by run"),
            Event::Login(login) => {
                if !matches!(login.question, LoginQuestion::Ended { .. }) {
                    self.events.push("Login");
                }
                return dialogue.answer_login(answer_login(&login.question));
            }
            Event::Id(id) => {
                self.id = id.fields;
                ("Id", Completion::DONE)
            }
            Event::Replace(replace) => {
                self.events.push("Replace");
                self.appended.clear();
                let named = self.view.resolve(&replace.old);
                self.replaces = named.ok().and_then(|named| Some(named.first()?.1));
                match (replace.new.mailbox.as_str(), self.replaces) {
                    (_, None) => {
                        dialogue.message_refuse(ResponseCode::Nonexistent, "no such message")
                    }
                    ("missing", _) => {
                        dialogue.message_refuse(ResponseCode::TryCreate, "no such mailbox")
                    }
                    _ => dialogue.message_accept(),
                }
                return;
            }
            Event::Append(head) => {
                self.events.push("Append");
                self.appended.clear();
                if head.mailbox == "missing" {
                    dialogue.message_refuse(ResponseCode::TryCreate, "There is no such mailbox");
                } else {
                    dialogue.message_accept();
                }
                return;
            }
            Event::MessagePiece(piece) => {
                assert!(!piece.is_empty() && piece.len() <= 16 * 1024);
                return self.appended.extend(piece);
            }
            Event::MessageAborted => return self.events.push("MessageAborted"),
            Event::Idle(_) => {
                self.events.push("Idle");
                self.view.arrived([self.view.largest_uid() + 1]);
                return self.announce(dialogue);
            }
            Event::Select(select) => {
                self.events.push("Select");
                return self.select(dialogue, &select.mailbox, Access::ReadWrite);
            }
            Event::Examine(examine) => {
                self.events.push("Select");
                return self.select(dialogue, &examine.0.mailbox, Access::ReadOnly);
            }
            Event::MessageEnd => match (self.replaces.take(), self.message_end()) {
                (Some(old), Completion::Ok(Some(code))) => {
                    dialogue.responses().replaced(&code);
                    self.view.expunged([old]);
                    ("MessageEnd", Completion::DONE)
                }
                (_, completion) => ("MessageEnd", completion),
            },
            Event::IdleEnd => ("IdleEnd", Completion::DONE),
            Event::Noop(_) | Event::Check(_) => ("Noop", Completion::DONE),
            Event::Create(create) => ("Create", exists_already(&create.mailbox)),
            Event::Delete(delete) => ("Delete", must_exist(&delete.mailbox)),
            Event::Subscribe(subscribe) => ("Subscribe", must_exist(&subscribe.mailbox)),
            Event::Unsubscribe(unsubscribe) => ("Unsubscribe", must_exist(&unsubscribe.mailbox)),
            Event::Rename(rename) => ("Rename", must_exist(&rename.from)),
            Event::List(list) => {
                for name in ["INBOX", "Entw\u{fc}rfe"] {
                    if list.patterns.iter().any(|pattern| pattern.matches(name)) {
                        dialogue.responses().listed(&Listed {
                            name: name.to_owned(),
                            attributes: vec![Attribute::HasNoChildren],
                            child_subscribed: false,
                        });
                        if let Some(items) = &list.status {
                            dialogue.responses().status(name, items, &VALUES);
                        }
                    }
                }
                ("List", Completion::DONE)
            }
            Event::Lsub(_) => {
                dialogue.responses().listed_subscribed("INBOX", true);
                ("Lsub", Completion::DONE)
            }
            Event::Status(status) => {
                dialogue
                    .responses()
                    .status(&status.mailbox, &status.items, &VALUES);
                ("Status", Completion::DONE)
            }
            Event::Unauthenticate(_) => ("Unauthenticate", Completion::DONE),
            Event::Close(_) | Event::Unselect(_) => ("Close", Completion::DONE),
            Event::Expunge(expunge) => {
                let among = expunge
                    .among
                    .map(|messages| self.view.resolve(&messages).unwrap());
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
                dialogue.responses().found(&search, &found);
                ("Search", Completion::DONE)
            }
            Event::Fetch(fetch) => match self.view.resolve(&fetch.messages) {
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
                let named = self.view.resolve(&store.messages).unwrap_or_default();
                for (number, _) in named {
                    if !store.silent {
                        dialogue.responses().fetch_open(number);
                        match store.operation {
                            FlagOperation::Remove => dialogue.responses().fetch_flags([]),
                            _ => dialogue
                                .responses()
                                .fetch_flags(store.flags.iter().map(String::as_str)),
                        }
                        dialogue.responses().fetch_close();
                    }
                }
                ("Store", Completion::DONE)
            }
            Event::Copy(copy) => (
                "Copy",
                Completion::Ok(self.copied(&copy).map(|(_, code)| code)),
            ),
            Event::Move(Move(copy)) => {
                if let Some((uids, code)) = self.copied(&copy) {
                    dialogue.responses().moved(&code);
                    self.view.expunged(uids);
                }
                ("Move", Completion::DONE)
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

    fn copied(&self, copy: &Copy) -> Option<(Vec<u32>, ResponseCode)> {
        let named = self.view.resolve(&copy.messages).unwrap_or_default();
        let uids: Vec<u32> = named.iter().map(|(_, uid)| *uid).collect();
        let code = ResponseCode::CopyUid {
            validity: NonZeroU32::MIN,
            from: SequenceSet::of(uids.iter().copied()),
            to: SequenceSet::of(1..=named.len() as u32),
        };
        (!uids.is_empty()).then_some((uids, code))
    }

    fn message_end(&mut self) -> Completion {
        Completion::Ok(Some(ResponseCode::AppendUid {
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
        "missing" => Completion::no(ResponseCode::Nonexistent, "There is no such mailbox"),
        _ => Completion::DONE,
    }
}

fn exists_already(name: &str) -> Completion {
    match name {
        "INBOX" => Completion::no(
            ResponseCode::AlreadyExists,
            "There is such a mailbox already",
        ),
        _ => Completion::DONE,
    }
}

fn answer_login(question: &LoginQuestion) -> LoginAnswer {
    match question {
        LoginQuestion::Nonce => LoginAnswer::Nonce(Nonce::from_random([1; Nonce::RANDOM])),
        LoginQuestion::Password { login, password } => {
            if login == "tim" && password.expose() == "tanstaaf \"x\"" {
                LoginAnswer::Accept
            } else {
                LoginAnswer::Refuse(LoginRefusal::Credentials)
            }
        }
        LoginQuestion::ScramKeys { .. } => LoginAnswer::Refuse(LoginRefusal::Unavailable),
        LoginQuestion::Proof { .. } => LoginAnswer::Accept,
        LoginQuestion::Ended { .. } => LoginAnswer::Recorded,
    }
}

pub(crate) fn index() -> Index {
    let mut indexer = Indexer::new(IndexLimits::default());
    indexer.push(MESSAGE.as_bytes());
    indexer.finish()
}

fn fetch_one(dialogue: &mut Dialogue, number: u32, uid: u32, items: &[FetchItem]) {
    let index = index();
    dialogue.responses().fetch_open(number);
    for item in items {
        match item {
            FetchItem::Uid => dialogue.responses().fetch_uid(uid),
            FetchItem::Flags => dialogue.responses().fetch_flags(["\\Seen"]),
            FetchItem::InternalDate => dialogue.responses().fetch_internal_date(DateTime {
                seconds: 837_596_665,
                offset_minutes: -420,
            }),
            FetchItem::Size => dialogue.responses().fetch_size(MESSAGE.len() as u64),
            FetchItem::Modseq => dialogue.responses().fetch_modseq(5),
            FetchItem::Envelope => dialogue.responses().fetch_envelope(&index.envelope()),
            FetchItem::Body => dialogue.responses().fetch_body(&index.body_structure()),
            FetchItem::BodyStructure => dialogue
                .responses()
                .fetch_body_structure(&index.body_structure()),
            FetchItem::Section(wanted) => {
                let Some(range) = wanted.section.range(&index) else {
                    dialogue.responses().fetch_nothing(wanted);
                    continue;
                };
                let mut octets =
                    MESSAGE.as_bytes()[range.start as usize..range.end as usize].to_vec();
                if let Some(mut filter) = wanted.section.text.as_ref().and_then(FieldFilter::new) {
                    octets = filter.push(&octets);
                    octets.extend(filter.finish());
                }
                let all = 0..octets.len() as u64;
                let part = wanted.part_of(all);
                dialogue
                    .responses()
                    .fetch_octets(wanted, part.end - part.start);
                dialogue
                    .responses()
                    .fetch_piece(&octets[part.start as usize..part.end as usize]);
            }
        }
    }
    dialogue.responses().fetch_close();
}
