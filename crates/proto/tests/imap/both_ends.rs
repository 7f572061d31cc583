//! Our IMAP client against our IMAP server, from STARTTLS to LOGOUT: what one writes the other reads.

use crate::caller::{Caller, End, MESSAGE};
use crate::channels::{clear, seal};
use pillarbox_policy::{AccountLevel, Credentials};
use pillarbox_proto::imap::client::{
    Access, ClearEvent, Client, ClientCertificate, Done, Event, FlagChange, MailboxName, SearchKey,
    TagSeed,
};
use pillarbox_proto::imap::grammar::{DateTime, SequenceSet};
use pillarbox_proto::imap::server::{self, Limits, Server, StartTls};
use pillarbox_proto::message::{IndexLimits, Indexer};
use pillarbox_proto::sasl::{LoginAnswer, LoginQuestion, Mechanism, Nonce, ScramKeys};
use pillarbox_proto::{Clear, Machine, Sealed, Start, Step};

const PASSWORD: &str = "tanstaaf \"x\"";

/// Both ends and what the client was told.
struct Both {
    client: Client<Sealed>,
    dialogue: Server<Sealed>,
    /// Answers the server's events once the login is over.
    caller: Caller,
    in_mailboxes: bool,
    events: Vec<Event>,
}

impl Both {
    /// Lets both talk until neither has more to say.
    fn talk(&mut self) -> Vec<Event> {
        loop {
            let said = self.client_says();
            if said.is_empty() {
                return std::mem::take(&mut self.events);
            }
            self.dialogue.input(&said);
            let answer = self.server_says();
            for piece in answer.chunks(7) {
                self.client.input(piece);
            }
        }
    }

    fn client_says(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        loop {
            match self.client.poll() {
                Step::Output(bytes) => said.extend_from_slice(&bytes),
                Step::Event(Event::AppendWants(most)) => {
                    self.client.append_data(&vec![b'm'; most]).unwrap();
                }
                Step::Event(event) => self.events.push(event),
                Step::NeedInput | Step::Close => return said,
                step => panic!("{step:?}"),
            }
        }
    }

    fn server_says(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        if self.in_mailboxes {
            let end = self.caller.run(&mut self.dialogue, &mut said);
            assert!(matches!(end, End::NeedInput | End::Closed));
            return said;
        }
        loop {
            match self.dialogue.poll() {
                Step::Output(bytes) => said.extend_from_slice(&bytes),
                Step::Event(server::Event::Login(login)) => self.log_in(&login.question),
                Step::NeedInput => return said,
                step => panic!("{step:?}"),
            }
        }
    }

    fn log_in(&mut self, question: &LoginQuestion) {
        self.dialogue.answer_login(match question {
            LoginQuestion::Nonce => LoginAnswer::Nonce(Nonce::from_random([1; 18])),
            LoginQuestion::ScramKeys { .. } => LoginAnswer::Keys(
                ScramKeys::derive(&PASSWORD.into(), b"salt of sixteen.", 4096).unwrap(),
            ),
            LoginQuestion::Proof { .. } => LoginAnswer::Accept,
            LoginQuestion::Password { .. } => panic!("there is something better than a password"),
            LoginQuestion::Ended { .. } => LoginAnswer::Recorded,
        });
    }

    fn ask<E: std::fmt::Debug>(
        &mut self,
        command: impl FnOnce(&mut Client<Sealed>) -> Result<(), E>,
    ) -> Vec<Event> {
        command(&mut self.client).unwrap();
        self.talk()
    }
}

fn clear_settings() -> server::ClearSettings {
    server::ClearSettings {
        limits: Limits::default(),
        starttls: StartTls::Offered,
        logins: server::LoginsInClear::NotListed,
    }
}

/// From the greeting through STARTTLS to both ends inside TLS.
fn upgraded() -> Both {
    let mut server = Server::<Clear>::start(&clear(), clear_settings());
    let mut client = Client::<Clear>::start(&clear(), TagSeed::from_random([5; 16]));
    let (mut server_ready, mut client_ready) = (false, false);
    for _ in 0..20 {
        match server.poll() {
            Step::Output(bytes) => client.input(&bytes),
            Step::Event(server::ClearEvent::StartTls) => server_ready = true,
            Step::NeedInput => {}
            Step::NeedReply if server_ready => {}
            step => panic!("{step:?}"),
        }
        match client.poll() {
            Step::Output(bytes) => server.input(&bytes),
            Step::Event(ClearEvent::Greeted) => client.ask_capabilities().unwrap(),
            Step::Event(ClearEvent::Capabilities(list)) => {
                assert!(list.has("STARTTLS") && list.has("LOGINDISABLED"));
                assert_eq!(list.mechanisms().count(), 0);
                client.start_tls().unwrap();
            }
            Step::Event(ClearEvent::ReadyForTls) => client_ready = true,
            Step::NeedInput => {}
            step => panic!("{step:?}"),
        }
    }
    assert!(server_ready && client_ready);
    Both {
        client: seal(client, ClientCertificate::NotSent).unwrap(),
        dialogue: seal(server, Limits::default()).unwrap(),
        caller: Caller::default(),
        in_mailboxes: false,
        events: Vec::new(),
    }
}

#[test]
fn a_whole_session() {
    let mut both = upgraded();
    assert_eq!(both.talk(), [Event::Ready]);
    let credentials = Credentials::new("tim", PASSWORD.into(), &AccountLevel::default());
    assert_eq!(
        both.ask(|client| client.authenticate(&credentials, Nonce::from_random([3; 18]))),
        [Event::Done(Done::Authenticated(Some(
            Mechanism::ScramSha256Plus
        )))]
    );
    both.in_mailboxes = true;

    let events = both.ask(|client| client.list(&MailboxName::new(""), &MailboxName::new("*")));
    let names: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Mailbox(listing) => Some(listing.name.to_text()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["INBOX", "Entw\u{fc}rfe"]);
    let events = both.ask(|client| client.status(&MailboxName::new("Entw\u{fc}rfe")));
    assert!(matches!(
        &events[..],
        [Event::Status(status), Event::Done(Done::Status)]
            if status.messages == Some(3) && status.unseen == Some(2)
    ));

    let events = both.ask(|client| client.select(&MailboxName::new("INBOX")));
    assert!(matches!(
        &events[..],
        [Event::Done(Done::Selected(selected))]
            if selected.exists == 3
                && selected.access == Access::ReadWrite
                && selected.uid_validity.is_some_and(|number| number.get() == 1)
                && selected.uid_next.is_some_and(|number| number.get() == 10)
    ));

    let events = both.ask(|client| client.fetch_summaries(&SequenceSet::of([7, 9])));
    let [
        Event::Message(first),
        Event::Message(_),
        Event::Done(Done::Fetched),
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    let mut indexer = Indexer::new(IndexLimits::default());
    indexer.push(MESSAGE.as_bytes());
    let index = indexer.finish();
    assert_eq!(first.uid.map(std::num::NonZeroU32::get), Some(7));
    assert_eq!(first.size, Some(MESSAGE.len() as u64));
    assert_eq!(first.envelope.as_deref(), Some(&index.envelope()));
    assert_eq!(
        first.internal_date,
        Some(DateTime {
            seconds: 837_596_665,
            offset_minutes: -420
        })
    );

    let events = both.ask(|client| client.fetch_body(7.try_into().unwrap()));
    let body: Vec<u8> = events
        .iter()
        .filter_map(|event| match event {
            Event::BodyPiece(piece) => Some(piece.as_slice()),
            _ => None,
        })
        .collect::<Vec<_>>()
        .concat();
    assert_eq!(body, MESSAGE.as_bytes());
    assert!(events.contains(&Event::BodyEnds));

    let events =
        both.ask(|client| client.store_flags(&SequenceSet::of([7]), FlagChange::Add, &["\\Seen"]));
    assert!(matches!(
        events[..],
        [Event::Message(_), Event::Done(Done::Stored)]
    ));
    assert_eq!(
        both.ask(|client| client.search(&[SearchKey::All])),
        [Event::Found(vec![4, 7, 9]), Event::Done(Done::Searched)]
    );
    // Text in a literal is understood, whatever the toy mailbox makes of it.
    let events =
        both.ask(|client| client.search(&[SearchKey::Subject("Gr\u{fc}\u{df}e".to_owned())]));
    assert_eq!(events.last(), Some(&Event::Done(Done::Searched)));

    let events = both.ask(|client| {
        client.append(
            &MailboxName::new("INBOX"),
            &["\\Seen"],
            first.internal_date,
            40_000,
        )
    });
    let [Event::Done(Done::Appended(Some(uid)))] = events[..] else {
        panic!("{events:?}")
    };
    // The toy caller answers how many octets it was given.
    assert_eq!(uid.uid.get(), 40_000);

    assert_eq!(both.ask(Client::idle), [Event::Idling, Event::Exists(4)]);
    assert_eq!(both.ask(Client::end_idle), [Event::Done(Done::Idled)]);
    assert_eq!(both.ask(Client::logout), [Event::Done(Done::LoggedOut)]);
}

#[test]
fn refusals_are_understood() {
    let mut both = upgraded();
    both.talk();
    let wrong = Credentials::new("tim", "wrong".into(), &AccountLevel::default());
    let events = both.ask(|client| client.authenticate(&wrong, Nonce::from_random([3; 18])));
    assert!(matches!(
        &events[..],
        [Event::Refused(refused)]
            if refused.code == Some(pillarbox_proto::imap::client::ResponseCode::AuthenticationFailed)
    ));
}
