//! The IMAP client against scripted servers, honest and evil: what it tells its caller, and what it puts on
//! the wire. Every script is heard whole, in threes and byte by byte.

use pillarbox_policy::{AccountLevel, Credentials, PeerProof, Refusal, RefusalCode, TlsFacts};
use pillarbox_proto::ServerText;
use pillarbox_proto::imap::client::{
    Access, AppendError, AuthenticateError, ClearEvent, Client, ClientCertificate, Condition, Done,
    Event, FlagChange, MailboxName, NotNow, Refused, ResponseCode, SearchKey, StripSign, TagSeed,
    Violation,
};
use pillarbox_proto::imap::framing::FrameError;
use pillarbox_proto::imap::grammar::{Cursor, DateTime, SequenceSet};
use pillarbox_proto::line::LineError;
use pillarbox_proto::sasl::client::Failure;
use pillarbox_proto::sasl::{Mechanism, Nonce, ScramKeys, server};
use pillarbox_proto::{Clear, Injected, Machine, Sealed, Start, Step, Upgrade};
use pillarbox_testkit::{facts, facts_with};

use crate::channels::{clear, seal};

const PASSWORD: &str = "correct horse {3}";
const PIECES: [usize; 3] = [usize::MAX, 3, 1];

/// A machine with what it said and how it ended.
struct Talk<M: Machine> {
    machine: M,
    said: String,
    events: Vec<M::Event>,
    end: Option<Result<(), M::Error>>,
    wants_reply: bool,
    piece: usize,
}

impl<M: Machine> Talk<M> {
    fn new(machine: M, piece: usize) -> Self {
        let mut talk = Self {
            machine,
            said: String::new(),
            events: Vec::new(),
            end: None,
            wants_reply: false,
            piece,
        };
        talk.run();
        talk
    }

    fn run(&mut self) {
        self.wants_reply = false;
        loop {
            match self.machine.poll() {
                Step::Output(bytes) => {
                    assert!(!bytes.is_empty() && bytes.len() <= 16 * 1024);
                    self.said += std::str::from_utf8(&bytes).unwrap();
                }
                Step::Event(event) => self.events.push(event),
                Step::NeedInput => return,
                Step::NeedReply => {
                    self.wants_reply = true;
                    return;
                }
                Step::Close => {
                    self.end = Some(Ok(()));
                    return;
                }
                Step::Err(error) => {
                    self.end = Some(Err(error));
                    return;
                }
            }
        }
    }

    fn hear(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        for piece in text.chunks(self.piece.min(text.len().max(1))) {
            if self.end.is_none() {
                self.machine.input(piece);
                self.run();
            }
        }
    }

    /// Gives a command and answers what was put on the wire.
    fn give<E: std::fmt::Debug>(
        &mut self,
        command: impl FnOnce(&mut M) -> Result<(), E>,
    ) -> String {
        command(&mut self.machine).unwrap();
        self.said.clear();
        self.run();
        std::mem::take(&mut self.said)
    }

    fn take_events(&mut self) -> Vec<M::Event> {
        std::mem::take(&mut self.events)
    }
}

impl Talk<Client<Sealed>> {
    /// The answer to the last command, with what comes before.
    fn answer(&mut self, data: &str, tagged: &str) -> Vec<Event> {
        let tag = self.said.split(' ').next().unwrap().to_owned();
        self.hear(format!("{data}{tag} {tagged}\r\n"));
        self.take_events()
    }

    /// Gives a command whose answer is this, and answers the events.
    fn ask<E: std::fmt::Debug>(
        &mut self,
        command: impl FnOnce(&mut Client<Sealed>) -> Result<(), E>,
        data: &str,
        tagged: &str,
    ) -> Vec<Event> {
        self.said = self.give(command);
        self.answer(data, tagged)
    }
}

fn seed() -> TagSeed {
    TagSeed::from_random(*b"\0\x01\x02\x03\x04\x05\x06\x07\x10\x11\x12\x13\x14\x15\x16\x17")
}

const FIRST_TAG: &str = "0001020304050607";
const SECOND_TAG: &str = "1011121314151617";

/// A client that has been greeted and has sent STARTTLS.
fn starting(piece: usize) -> Talk<Client<Clear>> {
    let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), piece);
    talk.hear("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] hello\r\n");
    assert_eq!(talk.take_events(), [ClearEvent::Greeted]);
    let said = talk.give(Client::start_tls);
    assert_eq!(said, format!("{SECOND_TAG} STARTTLS\r\n"));
    talk
}

fn sealed_with(facts: TlsFacts, capabilities: &str, piece: usize) -> Talk<Client<Sealed>> {
    let mut talk = Talk::new(
        Client::<Sealed>::start(&Sealed::new(facts), ClientCertificate::NotSent),
        piece,
    );
    talk.hear("* OK hello\r\n");
    assert_eq!(talk.said, "A0001 CAPABILITY\r\n");
    talk.hear(format!(
        "* CAPABILITY IMAP4rev1 {capabilities}\r\nA0001 OK done\r\n"
    ));
    assert_eq!(talk.take_events(), [Event::Ready]);
    talk
}

fn sealed(capabilities: &str, piece: usize) -> Talk<Client<Sealed>> {
    sealed_with(facts(), capabilities, piece)
}

fn credentials() -> Credentials {
    Credentials::new("ann@example.org", PASSWORD.into(), &AccountLevel::default())
}

fn nonce() -> Nonce {
    Nonce::from_random([7; 18])
}

/// A session that has logged in with PLAIN.
fn logged_in(capabilities: &str, piece: usize) -> Talk<Client<Sealed>> {
    let mut talk = sealed(&format!("SASL-IR AUTH=PLAIN {capabilities}"), piece);
    let events = talk.ask(
        |client| client.authenticate(&credentials(), nonce()),
        "",
        &format!("OK [CAPABILITY IMAP4rev1 {capabilities}] welcome"),
    );
    assert_eq!(
        events,
        [Event::Done(Done::Authenticated(Some(Mechanism::Plain)))]
    );
    talk
}

/// A session with INBOX selected.
fn selected(capabilities: &str, piece: usize) -> Talk<Client<Sealed>> {
    let mut talk = logged_in(capabilities, piece);
    let events = talk.ask(
        |client| client.select(&MailboxName::new("INBOX")),
        "* 3 EXISTS\r\n* OK [UIDVALIDITY 5] x\r\n",
        "OK [READ-WRITE] x",
    );
    assert!(matches!(events[..], [Event::Done(Done::Selected(_))]));
    talk
}

fn uids(text: &str) -> SequenceSet {
    Cursor::new(text.as_bytes()).sequence_set().unwrap()
}

/// Ends in this violation, having put out nothing but the two commands of the clear phase.
fn assert_violated(mut talk: Talk<Client<Clear>>, violation: &Violation, code: RefusalCode) {
    assert_eq!(talk.end, Some(Err(violation.clone())));
    assert_eq!(violation.code(), code);
    assert_eq!(talk.said, "");
    assert_eq!(talk.take_events(), []);
    // It is final.
    assert_eq!(talk.machine.start_tls(), Err(NotNow::Busy));
    talk.machine.input(b"* OK\r\n");
    assert_eq!(talk.machine.poll(), Step::Err(violation.clone()));
}

// --- in the clear ---

#[test]
fn starttls_and_on_from_nothing() {
    for piece in PIECES {
        let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), piece);
        talk.hear("* OK hello\r\n");
        assert_eq!(
            talk.give(Client::ask_capabilities),
            format!("{FIRST_TAG} CAPABILITY\r\n")
        );
        talk.hear(format!(
            "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n{FIRST_TAG} OK\r\n"
        ));
        let events = talk.take_events();
        assert_eq!(events[0], ClearEvent::Greeted);
        let ClearEvent::Capabilities(list) = &events[1] else {
            panic!("{events:?}")
        };
        assert!(list.has("starttls"));
        assert_eq!(
            talk.give(Client::start_tls),
            format!("{SECOND_TAG} STARTTLS\r\n")
        );
        talk.hear(format!("{SECOND_TAG} OK begin TLS now\r\n"));
        assert_eq!(talk.take_events(), [ClearEvent::ReadyForTls]);
        let mut talk = Talk::new(
            seal::<Client<Sealed>>(talk.machine, ClientCertificate::NotSent).unwrap(),
            piece,
        );
        // Nothing is known of before: CAPABILITY is asked again, and no greeting waited for.
        assert_eq!(talk.said, "A0001 CAPABILITY\r\n");
        assert_eq!(talk.machine.capabilities().iter().count(), 0);
        talk.hear("* CAPABILITY IMAP4rev1 IDLE\r\nA0001 OK\r\n");
        assert_eq!(talk.take_events(), [Event::Ready]);
        assert!(talk.machine.capabilities().has("IDLE"));
        assert!(!talk.machine.capabilities().has("AUTH=PLAIN"));
    }
}

#[test]
fn c1_response_injection_imap() {
    for suffix in [
        "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n",
        "A0001 OK [CAPABILITY IMAP4rev1] x\r\n",
        "x",
        "\r",
        "\n",
        "\0",
    ] {
        let mut talk = starting(usize::MAX);
        talk.hear(format!("{SECOND_TAG} OK begin\r\n{suffix}"));
        let injected = Injected {
            found_by: pillarbox_proto::channel::End::Client,
            bytes: suffix.len(),
        };
        assert_violated(
            talk,
            &Violation::Injected(injected),
            RefusalCode::ResponseInjection,
        );
    }
}

#[test]
fn c1_response_injection_imap_split_in_time() {
    for piece in [3, 1] {
        let mut talk = starting(piece);
        talk.hear(format!(
            "{SECOND_TAG} OK begin\r\n* CAPABILITY IMAP4rev1\r\n"
        ));
        assert!(matches!(talk.end, Some(Err(Violation::Injected(_)))));
        // The machine said that it was ready before the rest came: the switch refuses as well.
        let mut talk = starting(usize::MAX);
        talk.hear(format!("{SECOND_TAG} OK begin\r\n"));
        talk.machine.input(b"x");
        let injected = talk.machine.nothing_left().unwrap_err();
        assert_eq!(
            (injected.bytes, injected.code()),
            (1, RefusalCode::ResponseInjection)
        );
    }
}

#[test]
fn c2_alert_before_and_behind_starttls() {
    for piece in PIECES {
        // In front: no place for it.
        let mut talk = starting(piece);
        talk.hear("* OK [ALERT] call this number\r\n");
        assert_violated(
            talk,
            &Violation::Unsolicited,
            RefusalCode::ResponseInjection,
        );
    }
    // Behind: injection.
    let mut talk = starting(usize::MAX);
    talk.hear(format!(
        "{SECOND_TAG} OK begin\r\n* OK [ALERT] call this number\r\n"
    ));
    assert!(matches!(talk.end, Some(Err(Violation::Injected(_)))));
}

#[test]
fn c3_bye_behind_starttls() {
    let mut talk = starting(usize::MAX);
    talk.hear(format!("{SECOND_TAG} OK begin\r\n* BYE see you\r\n"));
    let Some(Err(violation)) = talk.end else {
        panic!()
    };
    assert_eq!(violation.code(), RefusalCode::ResponseInjection);
    assert!(matches!(
        violation,
        Violation::Injected(Injected { bytes: 15, .. })
    ));
}

#[test]
fn c4_starttls_stripping_imap() {
    for piece in PIECES {
        for (answer, sign) in [
            (format!("{SECOND_TAG} NO sorry\r\n"), StripSign::No),
            (format!("{SECOND_TAG} BAD what?\r\n"), StripSign::Bad),
            ("+ go on\r\n".to_owned(), StripSign::Continuation),
            (format!("{SECOND_TAG} YES\r\n"), StripSign::OtherAnswer),
            (format!("{SECOND_TAG} OKAY\r\n"), StripSign::OtherAnswer),
            (format!("{SECOND_TAG}\r\n"), StripSign::OtherAnswer),
            (
                format!("{SECOND_TAG} PREAUTH x\r\n"),
                StripSign::OtherAnswer,
            ),
        ] {
            let mut talk = starting(piece);
            talk.hear(answer);
            assert_violated(
                talk,
                &Violation::StarttlsStripped(sign),
                RefusalCode::StarttlsStripped,
            );
        }
    }
}

#[test]
fn c5_a_server_that_pretends_to_be_old() {
    for piece in PIECES {
        for word in ["NO", "BAD"] {
            let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), piece);
            talk.hear("* OK IMAP4\r\n");
            talk.give(Client::ask_capabilities);
            talk.take_events();
            talk.hear(format!("{FIRST_TAG} {word} what?\r\n"));
            assert_violated(
                talk,
                &Violation::StarttlsStripped(StripSign::CapabilityRefused),
                RefusalCode::StarttlsStripped,
            );
        }
        // A list without STARTTLS changes nothing: it is sent all the same.
        let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), piece);
        talk.hear("* OK x\r\n");
        talk.give(Client::ask_capabilities);
        talk.hear(format!("* CAPABILITY IMAP4\r\n{FIRST_TAG} OK x\r\n"));
        assert_eq!(
            talk.give(Client::start_tls),
            format!("{SECOND_TAG} STARTTLS\r\n")
        );
    }
}

#[test]
fn c6_preauth_in_the_clear_imap() {
    for piece in PIECES {
        for greeting in [
            "* PREAUTH welcome\r\n",
            "* preauth [CAPABILITY IMAP4rev1 STARTTLS] x\r\n",
            "* PREAUTH\r\n",
        ] {
            let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), piece);
            talk.hear(greeting);
            assert_violated(
                talk,
                &Violation::PreauthInClear,
                RefusalCode::PreauthCleartext,
            );
        }
    }
}

#[test]
fn c6_preauth_inside_tls_needs_a_client_certificate() {
    for piece in PIECES {
        let mut talk = Talk::new(
            Client::<Sealed>::start(&Sealed::new(facts()), ClientCertificate::NotSent),
            piece,
        );
        talk.hear("* PREAUTH welcome\r\n");
        assert_eq!(talk.end, Some(Err(Violation::PreauthUnproved)));
        assert_eq!(talk.said, "");

        let mut talk = Talk::new(
            Client::<Sealed>::start(&Sealed::new(facts()), ClientCertificate::Sent),
            piece,
        );
        talk.hear("* PREAUTH welcome\r\n* CAPABILITY IMAP4rev1\r\nA0001 OK\r\n");
        assert_eq!(talk.take_events(), [Event::ReadyAuthenticated]);
        assert_eq!(
            talk.machine.authenticate(&credentials(), nonce()),
            Err(AuthenticateError::NotNow(NotNow::Authenticated))
        );
    }
}

#[test]
fn c9_mailbox_data_in_the_clear_imap() {
    for line in [
        "* LIST () \"/\" evil",
        "* LSUB () \"/\" evil",
        "* STATUS INBOX (MESSAGES 3)",
        "* SEARCH 1 2",
        "* FLAGS (\\Seen)",
        "* 3 EXISTS",
        "* 1 RECENT",
        "* 1 EXPUNGE",
        "* 1 FETCH (FLAGS (\\Deleted))",
        "* NO [REFERRAL imap://evil.example/] x",
        "* OK x",
        "* ID (\"name\" \"x\")",
        "* ENABLED UTF8=ACCEPT",
    ] {
        for piece in PIECES {
            // After the greeting; while CAPABILITY, then STARTTLS, is under way.
            let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), piece);
            talk.hear("* OK x\r\n");
            talk.take_events();
            talk.hear(format!("{line}\r\n"));
            assert_violated(
                talk,
                &Violation::Unsolicited,
                RefusalCode::ResponseInjection,
            );

            let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), piece);
            talk.hear("* OK x\r\n");
            talk.give(Client::ask_capabilities);
            talk.take_events();
            talk.hear(format!("{line}\r\n"));
            assert_violated(
                talk,
                &Violation::Unsolicited,
                RefusalCode::ResponseInjection,
            );

            let mut talk = starting(piece);
            talk.hear(format!("{line}\r\n"));
            assert_violated(
                talk,
                &Violation::Unsolicited,
                RefusalCode::ResponseInjection,
            );
        }
    }
}

#[test]
fn c9_a_flood_of_capabilities_in_the_clear_ends() {
    for piece in PIECES {
        let mut talk = starting(piece);
        talk.hear("* CAPABILITY x\r\n".repeat(4));
        assert_eq!(talk.end, None);
        talk.hear("* CAPABILITY x\r\n");
        assert_violated(
            talk,
            &Violation::Unsolicited,
            RefusalCode::ResponseInjection,
        );
    }
}

#[test]
fn c10_no_server_text_from_the_clear() {
    let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), usize::MAX);
    talk.hear("* BYE \x1b[2Jcall this number\r\n");
    let violation = talk.end.unwrap().unwrap_err();
    assert_eq!(violation, Violation::Bye { text: None });
    assert!(!violation.to_string().contains("call"));
}

#[test]
fn c10_server_text_inside_tls_is_harmless_and_bounded() {
    let mut talk = logged_in("", 1);
    for _ in 0..100 {
        talk.hear("* OK [ALERT] \x1b[2J\u{202e}pay\u{200b} now\r\n");
    }
    let events = talk.take_events();
    assert_eq!(events.len(), 16);
    assert_eq!(events[0], Event::Alert(ServerText::new(b"[2Jpay now")));
    talk.hear(format!("* BYE {}\r\n", "x".repeat(5_000)));
    let [Event::Bye(text)] = &talk.take_events()[..] else {
        panic!()
    };
    assert_eq!(text.as_str().len(), ServerText::LONGEST);
    assert_eq!(talk.end, Some(Ok(())));
}

#[test]
fn c12_odd_greetings_imap() {
    for piece in PIECES {
        for greeting in [
            "* NO x",
            "* BAD x",
            "A1 OK x",
            "+ OK",
            "+OK POP3 ready",
            "220 smtp ESMTP",
            "OK",
            "*",
            "* ",
            "*OK",
            "* OKAY",
            " * OK",
            "",
            "* ID (\"x\" \"y\")",
            "* CAPABILITY IMAP4rev1",
            "garbage",
        ] {
            let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), piece);
            // What follows does not save it.
            talk.hear(format!("{greeting}\r\n"));
            assert_violated(
                talk,
                &Violation::BadGreeting,
                RefusalCode::ProtocolViolation,
            );
            if !greeting.starts_with("* ID") {
                let mut talk = Talk::new(
                    Client::<Sealed>::start(&Sealed::new(facts()), ClientCertificate::Sent),
                    piece,
                );
                talk.hear(format!("{greeting}\r\n* OK x\r\n"));
                assert_eq!(talk.end, Some(Err(Violation::BadGreeting)), "{greeting}");
                assert_eq!(talk.said, "");
            }
        }
        for (bytes, error) in [
            (&b"* OK x\n"[..], LineError::BareLf),
            (b"* OK \0\r\n", LineError::Nul),
            (b"* OK x\ry", LineError::BareCr),
            (&[b'x'; 100_000], LineError::Endless),
        ] {
            let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), piece);
            talk.hear(bytes);
            assert_violated(
                talk,
                &Violation::Framing(FrameError::Line(error)),
                RefusalCode::ProtocolViolation,
            );
        }
    }
}

#[test]
fn c13_answers_before_the_question_imap() {
    // In one segment with the greeting, with the right tag or a guessed one.
    for tag in [SECOND_TAG, "A0001", "*"] {
        let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), usize::MAX);
        talk.machine
            .input(format!("* OK x\r\n{tag} OK begin\r\n").as_bytes());
        assert_eq!(talk.machine.poll(), Step::Event(ClearEvent::Greeted));
        talk.machine.start_tls().unwrap();
        talk.run();
        assert_violated(
            talk,
            &Violation::EarlyAnswer,
            RefusalCode::ResponseInjection,
        );
    }
    // Half a line is enough.
    let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed()), usize::MAX);
    talk.hear("* OK x\r\n1");
    talk.take_events();
    talk.machine.start_tls().unwrap();
    talk.run();
    assert_violated(
        talk,
        &Violation::EarlyAnswer,
        RefusalCode::ResponseInjection,
    );
    // Later, with another tag, the one of CAPABILITY among them.
    for tag in [FIRST_TAG, "A0001", "2"] {
        for piece in PIECES {
            let mut talk = starting(piece);
            talk.hear(format!("{tag} OK begin\r\n"));
            assert_violated(
                talk,
                &Violation::EarlyAnswer,
                RefusalCode::ResponseInjection,
            );
        }
    }
}

#[test]
fn c13_tags_in_the_clear_come_from_the_seed_alone() {
    let tag = |seed| {
        let mut talk = Talk::new(Client::<Clear>::start(&clear(), seed), usize::MAX);
        talk.hear("* OK x\r\n");
        talk.give(Client::start_tls)
    };
    assert_ne!(
        tag(TagSeed::from_random([1; 16])),
        tag(TagSeed::from_random([2; 16]))
    );
    assert_eq!(format!("{:?}", seed()), "TagSeed(..)");
}

#[test]
fn nothing_can_be_sent_before_the_greeting_or_twice() {
    let mut client = Client::<Clear>::start(&clear(), seed());
    assert_eq!(client.start_tls(), Err(NotNow::Busy));
    let mut talk = starting(usize::MAX);
    assert_eq!(talk.machine.start_tls(), Err(NotNow::Busy));
    assert_eq!(talk.machine.ask_capabilities(), Err(NotNow::Busy));
}

// --- logging in ---

#[test]
fn plain_with_and_without_an_initial_response() {
    for piece in PIECES {
        let mut talk = sealed("SASL-IR AUTH=PLAIN", piece);
        let said = talk.give(|client| client.authenticate(&credentials(), nonce()));
        assert_eq!(
            said,
            "A0002 AUTHENTICATE PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNlIHszfQ==\r\n"
        );
        let mut talk = sealed("AUTH=PLAIN", piece);
        let said = talk.give(|client| client.authenticate(&credentials(), nonce()));
        assert_eq!(said, "A0002 AUTHENTICATE PLAIN\r\n");
        talk.hear("+ \r\n");
        assert_eq!(
            talk.said,
            "AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNlIHszfQ==\r\n"
        );
        // Capabilities are asked again, since the server did not tell.
        talk.said.clear();
        talk.hear("A0002 OK x\r\n");
        assert_eq!(talk.said, "A0003 CAPABILITY\r\n");
        assert_eq!(talk.take_events(), []);
        talk.hear("* CAPABILITY IMAP4rev1 MOVE\r\nA0003 OK x\r\n");
        assert_eq!(
            talk.take_events(),
            [Event::Done(Done::Authenticated(Some(Mechanism::Plain)))]
        );
        assert!(talk.machine.capabilities().has("MOVE"));
        assert!(!talk.machine.capabilities().has("AUTH=PLAIN"));
    }
}

#[test]
fn scram_plus_to_the_end_with_our_own_server() {
    for piece in PIECES {
        let facts = facts();
        let channel = pillarbox_policy::Channel::Sealed(&facts);
        let pillarbox_policy::MayAuthenticate::Yes(permit) =
            pillarbox_policy::may_authenticate(channel, None)
        else {
            panic!()
        };
        let mut exchange = server::Offer::new(&permit)
            .start(Mechanism::ScramSha256Plus, Nonce::from_random([9; 18]))
            .unwrap();
        let mut talk = sealed(
            "SASL-IR AUTH=PLAIN AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS",
            piece,
        );
        let said = talk.give(|client| client.authenticate(&credentials(), nonce()));
        let first = said
            .strip_prefix("A0002 AUTHENTICATE SCRAM-SHA-256-PLUS ")
            .unwrap();
        let decode = |line: &str| pillarbox_proto::sasl::coding::decode(line.trim_end().as_bytes());
        let keys = ScramKeys::derive(&PASSWORD.into(), b"salt of sixteen.", 4096).unwrap();
        assert!(matches!(
            exchange.begin(Some(&decode(first).unwrap())),
            server::ServerStep::NeedScramKeys { .. }
        ));
        let server::ServerStep::Challenge(challenge) = exchange.scram_keys(keys) else {
            panic!()
        };
        let line =
            |message: &[u8]| format!("+ {}\r\n", *pillarbox_proto::sasl::coding::encode(message));
        talk.said.clear();
        talk.hear(line(&challenge));
        let server::ServerStep::CheckScram {
            outcome: server::ScramOutcome::Proved(_),
            ..
        } = exchange.step(&decode(&talk.said).unwrap())
        else {
            panic!()
        };
        let server::ServerStep::Challenge(last) = exchange.decided(server::Decision::Accept) else {
            panic!()
        };
        talk.said.clear();
        talk.hear(line(&last));
        assert_eq!(talk.said, "\r\n");
        talk.hear("A0002 OK [CAPABILITY IMAP4rev1] x\r\n");
        assert_eq!(
            talk.take_events(),
            [Event::Done(Done::Authenticated(Some(
                Mechanism::ScramSha256Plus
            )))]
        );
    }
}

#[test]
fn a_server_that_proves_nothing_is_not_believed() {
    for piece in PIECES {
        let mut talk = sealed("SASL-IR AUTH=SCRAM-SHA-256", piece);
        talk.give(|client| client.authenticate(&credentials(), nonce()));
        talk.hear("A0002 OK welcome\r\n");
        assert_eq!(talk.end, Some(Err(Violation::Sasl(Failure::EndedEarly))));
        assert_eq!(talk.take_events(), []);

        let mut talk = sealed("SASL-IR AUTH=SCRAM-SHA-256", piece);
        talk.give(|client| client.authenticate(&credentials(), nonce()));
        // r=evil,s=QUFB,i=4096
        talk.hear("+ cj1ldmlsLHM9UVVGQixpPTQwOTY=\r\n");
        assert_eq!(talk.said, "*\r\n");
        assert_eq!(talk.end, Some(Err(Violation::Sasl(Failure::NonceMismatch))));
    }
}

#[test]
fn login_is_the_last_resort() {
    for piece in PIECES {
        let mut talk = sealed("AUTH=CRAM-MD5 AUTH=XOAUTH2", piece);
        let said = talk.give(|client| client.authenticate(&credentials(), nonce()));
        assert_eq!(
            said,
            "A0002 LOGIN \"ann@example.org\" \"correct horse {3}\"\r\n"
        );
        talk.hear("A0002 OK [CAPABILITY IMAP4rev1] x\r\n");
        assert_eq!(talk.take_events(), [Event::Done(Done::Authenticated(None))]);
    }
}

#[test]
fn login_with_a_literal_waits_for_leave() {
    for piece in PIECES {
        let credentials = Credentials::new("ann", "p\u{e4}ss".into(), &AccountLevel::default());
        let mut talk = sealed("", piece);
        let said = talk.give(|client| client.authenticate(&credentials, nonce()));
        assert_eq!(said, "A0002 LOGIN \"ann\" {5}\r\n");
        talk.hear("+ go on\r\n");
        assert_eq!(talk.said, "p\u{e4}ss\r\n");
        talk.hear("A0002 OK [CAPABILITY IMAP4rev1] x\r\n");
        assert_eq!(talk.take_events(), [Event::Done(Done::Authenticated(None))]);
        // Refused before the literal: the password never leaves.
        let mut talk = sealed("", piece);
        talk.give(|client| client.authenticate(&credentials, nonce()));
        talk.hear("A0002 NO no\r\n");
        assert_eq!(talk.said, "");
        assert!(matches!(talk.take_events()[..], [Event::Refused(_)]));
    }
}

#[test]
fn c11_logindisabled_is_honoured_and_the_best_mechanism_taken() {
    for piece in PIECES {
        let mut talk = sealed("LOGINDISABLED AUTH=CRAM-MD5", piece);
        assert_eq!(
            talk.machine.authenticate(&credentials(), nonce()),
            Err(AuthenticateError::NoMechanism)
        );
        talk.run();
        assert_eq!(talk.said, "A0001 CAPABILITY\r\n");
        for (list, best) in [
            (
                "AUTH=PLAIN AUTH=SCRAM-SHA-256-PLUS AUTH=SCRAM-SHA-256",
                "SCRAM-SHA-256-PLUS",
            ),
            ("AUTH=PLAIN AUTH=SCRAM-SHA-256 AUTH=LOGIN", "SCRAM-SHA-256"),
            ("AUTH=LOGIN AUTH=PLAIN", "PLAIN"),
        ] {
            let mut talk = sealed(list, piece);
            let said = talk.give(|client| client.authenticate(&credentials(), nonce()));
            assert_eq!(said, format!("A0002 AUTHENTICATE {best}\r\n"));
        }
    }
}

#[test]
fn a_password_stays_in_its_box_below_the_accounts_level() {
    let pinned = facts_with(|parts| {
        parts.peer = PeerProof::Pinned {
            fingerprint: "00".to_owned(),
        }
    });
    let mut talk = sealed_with(pinned, "SASL-IR AUTH=PLAIN", usize::MAX);
    assert!(matches!(
        talk.machine.authenticate(&credentials(), nonce()),
        Err(AuthenticateError::Refused(Refusal::PinOnly { .. }))
    ));
    talk.run();
    assert_eq!(talk.said, "A0001 CAPABILITY\r\n");
}

#[test]
fn c7_a_login_referral_is_not_followed() {
    for piece in PIECES {
        let mut talk = sealed("SASL-IR AUTH=PLAIN", piece);
        let events = talk.ask(
            |client| client.authenticate(&credentials(), nonce()),
            "* NO [REFERRAL imap://;AUTH=*@evil.example/] go there\r\n",
            "NO [REFERRAL imap://;AUTH=*@evil.example/] go there",
        );
        assert_eq!(
            events,
            [Event::Refused(Refused {
                condition: Condition::No,
                code: Some(ResponseCode::Other),
                text: ServerText::new(b"go there"),
            })]
        );
    }
}

#[test]
fn c8_a_mailbox_referral_is_not_followed() {
    for piece in PIECES {
        let mut talk = logged_in("", piece);
        let events = talk.ask(
            |client| client.select(&MailboxName::new("Shared")),
            "",
            "NO [REFERRAL imap://ann;AUTH=*@evil.example/Shared] go there",
        );
        assert_eq!(
            events,
            [Event::Refused(Refused {
                condition: Condition::No,
                code: Some(ResponseCode::Other),
                text: ServerText::new(b"go there"),
            })]
        );
        assert_eq!(
            talk.machine.fetch_summaries(&uids("1")),
            Err(NotNow::NotSelected)
        );
    }
}

#[test]
fn a_wrong_password_can_be_followed_by_another() {
    let mut talk = sealed("SASL-IR AUTH=PLAIN", 1);
    let events = talk.ask(
        |client| client.authenticate(&credentials(), nonce()),
        "",
        "NO [AUTHENTICATIONFAILED] no",
    );
    assert!(matches!(
        &events[..],
        [Event::Refused(Refused {
            code: Some(ResponseCode::AuthenticationFailed),
            ..
        })]
    ));
    let said = talk.give(|client| client.authenticate(&credentials(), nonce()));
    assert!(said.starts_with("A0003 AUTHENTICATE PLAIN "));
}

// --- mailboxes and messages ---

#[test]
fn commands_need_their_state() {
    let mut talk = sealed("", usize::MAX);
    let inbox = MailboxName::new("INBOX");
    assert_eq!(talk.machine.select(&inbox), Err(NotNow::NotAuthenticated));
    assert_eq!(
        talk.machine.fetch_summaries(&uids("1")),
        Err(NotNow::NotAuthenticated)
    );
    let mut talk = logged_in("", usize::MAX);
    assert_eq!(talk.machine.idle(), Err(NotNow::Unsupported("IDLE")));
    assert_eq!(
        talk.machine.fetch_summaries(&uids("1")),
        Err(NotNow::NotSelected)
    );
    talk.give(|client| client.select(&inbox));
    assert_eq!(talk.machine.noop(), Err(NotNow::Busy));
    // A refused SELECT leaves none selected.
    let mut talk = selected("", usize::MAX);
    let events = talk.ask(
        |client| client.select(&MailboxName::new("x")),
        "",
        "NO [NONEXISTENT] x",
    );
    assert!(matches!(events[..], [Event::Refused(_)]));
    assert_eq!(
        talk.machine.search(&[SearchKey::All]),
        Err(NotNow::NotSelected)
    );
}

#[test]
fn list_status_and_select() {
    for piece in PIECES {
        let mut talk = logged_in("", piece);
        let events = talk.ask(
            |client| client.list(&MailboxName::new(""), &MailboxName::new("*")),
            "* LIST (\\HasNoChildren) \"/\" INBOX\r\n* LIST (\\Sent) NIL {9}\r\na\"b\\{3}c]\r\n* LSUB () \"/\" x\r\n* LIST () \"/\" \"Entw&APw-rfe\"\r\n",
            "OK",
        );
        let names: Vec<String> = events
            .iter()
            .filter_map(|event| match event {
                Event::Mailbox(listing) => Some(listing.name.to_text()),
                _ => None,
            })
            .collect();
        assert_eq!(names, ["INBOX", "a\"b\\{3}c]", "Entw\u{fc}rfe"]);
        assert_eq!(events.last(), Some(&Event::Done(Done::Listed)));

        let said = talk.give(|client| client.status(&MailboxName::new("Entw\u{fc}rfe")));
        assert_eq!(
            said,
            "A0004 STATUS \"Entw&APw-rfe\" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)\r\n"
        );
        talk.said = said;
        let events = talk.answer(
            "* STATUS \"Entw&APw-rfe\" (MESSAGES 3 X (a) UNSEEN 1 UIDNEXT 9 UIDVALIDITY 7)\r\n",
            "OK",
        );
        let [Event::Status(status), Event::Done(Done::Status)] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((status.messages, status.unseen), (Some(3), Some(1)));

        let events = talk.ask(
            |client| client.examine(&MailboxName::new("INBOX")),
            "* 172 EXISTS\r\n* 1 RECENT\r\n* OK [UNSEEN 12] x\r\n* OK [UIDVALIDITY 3857529045] x\r\n\
             * OK [UIDNEXT 4392] x\r\n* FLAGS (\\Answered \\Seen)\r\n* OK [PERMANENTFLAGS ()] x\r\n\
             * OK [HIGHESTMODSEQ 715194045007] x\r\n",
            "OK [READ-ONLY] x",
        );
        let [Event::Done(Done::Selected(selected))] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(selected.exists, 172);
        assert_eq!(selected.uid_validity.unwrap().get(), 3_857_529_045);
        assert_eq!(selected.uid_next.unwrap().get(), 4392);
        assert_eq!(selected.highest_modseq, Some(715_194_045_007));
        assert_eq!(selected.flags, ["\\Answered", "\\Seen"]);
        assert_eq!(selected.permanent_flags, [""; 0]);
        assert_eq!(selected.access, Access::ReadOnly);
    }
}

#[test]
fn summaries_come_as_they_stream_in() {
    for piece in PIECES {
        let mut talk = selected("", piece);
        let said = talk.give(|client| client.fetch_summaries(&uids("1:*")));
        assert_eq!(
            said,
            "A0004 UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)\r\n"
        );
        talk.hear(
            "* 1 FETCH (UID 5 FLAGS (\\Seen) RFC822.SIZE 12 ENVELOPE (NIL {5}\r\na\r\n)( NIL NIL NIL NIL NIL NIL NIL NIL))\r\n",
        );
        let events = talk.take_events();
        let [Event::Message(data)] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(
            (data.number, data.uid.unwrap().get(), data.size),
            (1, 5, Some(12))
        );
        assert_eq!(
            data.envelope.as_ref().unwrap().subject.as_deref(),
            Some(&b"a\r\n)("[..])
        );
        // One that cannot be read, and one that is too long, are told and skipped.
        talk.hear("* 2 FETCH (UID 0)\r\n");
        assert!(matches!(talk.take_events()[..], [Event::Unreadable(_)]));
        talk.hear("* 2 FETCH (ENVELOPE (NIL {2000000}\r\n");
        let big = vec![b'x'; 2_000_000];
        talk.piece = 5_000;
        talk.hear(&big);
        talk.piece = piece;
        talk.hear(" NIL {3}\r\nabc))\r\n* 3 EXISTS\r\nA0004 OK\r\n");
        assert_eq!(
            talk.take_events(),
            [Event::TooLong, Event::Exists(3), Event::Done(Done::Fetched)]
        );
    }
}

/// The body that was heard, and whether it was whole.
fn body(events: &[Event]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    for event in events {
        if let Event::BodyPiece(piece) = event {
            assert!(piece.len() <= 16 * 1024);
            body.extend_from_slice(piece);
        }
    }
    (body, events.contains(&Event::BodyEnds))
}

#[test]
fn a_body_streams() {
    let message = "x\r\n* 1 FETCH {3}\r\n\0".repeat(10_000);
    for piece in [usize::MAX, 4_001] {
        let mut talk = selected("", piece);
        let said = talk.give(|client| client.fetch_body(9.try_into().unwrap()));
        assert_eq!(said, "A0004 UID FETCH 9 (UID BODY.PEEK[])\r\n");
        talk.said = said;
        let events = talk.answer(
            &format!(
                "* 2 FETCH (FLAGS (\\Seen))\r\n* 1 FETCH (UID 9 BODY[] {{{}}}\r\n{message} FLAGS ())\r\n",
                message.len()
            ),
            "OK",
        );
        assert!(events.contains(&Event::BodyBegins {
            size: message.len() as u64
        }));
        assert_eq!(body(&events), (message.clone().into_bytes(), true));
        assert_eq!(events.last(), Some(&Event::Done(Done::Fetched)));
    }
}

#[test]
fn small_bodies_in_every_form() {
    for piece in PIECES {
        for (data, expected) in [
            ("* 1 FETCH (UID 9 BODY[] \"short\")\r\n", Some("short")),
            ("* 1 FETCH (BODY[] {5}\r\nshort UID 9)\r\n", Some("short")),
            ("* 1 FETCH (UID 9 BODY[] {0}\r\n)\r\n", Some("")),
            ("* 1 FETCH (UID 9 BODY[] ~{2}\r\n\0\0)\r\n", Some("\0\0")),
            ("* 1 FETCH (UID 9 BODY[] NIL)\r\n", None),
            ("", None),
        ] {
            let mut talk = selected("", piece);
            let events = talk.ask(
                |client| client.fetch_body(9.try_into().unwrap()),
                data,
                "OK",
            );
            assert_eq!(
                events.contains(&Event::BodyEnds),
                expected.is_some(),
                "{data}"
            );
            assert_eq!(body(&events).0, expected.unwrap_or("").as_bytes(), "{data}");
        }
    }
}

#[test]
fn another_message_is_not_taken_for_the_one_asked_for() {
    for piece in PIECES {
        for data in [
            "* 1 FETCH (UID 8 BODY[] {5}\r\n",
            "* 1 FETCH (UID 8 BODY[] \"short\")\r\n",
            "* 1 FETCH (BODY[] {5}\r\nshort UID 8)\r\n",
            "* 1 FETCH (BODY[] {5}\r\nshort)\r\n",
            "* 1 FETCH (BODY[] {5}\r\nshort UID\r\n",
            &format!("* 1 FETCH (X ({}", "BODY[] {1}\r\na ".repeat(17)),
            "* 1 FETCH (UID 9 BODY[] {1}\r\na)\r\n* 1 FETCH (UID 9 BODY[] {1}\r\nb)\r\n",
        ] {
            let mut talk = selected("", piece);
            talk.give(|client| client.fetch_body(9.try_into().unwrap()));
            talk.hear(data);
            assert_eq!(talk.end, Some(Err(Violation::WrongMessage)), "{data}");
        }
    }
}

#[test]
fn c19_a_cut_body_never_ends() {
    let mut talk = selected("", 1);
    talk.give(|client| client.fetch_body(9.try_into().unwrap()));
    talk.hear("* 1 FETCH (UID 9 BODY[] {10}\r\nhalf");
    let events = talk.take_events();
    assert_eq!(body(&events), (b"half".to_vec(), false));
}

#[test]
fn flags_search_and_what_else_is_refused() {
    for piece in PIECES {
        let mut talk = selected("", piece);
        let said = talk.give(|client| {
            client.store_flags(&uids("5,7:9"), FlagChange::Add, &["\\Seen", "$Junk"])
        });
        assert_eq!(said, "A0004 UID STORE 5,7:9 +FLAGS (\\Seen $Junk)\r\n");
        talk.said = said;
        let events = talk.answer("* 1 FETCH (FLAGS (\\Seen) UID 5)\r\n", "OK");
        assert!(matches!(
            events[..],
            [Event::Message(_), Event::Done(Done::Stored)]
        ));
        for flag in ["a b", "x)\r\nA1 LOGOUT", "", "\\"] {
            assert!(matches!(
                talk.machine
                    .store_flags(&uids("1"), FlagChange::Remove, &[flag]),
                Err(NotNow::BadArgument(_))
            ));
        }
        assert!(matches!(
            talk.machine.fetch_summaries(&SequenceSet::default()),
            Err(NotNow::BadArgument(_))
        ));

        let said = talk.give(|client| {
            client.search(&[
                SearchKey::Unseen,
                SearchKey::Or(
                    Box::new(SearchKey::From("ann \"x\"".to_owned())),
                    Box::new(SearchKey::Not(Box::new(SearchKey::Larger(3)))),
                ),
            ])
        });
        assert_eq!(
            said,
            "A0005 UID SEARCH UNSEEN OR FROM \"ann \\\"x\\\"\" NOT LARGER 3\r\n"
        );
        talk.said = said;
        let events = talk.answer("* SEARCH 2 84\r\n* SEARCH\r\n", "OK");
        assert_eq!(
            events,
            [
                Event::Found(vec![2, 84]),
                Event::Found(vec![]),
                Event::Done(Done::Searched)
            ]
        );
        // Text that needs a literal is sent when the server says so; it cannot become a command.
        let said =
            talk.give(|client| client.search(&[SearchKey::Subject("\u{e4}\r\nA1 X".to_owned())]));
        assert_eq!(said, "A0006 UID SEARCH CHARSET UTF-8 SUBJECT {8}\r\n");
        talk.hear("+\r\n");
        assert_eq!(talk.said, "\u{e4}\r\nA1 X\r\n");
    }
}

#[test]
fn append_streams_piece_by_piece() {
    let message = "0123456789".repeat(4_000);
    for piece in PIECES {
        let mut talk = logged_in("", piece);
        let date = DateTime {
            seconds: 837_596_665,
            offset_minutes: -420,
        };
        let said = talk.give(|client| {
            client.append(&MailboxName::new("Sent"), &["\\Seen"], Some(date), 40_000)
        });
        assert_eq!(
            said,
            "A0003 APPEND \"Sent\" (\\Seen) \"17-Jul-1996 02:44:25 -0700\" {40000}\r\n"
        );
        assert_eq!(talk.machine.append_data(b"x"), Err(AppendError::NotAsked));
        talk.hear("+ go on\r\n");
        let mut rest = message.as_str();
        while let Some(Event::AppendWants(most)) = talk.take_events().pop() {
            assert!(talk.wants_reply);
            assert_eq!(
                talk.machine.append_data(&vec![b'x'; most + 1]),
                Err(AppendError::TooMuch)
            );
            let (piece, tail) = rest.split_at(most.min(7_000));
            talk.machine.append_data(piece.as_bytes()).unwrap();
            rest = tail;
            talk.run();
        }
        assert_eq!(rest, "");
        assert_eq!(talk.said, format!("{message}\r\n"));
        talk.hear("A0003 OK [APPENDUID 38505 3955] x\r\n");
        let [Event::Done(Done::Appended(Some(uid)))] = talk.take_events()[..] else {
            panic!()
        };
        assert_eq!((uid.uid_validity.get(), uid.uid.get()), (38505, 3955));

        // Refused before a byte of it was sent.
        let events = talk.ask(
            |client| client.append(&MailboxName::new("Sent"), &[], None, 1),
            "",
            "NO [TRYCREATE] x",
        );
        assert!(matches!(
            &events[..],
            [Event::Refused(Refused {
                code: Some(ResponseCode::TryCreate),
                ..
            })]
        ));
        // An empty one.
        talk.give(|client| client.append(&MailboxName::new("Sent"), &[], None, 0));
        talk.hear("+ go on\r\n");
        assert_eq!(talk.said, "\r\n");
    }
}

#[test]
fn idle_tells_what_happens_until_it_is_ended() {
    for piece in PIECES {
        let mut talk = selected("IDLE", piece);
        assert_eq!(talk.give(Client::idle), "A0004 IDLE\r\n");
        assert_eq!(talk.machine.end_idle(), Err(NotNow::Busy));
        talk.hear(
            "+ idling\r\n* 4 EXISTS\r\n* 2 EXPUNGE\r\n* 1 FETCH (FLAGS ())\r\n* OK still here\r\n",
        );
        let events = talk.take_events();
        assert_eq!(
            events[..3],
            [Event::Idling, Event::Exists(4), Event::Expunged(2)]
        );
        assert!(matches!(events[3], Event::Message(_)));
        assert_eq!(events.len(), 4);
        assert_eq!(talk.give(Client::end_idle), "DONE\r\n");
        talk.hear("A0004 OK\r\n");
        assert_eq!(talk.take_events(), [Event::Done(Done::Idled)]);
    }
}

#[test]
fn id_and_logout() {
    for piece in PIECES {
        let mut talk = logged_in("ID", piece);
        let said = talk.give(|client| client.id(&[("name", "Pillarbox"), ("version", "0.1")]));
        assert_eq!(
            said,
            "A0003 ID (\"name\" \"Pillarbox\" \"version\" \"0.1\")\r\n"
        );
        talk.said = said;
        let events = talk.answer("* ID (\"name\" \"x\x1by\" \"v\" NIL)\r\n", "OK");
        assert_eq!(
            events,
            [
                Event::Id(vec![
                    ("name".to_owned(), Some(ServerText::new(b"xy"))),
                    ("v".to_owned(), None)
                ]),
                Event::Done(Done::Id)
            ]
        );
        let events = talk.ask(Client::logout, "* BYE bye\r\n", "OK");
        assert_eq!(events, [Event::Done(Done::LoggedOut)]);
        assert_eq!(talk.end, Some(Ok(())));
        assert_eq!(talk.machine.noop(), Err(NotNow::Busy));
    }
}

#[test]
fn unknown_and_unasked_responses_are_ignored_inside_tls() {
    for piece in PIECES {
        let mut talk = sealed("", piece);
        talk.hear(
            "* 3 EXISTS\r\n* LIST () \"/\" evil\r\n* SEARCH 1\r\n* 1 FETCH (FLAGS ())\r\n* X-NEW {3}\r\nabc (\"d\")\r\n* 5 WHAT\r\n",
        );
        assert_eq!(talk.take_events(), []);
        assert_eq!(talk.end, None);
        // Words may end like a literal.
        talk.hear("* OK see {100}\r\n* OK [ALERT] x {3}\r\n");
        assert_eq!(
            talk.take_events(),
            [Event::Alert(ServerText::new(b"x {3}"))]
        );
    }
}

#[test]
fn broken_ones_end_the_conversation() {
    for piece in PIECES {
        for (text, violation) in [
            ("A0009 OK x\r\n", Violation::UnknownTag),
            ("A0001 OK x\r\n", Violation::UnknownTag),
            ("+ go on\r\n", Violation::UnexpectedContinuation),
            ("garbage\r\n", Violation::NotImap),
            ("A0002 WHAT x\r\n", Violation::NotImap),
            (
                "* OK x\n",
                Violation::Framing(FrameError::Line(LineError::BareLf)),
            ),
        ] {
            let mut talk = sealed("", piece);
            talk.hear(text);
            assert_eq!(talk.end, Some(Err(violation)), "{text}");
        }
        let mut talk = Talk::new(
            Client::<Sealed>::start(&Sealed::new(facts()), ClientCertificate::NotSent),
            piece,
        );
        talk.hear("* OK x\r\nA0001 BAD what?\r\n");
        assert_eq!(talk.end, Some(Err(Violation::CapabilityRefused)));
        let mut talk = Talk::new(
            Client::<Sealed>::start(&Sealed::new(facts()), ClientCertificate::NotSent),
            piece,
        );
        talk.hear("* OK x\r\nA0001 OK done\r\n");
        assert_eq!(talk.end, Some(Err(Violation::CapabilityRefused)));
    }
}
