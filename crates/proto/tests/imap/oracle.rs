//! The server's grammar against imap-codec: where both take a command, both must mean the same by it.
//!
//! imap-codec reads a command and writes it down again in its own normal form; our machine must make the same
//! event of both. Well-formed commands must be taken by both.

use std::num::NonZeroU32;

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use imap_codec::encode::Encoder;
use pillarbox_proto::imap::grammar::Cursor;
use pillarbox_proto::imap::server::{Event, Limits, SelectedMailbox, Server};
use pillarbox_proto::sasl::LoginAnswer;
use pillarbox_proto::{Machine, Sealed, Start, Step};
use pillarbox_testkit::facts;
use proptest::prelude::*;
use proptest::sample::select;

fn next(dialogue: &mut Server<Sealed>) -> (String, Option<Event>) {
    let mut out = Vec::new();
    loop {
        match dialogue.poll() {
            Step::Output(bytes) => out.extend_from_slice(&bytes),
            Step::Event(event) => return (String::from_utf8(out).unwrap(), Some(event)),
            _ => return (String::from_utf8(out).unwrap(), None),
        }
    }
}

/// A session in which INBOX is selected.
fn selected() -> Server<Sealed> {
    let limits = Limits {
        message: u64::MAX,
        ..Limits::default()
    };
    let mut dialogue = Server::<Sealed>::start(&Sealed::new(facts()), limits);
    dialogue.input(b"l LOGIN a b\r\ns SELECT INBOX\r\n");
    for answer in [LoginAnswer::Accept, LoginAnswer::Recorded] {
        let (_, login) = next(&mut dialogue);
        assert!(matches!(login, Some(Event::Login(_))));
        dialogue.answer_login(answer);
    }
    let (_, select) = next(&mut dialogue);
    assert!(matches!(select, Some(Event::Select(_))));
    dialogue.selected(&SelectedMailbox {
        messages: 1,
        uid_validity: NonZeroU32::MIN,
        uid_next: NonZeroU32::MIN,
        first_unseen: None,
        keywords: Vec::new(),
        highest_modseq: 1,
    });
    assert_eq!(next(&mut dialogue).1, None);
    dialogue
}

/// What our machine makes of a command: an event, or its answer where it is not BAD.
fn ours(command: &[u8]) -> Option<String> {
    let mut dialogue = selected();
    dialogue.input(command);
    let (out, event) = next(&mut dialogue);
    match event {
        Some(event) => Some(with_sorted_sets(&format!("{event:?}"))),
        None if out.contains("x BAD ") || out.contains("* BAD ") => None,
        None => Some(out),
    }
}

/// The text with every sequence set as sorted ranges, since imap-codec sorts and joins them: `3:1,*` means `1:3,*`.
fn with_sorted_sets(event: &str) -> String {
    let mut parts = event.split("SequenceSet(");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (written, rest) = part.split_once(')').unwrap();
        let set = Cursor::new(written.as_bytes()).sequence_set().unwrap();
        out.push_str(&format!("{:?}{rest}", set.resolve(u32::MAX)));
    }
    out
}

/// imap-codec's normal form of a command, if it takes it whole.
fn theirs(command: &[u8]) -> Option<Vec<u8>> {
    let codec = CommandCodec::default();
    match codec.decode(command) {
        Ok((b"", command)) => Some(codec.encode(&command).dump()),
        _ => None,
    }
}

fn case(text: &'static str) -> impl Strategy<Value = String> {
    any::<u64>().prop_map(move |bits| {
        text.chars()
            .enumerate()
            .map(|(at, c)| {
                if bits >> (at % 64) & 1 == 1 {
                    c.to_ascii_lowercase()
                } else {
                    c
                }
            })
            .collect()
    })
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_flat_map(case)
}

fn mailbox() -> impl Strategy<Value = String> {
    prop_oneof![
        one_of(&["INBOX", "\"INBOX\""]),
        "[a-zA-Z0-9/._-]{1,8}",
        "\"[a-zA-Z0-9 /(){%*.]{1,8}\"",
        Just("\"a\\\\b\\\"c\"".to_owned()),
        Just("Entw&APw-rfe".to_owned()),
    ]
}

fn set() -> impl Strategy<Value = String> {
    let number = prop_oneof![(1u32..).prop_map(|n| n.to_string()), Just("*".to_owned())];
    let range = (number.clone(), proptest::option::of(number))
        .prop_map(|(from, to)| to.map_or(from.clone(), |to| format!("{from}:{to}")));
    proptest::collection::vec(range, 1..4).prop_map(|ranges| ranges.join(","))
}

fn flags() -> impl Strategy<Value = String> {
    let flag = select(
        &[
            "\\Seen",
            "\\answered",
            "\\Flagged",
            "\\DELETED",
            "\\Draft",
            "$Forwarded",
            "work",
        ][..],
    );
    proptest::collection::vec(flag, 0..4).prop_map(|flags| format!("({})", flags.join(" ")))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9@.-]{1,8}", "\"[a-z 0-9(){]{0,8}\""]
}

fn date() -> impl Strategy<Value = String> {
    (
        1u8..29,
        one_of(&["Jan", "Feb", "Dec"]),
        1970u16..2100,
        any::<bool>(),
    )
        .prop_map(|(day, month, year, quoted)| {
            let date = format!("{day}-{month}-{year}");
            if quoted { format!("\"{date}\"") } else { date }
        })
}

fn search_key() -> impl Strategy<Value = String> {
    let joined = |word: &'static [&'static str], argument: BoxedStrategy<String>| {
        (one_of(word), argument).prop_map(|(word, argument)| format!("{word} {argument}"))
    };
    let leaf = prop_oneof![
        one_of(&[
            "ALL",
            "ANSWERED",
            "DELETED",
            "DRAFT",
            "FLAGGED",
            "NEW",
            "OLD",
            "RECENT",
            "SEEN",
            "UNANSWERED",
            "UNDELETED",
            "UNDRAFT",
            "UNFLAGGED",
            "UNSEEN"
        ]),
        set(),
        joined(&["UID"], set().boxed()),
        joined(
            &["BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO"],
            text().boxed()
        ),
        joined(
            &["BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE"],
            date().boxed()
        ),
        joined(&["KEYWORD", "UNKEYWORD"], "[a-z$]{1,6}".boxed()),
        joined(
            &["LARGER", "SMALLER"],
            any::<u32>().prop_map(|n| n.to_string()).boxed()
        ),
        (case("HEADER"), text(), text())
            .prop_map(|(word, name, value)| format!("{word} {name} {value}")),
    ];
    leaf.prop_recursive(3, 12, 3, |key| {
        prop_oneof![
            (case("NOT"), key.clone()).prop_map(|(word, key)| format!("{word} {key}")),
            (case("OR"), key.clone(), key.clone())
                .prop_map(|(word, a, b)| format!("{word} {a} {b}")),
            proptest::collection::vec(key, 1..4).prop_map(|keys| format!("({})", keys.join(" "))),
        ]
    })
}

fn fetch_item() -> impl Strategy<Value = String> {
    let part = proptest::collection::vec(1u32..20, 0..4).prop_map(|path| {
        path.iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(".")
    });
    let fields =
        proptest::collection::vec(text(), 1..4).prop_map(|names| format!("({})", names.join(" ")));
    let what = prop_oneof![
        Just(String::new()),
        one_of(&["HEADER", "TEXT"]),
        (one_of(&["HEADER.FIELDS", "HEADER.FIELDS.NOT"]), fields)
            .prop_map(|(word, fields)| format!("{word} {fields}")),
    ];
    let partial = proptest::option::of((any::<u32>(), 1u32..));
    let section = (one_of(&["BODY", "BODY.PEEK"]), part, what, partial).prop_map(
        |(word, part, what, partial)| {
            let dot = if part.is_empty() || what.is_empty() {
                ""
            } else {
                "."
            };
            let partial = partial.map_or(String::new(), |(origin, count)| {
                format!("<{origin}.{count}>")
            });
            format!("{word}[{part}{dot}{what}]{partial}")
        },
    );
    prop_oneof![
        one_of(&[
            "UID",
            "FLAGS",
            "INTERNALDATE",
            "ENVELOPE",
            "BODY",
            "BODYSTRUCTURE",
            "RFC822",
            "RFC822.SIZE",
            "RFC822.HEADER",
            "RFC822.TEXT"
        ]),
        Just("BODY[1.2.MIME]".to_owned()),
        section,
    ]
}

/// A well-formed command of RFC 3501 without its tag.
fn command() -> impl Strategy<Value = String> {
    let uid = || select(&["", "UID ", "uid "][..]);
    let join = |words: (String, String)| format!("{} {}", words.0, words.1);
    prop_oneof![
        (
            one_of(&[
                "SELECT",
                "EXAMINE",
                "CREATE",
                "DELETE",
                "SUBSCRIBE",
                "UNSUBSCRIBE"
            ]),
            mailbox()
        )
            .prop_map(join),
        (case("RENAME"), mailbox(), mailbox()).prop_map(|(word, a, b)| format!("{word} {a} {b}")),
        (
            one_of(&["LIST", "LSUB"]),
            "\"[a-z/]{0,4}\"",
            "[a-zA-Z/%*]{1,6}"
        )
            .prop_map(|(word, reference, pattern)| format!("{word} {reference} {pattern}")),
        (
            mailbox(),
            proptest::sample::subsequence(
                vec!["MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN"],
                1..5
            )
        )
            .prop_map(|(name, items)| format!("STATUS {name} ({})", items.join(" "))),
        (uid(), one_of(&["COPY", "MOVE"]), set(), mailbox())
            .prop_map(|(uid, word, set, name)| format!("{uid}{word} {set} {name}")),
        (
            uid(),
            set(),
            select(&["", "+", "-"][..]),
            one_of(&["FLAGS", "FLAGS.SILENT"]),
            flags()
        )
            .prop_map(|(uid, set, sign, word, flags)| format!(
                "{uid}STORE {set} {sign}{word} {flags}"
            )),
        (uid(), proptest::collection::vec(search_key(), 1..4))
            .prop_map(|(uid, keys)| format!("{uid}SEARCH {}", keys.join(" "))),
        (uid(), set(), fetch_item())
            .prop_map(|(uid, set, item)| format!("{uid}FETCH {set} {item}")),
        (uid(), set(), proptest::collection::vec(fetch_item(), 1..5))
            .prop_map(|(uid, set, items)| format!("{uid}FETCH {set} ({})", items.join(" "))),
        (set(), one_of(&["ALL", "FAST", "FULL"]))
            .prop_map(|(set, word)| format!("FETCH {set} {word}")),
        one_of(&[
            "NOOP",
            "CHECK",
            "CLOSE",
            "UNSELECT",
            "EXPUNGE",
            "CAPABILITY",
            "LOGOUT",
        ]),
        set().prop_map(|set| format!("UID EXPUNGE {set}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn well_formed_commands_mean_the_same(command in command()) {
        let line = format!("x {command}\r\n");
        let normal = theirs(line.as_bytes());
        prop_assert!(normal.is_some(), "imap-codec does not take {:?}", line);
        let normal = normal.unwrap();
        let ours_of_line = ours(line.as_bytes());
        prop_assert!(ours_of_line.is_some(), "we do not take {:?}", line);
        prop_assert_eq!(ours_of_line, ours(&normal), "{:?} is {:?}", line, String::from_utf8_lossy(&normal));
    }

    #[test]
    fn damaged_commands_mean_the_same_where_both_take_them(
        command in command(),
        at in any::<proptest::sample::Index>(),
        octet in select(b" ()\"\\{}%*]1:,.a-".to_vec()),
        delete in any::<bool>(),
    ) {
        let mut line = format!("x {command}").into_bytes();
        let at = at.index(line.len() - 2) + 2;
        if delete {
            line.remove(at);
        } else {
            line.insert(at, octet);
        }
        line.extend(b"\r\n");
        if let (Some(normal), Some(event)) = (theirs(&line), ours(&line)) {
            prop_assert_eq!(Some(event), ours(&normal), "{:?} is {:?}", String::from_utf8_lossy(&line), String::from_utf8_lossy(&normal));
        }
    }
}
