//! What holds for whatever a server says: splits never matter, nothing panics, nothing secret leaves in the
//! clear, and what is put out and held is bounded.

use pillarbox_policy::{AccountLevel, Credentials};
use pillarbox_proto::imap::client::{
    ClearEvent, Client, ClientCertificate, Event, FlagChange, MailboxName, SearchKey, TagSeed,
    Violation,
};
use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::sasl::Nonce;
use pillarbox_proto::{Clear, Machine, Sealed, Start, Step, Upgrade};
use pillarbox_testkit::facts;
use proptest::prelude::*;

use crate::channels::clear;

const PASSWORD: &str = "hunter2-secret";
/// The tag of STARTTLS where every octet of the seed is 0x11.
const TAG: &str = "1111111111111111";

/// A server that goes through all commands of [`command`] in order.
const HONEST: &str = "* OK hello\r\n* CAPABILITY IMAP4rev1 IDLE SASL-IR AUTH=PLAIN\r\nA0001 OK x\r\n\
        A0002 OK [CAPABILITY IMAP4rev1 IDLE] in\r\n* 3 EXISTS\r\n* FLAGS (\\Seen)\r\n* OK [UIDVALIDITY 1] x\r\nA0003 OK [READ-WRITE] x\r\n\
        * 1 FETCH (UID 1 FLAGS () RFC822.SIZE 5 INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" ENVELOPE (\"d\" {3}\r\nabc ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL NIL NIL \"<1>\"))\r\nA0004 OK x\r\n\
        * 1 FETCH (UID 1 BODY[] {10}\r\n0123456789)\r\nA0005 OK x\r\n* LIST (\\Sent) \"/\" Sent\r\nA0006 OK x\r\n\
        + go\r\nA0007 OK [APPENDUID 1 2] x\r\n+ go\r\n* SEARCH 1 2\r\nA0008 OK x\r\n* 1 FETCH (FLAGS (\\Seen))\r\nA0009 OK x\r\n\
        + idling\r\n* 4 EXISTS\r\nA0010 OK x\r\n* STATUS INBOX (MESSAGES 3)\r\nA0011 OK x\r\n* BYE x\r\nA0012 OK x\r\n";

/// Everything a session said and told.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    said: Vec<u8>,
    events: Vec<String>,
    body: Vec<u8>,
    end: Option<Result<(), Violation>>,
}

/// A toy caller: gives one command after the other, whatever the last one came to.
fn session(pieces: impl Iterator<Item = Vec<u8>>) -> Heard {
    let mut client = Client::<Sealed>::start(&Sealed::new(facts()), ClientCertificate::NotSent);
    let mut heard = Heard::default();
    let mut turn = 0;
    for piece in std::iter::once(Vec::new()).chain(pieces) {
        client.input(&piece);
        loop {
            match client.poll() {
                Step::Output(bytes) => {
                    assert!(bytes.len() <= 16 * 1024);
                    heard.said.extend_from_slice(&bytes);
                }
                Step::Event(event) => {
                    match &event {
                        Event::BodyPiece(octets) => {
                            assert!(octets.len() <= 16 * 1024);
                            heard.body.extend_from_slice(octets);
                            continue;
                        }
                        Event::AppendWants(most) => {
                            client.append_data(&vec![b'm'; *most]).unwrap();
                        }
                        Event::Idling => client.end_idle().unwrap(),
                        Event::Ready | Event::Done(_) | Event::Refused(_) => {
                            turn += 1;
                            let _ = command(&mut client, turn);
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

fn command(client: &mut Client<Sealed>, turn: u32) -> Result<(), String> {
    let inbox = MailboxName::new("INBOX");
    let credentials = Credentials::new("ann", PASSWORD.into(), &AccountLevel::default());
    let uids = SequenceSet::of([1, 2]);
    let text = |error: pillarbox_proto::imap::client::NotNow| error.to_string();
    match turn {
        1 => client
            .authenticate(&credentials, Nonce::from_random([1; 18]))
            .map_err(|error| error.to_string()),
        2 => client.select(&inbox).map_err(text),
        3 => client.fetch_summaries(&uids).map_err(text),
        4 => client.fetch_body(std::num::NonZeroU32::MIN).map_err(text),
        5 => client
            .list(&MailboxName::new(""), &MailboxName::new("*"))
            .map_err(text),
        6 => client
            .append(&inbox, &["\\Seen"], None, 20_000)
            .map_err(text),
        7 => client
            .search(&[SearchKey::Subject("\u{e4}".to_owned())])
            .map_err(text),
        8 => client
            .store_flags(&uids, FlagChange::Add, &["\\Seen"])
            .map_err(text),
        9 => client.idle().map_err(text),
        10 => client.status(&inbox).map_err(text),
        _ => client.logout().map_err(text),
    }
}

fn server_says() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => (1u32..12).prop_map(|n| format!("A{n:04} OK [CAPABILITY IMAP4rev1 IDLE AUTH=PLAIN SASL-IR] done\r\n")),
        2 => (1u32..12).prop_map(|n| format!("A{n:04} NO no\r\n")),
        4 => Just("* CAPABILITY IMAP4rev1 IDLE SASL-IR AUTH=PLAIN\r\n".to_owned()),
        4 => Just("+ \r\n".to_owned()),
        2 => Just("* 3 EXISTS\r\n".to_owned()),
        1 => Just("* 1 EXPUNGE\r\n".to_owned()),
        4 => Just("* 1 FETCH (UID 1 BODY[] {5}\r\nhello)\r\n".to_owned()),
        2 => Just("* 1 FETCH (BODY[] \"hello\" UID 1)\r\n".to_owned()),
        2 => Just("* 1 FETCH (UID 1 FLAGS (\\Seen) ENVELOPE (NIL {2}\r\nab NIL NIL NIL NIL NIL NIL NIL NIL))\r\n".to_owned()),
        2 => Just("* LIST (\\Sent) \"/\" {4}\r\nSent\r\n".to_owned()),
        1 => Just("* SEARCH 1 2 3\r\n".to_owned()),
        1 => Just("* STATUS INBOX (MESSAGES 3)\r\n".to_owned()),
        1 => Just("* OK [ALERT] hi {3}\r\n".to_owned()),
        1 => Just("* BYE {3}\r\n".to_owned()),
        1 => Just("{3}\r\n".to_owned()),
        1 => Just("\r\n".to_owned()),
        1 => "[ -~]{0,12}",
    ]
    .prop_map(String::into_bytes);
    let rubbish = proptest::collection::vec(any::<u8>(), 0..4);
    proptest::collection::vec(prop_oneof![20 => word, 1 => rubbish], 0..30).prop_map(|words| {
        let mut all =
            b"* OK hello\r\n* CAPABILITY IMAP4rev1 IDLE SASL-IR AUTH=PLAIN\r\nA0001 OK\r\n"
                .to_vec();
        all.extend(words.concat());
        all
    })
}

/// [`HONEST`] with one thing changed.
fn almost_right() -> impl Strategy<Value = Vec<u8>> {
    (
        any::<prop::sample::Index>(),
        0usize..4,
        proptest::collection::vec(any::<u8>(), 0..4),
    )
        .prop_map(move |(at, without, with)| {
            let mut all = HONEST.as_bytes().to_vec();
            let at = at.index(all.len());
            let end = (at + without).min(all.len());
            all.splice(at..end, with);
            all
        })
}

fn check(script: &[u8], cuts: &[usize]) -> Result<Heard, TestCaseError> {
    let whole = session(std::iter::once(script.to_vec()));
    prop_assert_eq!(&whole, &session(script.iter().map(|octet| vec![*octet])));
    let mut rest = script;
    let mut cuts = cuts.iter().cycle();
    prop_assert_eq!(
        &whole,
        &session(std::iter::from_fn(|| {
            let (piece, tail) = rest.split_at((*cuts.next()?).min(rest.len()));
            rest = tail;
            (!piece.is_empty()).then(|| piece.to_vec())
        }))
    );
    Ok(whole)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn splitting_a_servers_words_changes_nothing(
        script in server_says(),
        cuts in proptest::collection::vec(1usize..30, 1..10),
    ) {
        let heard = check(&script, &cuts)?;
        // Twelve commands, a message of 20,000 octets.
        prop_assert!(heard.said.len() < 22_000);
    }

    #[test]
    fn an_almost_honest_server_changes_nothing_by_its_pieces(
        script in almost_right(),
        cuts in proptest::collection::vec(1usize..30, 1..10),
    ) {
        check(&script, &cuts)?;
    }

    #[test]
    fn in_the_clear_nothing_but_two_commands_is_ever_said(
        words in proptest::collection::vec(prop_oneof![
            3 => Just("* OK x\r\n".to_owned()),
            2 => Just("* CAPABILITY IMAP4rev1 STARTTLS\r\n".to_owned()),
            3 => Just(format!("{TAG} OK x\r\n")),
            1 => Just(format!("{TAG} NO x\r\n")),
            1 => Just("* PREAUTH x\r\n".to_owned()),
            1 => Just("+ x\r\n".to_owned()),
            1 => Just("* 1 EXISTS\r\n".to_owned()),
            1 => Just("\n".to_owned()),
            1 => "[ -~]{0,6}",
        ], 0..8),
        ask in any::<bool>(),
        pieces in 1usize..20,
    ) {
        let script = words.concat().into_bytes();
        let outcome = clear_session(ask, std::iter::once(&script[..]));
        let in_pieces = clear_session(ask, script.chunks(pieces));
        let by_octet = clear_session(ask, script.chunks(1));
        for (outcome, how) in [(outcome, "whole"), (in_pieces, "in pieces"), (by_octet, "by octet")] {
            // What comes too early breaks it, and what is early depends on the pieces. Success does not:
            // greeting, perhaps capabilities, the answer, and not one octet more.
            let mut lines: Vec<&str> = words.concat().split_inclusive("\r\n").map(|line| match line {
                "* OK x\r\n" => "greeting",
                "* CAPABILITY IMAP4rev1 STARTTLS\r\n" => "capabilities",
                line if line == format!("{TAG} OK x\r\n") => "answer",
                _ => "other",
            }).collect();
            lines.retain(|line| *line != "capabilities");
            let answers = if ask { 2 } else { 1 };
            let honest = lines.first() == Some(&"greeting")
                && lines.len() == 1 + answers
                && lines.iter().skip(1).all(|line| *line == "answer");
            prop_assert!(outcome != Outcome::Sealed || honest, "{}", how);
        }
    }
}

/// How a clear phase ends: ready for TLS with nothing left over, broken, or waiting.
#[derive(Debug, PartialEq)]
enum Outcome {
    Sealed,
    Broken,
    Waiting,
}

fn clear_session<'a>(ask: bool, pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut client = Client::<Clear>::start(&clear(), TagSeed::from_random([0x11; 16]));
    let mut said = Vec::new();
    let mut asked = !ask;
    let mut ready = false;
    for piece in pieces {
        client.input(piece);
        loop {
            match client.poll() {
                Step::Output(bytes) => said.extend_from_slice(&bytes),
                Step::Event(ClearEvent::ReadyForTls) => ready = true,
                Step::Event(_) if asked => client.start_tls().unwrap(),
                Step::Event(_) => {
                    asked = true;
                    client.ask_capabilities().unwrap();
                }
                Step::NeedInput => break,
                Step::NeedReply | Step::Close => panic!("not in the clear"),
                Step::Err(_) => {
                    assert_allowed(&said);
                    return Outcome::Broken;
                }
            }
        }
    }
    assert_allowed(&said);
    match (ready, client.nothing_left()) {
        (true, Ok(_)) => Outcome::Sealed,
        (true, Err(_)) => Outcome::Broken,
        (false, _) => Outcome::Waiting,
    }
}

#[test]
fn the_honest_clear_phase_ends_sealed() {
    let lines = [
        "* OK x\r\n".to_owned(),
        format!("* CAPABILITY STARTTLS\r\n{TAG} OK x\r\n"),
        format!("{TAG} OK x\r\n"),
    ];
    let pieces = || lines.iter().map(String::as_bytes);
    assert_eq!(clear_session(true, pieces()), Outcome::Sealed);
    assert_eq!(clear_session(true, pieces().take(2)), Outcome::Waiting);
    assert_eq!(
        clear_session(true, pieces().chain([&b"x"[..]])),
        Outcome::Broken
    );
    let script = lines.concat();
    assert_eq!(
        clear_session(true, script.as_bytes().chunks(1)),
        Outcome::Sealed
    );
    assert_eq!(
        clear_session(true, std::iter::once(script.as_bytes())),
        Outcome::Broken
    );
}

fn assert_allowed(said: &[u8]) {
    let said = std::str::from_utf8(said).unwrap();
    let allowed = [
        String::new(),
        format!("{TAG} CAPABILITY\r\n"),
        format!("{TAG} STARTTLS\r\n"),
        format!("{TAG} CAPABILITY\r\n{TAG} STARTTLS\r\n"),
    ];
    assert!(allowed.iter().any(|text| text == said), "{said}");
}

#[test]
fn the_honest_script_goes_to_its_end() {
    let heard = check(HONEST.as_bytes(), &[7, 1, 30]).unwrap();
    assert_eq!(heard.end, Some(Ok(())));
    assert_eq!(heard.events.last().unwrap(), "Done(LoggedOut)");
    assert_eq!(heard.body, b"0123456789");
    let said = String::from_utf8(heard.said).unwrap();
    assert!(said.contains(&format!("{}\r\nA0008 UID SEARCH", "m".repeat(20_000))));
    assert!(said.ends_with("\u{e4}\r\nA0009 UID STORE 1:2 +FLAGS (\\Seen)\r\nA0010 IDLE\r\nDONE\r\nA0011 STATUS \"INBOX\" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)\r\nA0012 LOGOUT\r\n"));
}
