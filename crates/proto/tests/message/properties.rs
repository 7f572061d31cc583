//! What holds for every message: splits never matter, parts lie within their parents and in order, the
//! stored form reads back, and nothing panics. The fragments are chosen to build almost-right mail.

use pillarbox_proto::message::{Content, Index, IndexLimits, Indexer, Kind, Section};
use pillarbox_testkit::{Sample, corpus};
use proptest::prelude::*;

fn indexed<'a>(limits: IndexLimits, pieces: impl Iterator<Item = &'a [u8]>) -> Index {
    let mut indexer = Indexer::new(limits);
    pieces.for_each(|piece| indexer.push(piece));
    indexer.finish()
}

/// The number of parts under `at`, itself included, after checking that they lie where they must.
fn check_part(index: &Index, at: usize, message: &[u8]) -> usize {
    let part = &index.parts()[at];
    assert!(part.header().start <= part.header().end);
    assert_eq!(part.header().end, part.body().start);
    assert!(part.body().end <= message.len() as u64);
    let body = &message[part.body().start as usize..part.body().end as usize];
    let lines = body.iter().filter(|octet| **octet == b'\n').count() as u64;
    assert_eq!(part.lines(), lines, "lines of part {at}");
    match part.kind() {
        Kind::Leaf | Kind::Opaque => 1,
        Kind::Message(inside) => {
            let inner = &index.parts()[*inside];
            assert_eq!(inner.header().start, part.body().start);
            assert_eq!(
                inner.body().end,
                part.body().end,
                "a message fills its part"
            );
            1 + check_part(index, *inside, message)
        }
        Kind::Multipart(children) => {
            assert!(!children.is_empty());
            let mut from = part.body().start;
            let mut count = 1;
            for child in children {
                let inner = &index.parts()[*child];
                assert!(from <= inner.header().start);
                assert!(inner.body().end <= part.body().end);
                from = inner.body().end;
                count += check_part(index, *child, message);
            }
            count
        }
    }
}

fn check(limits: IndexLimits, message: &[u8]) -> Index {
    let index = indexed(limits, std::iter::once(message));
    assert_eq!(index.octets(), message.len() as u64);
    assert_eq!(
        index.section(&[], Section::Body),
        Some(0..message.len() as u64)
    );
    let root = &index.parts()[0];
    assert_eq!((root.header().start, root.body().end), (0, index.octets()));
    assert_eq!(check_part(&index, 0, message), index.parts().len());
    assert!(index.parts().len() <= limits.parts);
    assert_eq!(Index::from_bytes(&index.to_bytes()).as_ref(), Ok(&index));
    let _ = index.envelope();
    let _ = index.body_structure();
    index
}

fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => Just(b"\r\n".to_vec()),
        2 => Just(b"\n".to_vec()),
        3 => Just(b"\r\n\r\n".to_vec()),
        3 => Just(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec()),
        2 => Just(b"Content-Type: multipart/digest; boundary=\"bb\"\r\n\r\n".to_vec()),
        2 => Just(b"Content-Type: message/rfc822\r\n\r\n".to_vec()),
        1 => Just(b"Content-Type: multipart/mixed; boundary=\"b--\"\n\n".to_vec()),
        4 => Just(b"\r\n--b\r\n".to_vec()),
        3 => Just(b"--bb\n".to_vec()),
        2 => Just(b"--b--\r\n".to_vec()),
        1 => Just(b"--bb--".to_vec()),
        1 => Just(b"--".to_vec()),
        1 => Just(b"\r".to_vec()),
        2 => Just(b"To: A <a@x>, b@y, g: c@z;\r\n".to_vec()),
        1 => Just(b"Subject: x\r\n folded\r\n".to_vec()),
        1 => Just(b"Content-Transfer-Encoding: base64\r\n".to_vec()),
        1 => Just(vec![b'x'; 600]),
        2 => proptest::collection::vec(any::<u8>(), 0..8),
        1 => "[a-z \t:;=<>@,\"()\\\\-]{0,30}".prop_map(String::into_bytes),
    ]
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(fragment(), 0..40).prop_map(|fragments| fragments.concat())
}

fn limits() -> impl Strategy<Value = IndexLimits> {
    prop_oneof![
        Just(IndexLimits::default()),
        (2usize..6, 1usize..5, 0usize..80, 0usize..80).prop_map(|(parts, depth, header, kept)| {
            IndexLimits {
                parts,
                depth,
                header,
                kept,
            }
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn every_message_has_a_sound_index(limits in limits(), message in message()) {
        check(limits, &message);
    }

    #[test]
    fn splitting_a_message_changes_nothing(
        limits in limits(),
        message in message(),
        cuts in proptest::collection::vec(1usize..20, 1..20),
    ) {
        let whole = indexed(limits, std::iter::once(&message[..]));
        prop_assert_eq!(&whole, &indexed(limits, message.chunks(1)));
        let mut rest = &message[..];
        let mut cuts = cuts.iter().cycle();
        let pieces = std::iter::from_fn(|| {
            let (piece, tail) = rest.split_at((*cuts.next()?).min(rest.len()));
            rest = tail;
            (!piece.is_empty()).then_some(piece)
        });
        prop_assert_eq!(&whole, &indexed(limits, pieces));
    }

    #[test]
    fn rubbish_is_no_index_or_a_sound_one(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(index) = Index::from_bytes(&bytes) {
            prop_assert_eq!(index.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_damaged_index_is_refused_or_sound(message in message(), at in any::<prop::sample::Index>(), octet in any::<u8>()) {
        let mut bytes = check(IndexLimits::default(), &message).to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = octet;
        if let Ok(index) = Index::from_bytes(&bytes) {
            let _ = index.envelope();
            let _ = index.body_structure();
            prop_assert_eq!(index.to_bytes(), bytes);
        }
    }
}

/// A well-formed message and the bodies of its leaves in order.
#[derive(Debug, Clone)]
enum Mail {
    Leaf(String),
    Multipart(Vec<Mail>),
    Message(Box<Mail>),
}

fn mail() -> impl Strategy<Value = Mail> {
    let leaf = "([a-z -]{0,20}(\r\n)?){0,4}".prop_map(Mail::Leaf);
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Mail::Multipart),
            inner.prop_map(|inner| Mail::Message(Box::new(inner))),
        ]
    })
}

impl Mail {
    /// Whether a message is all there is in a message: mail-parser 0.11.9 panics at some of these in debug
    /// builds.
    fn has_message_in_message(&self) -> bool {
        match self {
            Self::Leaf(_) => false,
            Self::Multipart(parts) => parts.iter().any(Self::has_message_in_message),
            Self::Message(inner) => {
                matches!(**inner, Self::Message(_)) || inner.has_message_in_message()
            }
        }
    }

    fn write(&self, out: &mut String, leaves: &mut Vec<String>, boundaries: &mut usize) {
        match self {
            Self::Leaf(text) => {
                *out += "Content-Type: application/x-leaf\r\n\r\n";
                *out += text;
                leaves.push(text.clone());
            }
            Self::Multipart(parts) => {
                *boundaries += 1;
                let boundary = format!("=_{boundaries}");
                *out += &format!(
                    "Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\npreamble"
                );
                for part in parts {
                    *out += &format!("\r\n--{boundary}\r\n");
                    part.write(out, leaves, boundaries);
                }
                *out += &format!("\r\n--{boundary}--\r\nepilogue");
            }
            Self::Message(inner) => {
                *out += "Content-Type: message/rfc822\r\n\r\nSubject: s\r\n";
                inner.write(out, leaves, boundaries);
            }
        }
    }
}

fn our_leaves(index: &Index, message: &[u8]) -> Vec<Vec<u8>> {
    index
        .parts()
        .iter()
        .filter(|part| matches!(part.kind(), Kind::Leaf | Kind::Opaque))
        .map(|part| message[part.body().start as usize..part.body().end as usize].to_vec())
        .collect()
}

/// The leaves mail-parser sees, in order, without looking into what it could decode.
fn their_leaves(message: &mail_parser::Message<'_>, raw: &[u8], leaves: &mut Vec<Vec<u8>>) {
    for part in &message.parts {
        match &part.body {
            mail_parser::PartType::Multipart(_) => {}
            mail_parser::PartType::Message(inner) => their_leaves(inner, raw, leaves),
            _ => leaves.push(raw[part.offset_body as usize..part.offset_end as usize].to_vec()),
        }
    }
}

proptest! {
    #[test]
    fn generated_mail_comes_apart_as_it_was_put_together(mail in mail()) {
        let (mut raw, mut leaves) = ("Subject: x\r\n".to_owned(), Vec::new());
        mail.write(&mut raw, &mut leaves, &mut 0);
        let raw = raw.into_bytes();
        let index = check(IndexLimits::default(), &raw);
        let leaves: Vec<Vec<u8>> = leaves.into_iter().map(String::into_bytes).collect();
        prop_assert_eq!(our_leaves(&index, &raw), leaves);
    }

    #[test]
    fn mail_parser_sees_the_same_leaves(
        mail in mail().prop_filter("no message in a message", |mail| !mail.has_message_in_message()),
    ) {
        let (mut raw, mut leaves) = ("Subject: x\r\n".to_owned(), Vec::new());
        mail.write(&mut raw, &mut leaves, &mut 0);
        let raw = raw.into_bytes();
        let theirs = mail_parser::MessageParser::new().parse(&raw).unwrap();
        let mut their = Vec::new();
        their_leaves(&theirs, &raw, &mut their);
        prop_assert_eq!(our_leaves(&check(IndexLimits::default(), &raw), &raw), their);
    }
}

#[test]
fn every_message_of_the_corpus_has_a_sound_index() {
    for Sample {
        name,
        content: message,
    } in corpus()
    {
        println!("{name}");
        let index = check(IndexLimits::default(), &message);
        assert_eq!(
            index,
            indexed(IndexLimits::default(), message.chunks(7)),
            "{}",
            name
        );
    }
}

/// Broken mail may be read in more than one way; mostly we read it as mail-parser does.
#[test]
fn corpus_against_mail_parser() {
    let (mut same, mut all) = (0, 0);
    for Sample {
        name,
        content: message,
    } in corpus()
    {
        let Some(theirs) = mail_parser::MessageParser::new().parse(&message) else {
            continue;
        };
        let mut their = Vec::new();
        their_leaves(&theirs, &message, &mut their);
        let ours = our_leaves(&check(IndexLimits::default(), &message), &message);
        all += 1;
        if ours == their {
            same += 1;
        } else {
            println!("{}: {} leaves, theirs {}", name, ours.len(), their.len());
        }
    }
    println!("{same} of {all} come apart in the same way");
    assert!(same * 100 >= all * 80, "{same} of {all}");
}

#[test]
fn subjects_of_the_corpus_are_those_of_mail_parser() {
    for Sample {
        name,
        content: message,
    } in corpus()
    {
        let Some(theirs) = mail_parser::MessageParser::new().parse(&message) else {
            continue;
        };
        let index = check(IndexLimits::default(), &message);
        let ours = index.envelope();
        if let (Some(ours), Some(theirs)) = (&ours.message_id, theirs.message_id()) {
            let ours = String::from_utf8_lossy(ours).into_owned();
            assert!(ours.contains(theirs), "{}: {ours} and {theirs}", name);
        }
        if let Content::Multipart(parts) = &index.body_structure().content {
            assert!(!parts.is_empty());
        }
    }
}
