//! The structure of whole messages: known answers, broken mail, limits, and the stored form.

use std::ops::Range;

use pillarbox_proto::message::{
    Address, BadIndex, BodyStructure, Content, Index, IndexLimits, Indexer, Kind, Section,
};

fn index(message: &[u8]) -> Index {
    index_with(IndexLimits::default(), message)
}

fn index_with(limits: IndexLimits, message: &[u8]) -> Index {
    let mut indexer = Indexer::new(limits);
    indexer.push(message);
    let index = indexer.finish();
    let bytes = index.to_bytes();
    assert_eq!(Index::from_bytes(&bytes).as_ref(), Ok(&index));
    index
}

fn cut(message: &[u8], range: Option<Range<u64>>) -> Option<&str> {
    let range = range?;
    Some(std::str::from_utf8(&message[range.start as usize..range.end as usize]).unwrap())
}

/// A structure in one line: `text/plain 5/1` is octets and lines, `[..]` parts, `{..}` a message.
fn sketch(structure: &BodyStructure) -> String {
    let media = format!(
        "{}/{}",
        String::from_utf8_lossy(&structure.media.kind),
        String::from_utf8_lossy(&structure.media.subtype)
    )
    .to_lowercase();
    match &structure.content {
        Content::Multipart(parts) => {
            let parts: Vec<String> = parts.iter().map(sketch).collect();
            format!("{media}[{}]", parts.join(", "))
        }
        Content::Message { body, lines, .. } => {
            format!("{media} {}/{lines}{{{}}}", structure.octets, sketch(body))
        }
        Content::Text { lines } => format!("{media} {}/{lines}", structure.octets),
        Content::Basic => format!("{media} {}", structure.octets),
    }
}

fn sketch_of(message: &str) -> String {
    sketch(&index(message.as_bytes()).body_structure())
}

const NESTED: &str = "From: a@x\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\npreamble\r\n\
--out\r\n\r\none\r\n\
--out\r\nContent-Type: message/rfc822\r\n\r\n\
Subject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n\
--in\r\nContent-Type: text/plain\r\n\r\nplain\r\n\
--in\r\nContent-Type: text/html\r\n\r\n<p>html\r\n\r\n--in--\r\n\
--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: leaf\r\n\r\nbody\r\n\
--out--\r\nepilogue\r\n";

#[test]
fn sections_of_nested_messages() {
    let message = NESTED.as_bytes();
    let index = index(message);
    assert_eq!(
        sketch(&index.body_structure()),
        "multipart/mixed[text/plain 3/0, message/rfc822 159/12{multipart/alternative[text/plain 5/0, text/html 9/1]}, \
         message/rfc822 21/2{text/plain 4/0}]"
    );
    let section = |path: &[u32], section| cut(message, index.section(path, section));
    assert_eq!(section(&[], Section::Body), Some(NESTED));
    assert_eq!(
        section(&[], Section::Header),
        Some("From: a@x\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n")
    );
    assert!(
        section(&[], Section::Text)
            .unwrap()
            .ends_with("epilogue\r\n")
    );
    assert_eq!(section(&[], Section::Mime), None);
    assert_eq!(section(&[1], Section::Body), Some("one"));
    assert_eq!(section(&[1], Section::Mime), Some("\r\n"));
    assert_eq!(section(&[1], Section::Header), None);
    assert_eq!(section(&[1, 1], Section::Body), None);
    assert_eq!(
        section(&[2], Section::Mime),
        Some("Content-Type: message/rfc822\r\n\r\n")
    );
    assert!(
        section(&[2,], Section::Header)
            .unwrap()
            .starts_with("Subject: inner\r\n")
    );
    assert!(
        section(&[2], Section::Text)
            .unwrap()
            .starts_with("--in\r\n")
    );
    assert_eq!(section(&[2, 1], Section::Body), Some("plain"));
    assert_eq!(section(&[2, 2], Section::Body), Some("<p>html\r\n"));
    assert_eq!(
        section(&[2, 2], Section::Mime),
        Some("Content-Type: text/html\r\n\r\n")
    );
    assert_eq!(
        section(&[3], Section::Body),
        Some("Subject: leaf\r\n\r\nbody")
    );
    assert_eq!(section(&[3], Section::Text), Some("body"));
    assert_eq!(section(&[3, 1], Section::Body), Some("body"));
    assert_eq!(
        section(&[3, 1], Section::Mime),
        Some("Subject: leaf\r\n\r\n")
    );
    for missing in [&[0][..], &[4], &[2, 3], &[3, 2], &[3, 1, 1], &[u32::MAX]] {
        assert_eq!(section(missing, Section::Body), None, "{missing:?}");
    }
    let inner = index.part(&[2]).unwrap();
    assert_eq!(
        index.envelope_inside(inner).unwrap().subject.as_deref(),
        Some(&b"inner"[..])
    );
}

#[test]
fn a_plain_message_is_its_own_part_1() {
    let message = b"Subject: x\r\n\r\nline 1\r\nline 2\r\n";
    let index = index(message);
    assert_eq!(sketch(&index.body_structure()), "text/plain 16/2");
    assert_eq!(
        index.section(&[1], Section::Body),
        index.section(&[], Section::Text)
    );
    assert_eq!(
        index.section(&[1], Section::Mime),
        index.section(&[], Section::Header)
    );
    assert_eq!(index.section(&[1, 1], Section::Body), None);
}

#[test]
fn a_forwarded_message_alone() {
    let message = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody";
    let index = index(message);
    assert_eq!(
        sketch(&index.body_structure()),
        "message/rfc822 19/2{text/plain 4/0}"
    );
    assert_eq!(
        cut(message, index.section(&[1, 1], Section::Body)),
        Some("body")
    );
    assert_eq!(
        cut(message, index.section(&[1], Section::Header)),
        Some("Subject: in\r\n\r\n")
    );
}

#[test]
fn envelope_of_a_full_header() {
    let index = index(
        b"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\nFrom: Fred Foobar <foobar@blurdybloop.example>\r\n\
          Subject: =?utf-8?q?afternoon?=\r\n meeting\r\nTo: team: mooch@owatagu.example, \"B\" <b@x>;\r\n\
          To: second@x\r\nReply-To:\r\nMessage-Id: <B27397-0100000@blurdybloop.example>\r\n\
          In-Reply-To: <a@b> <c@d>\r\nBcc: \r\n\r\n",
    );
    let envelope = index.envelope();
    let fred = Address::Mailbox {
        name: Some(b"Fred Foobar".to_vec()),
        route: None,
        local_part: b"foobar".to_vec(),
        domain: b"blurdybloop.example".to_vec(),
    };
    assert_eq!(
        envelope.date.as_deref(),
        Some(&b"Mon, 7 Feb 1994 21:52:25 -0800 (PST)"[..])
    );
    assert_eq!(
        envelope.subject.as_deref(),
        Some(&b"=?utf-8?q?afternoon?= meeting"[..])
    );
    assert_eq!(envelope.from, [fred]);
    assert_eq!(envelope.sender, envelope.from);
    assert_eq!(envelope.reply_to, envelope.from);
    assert_eq!(envelope.to.len(), 5);
    assert_eq!(envelope.to[0], Address::Group(b"team".to_vec()));
    assert_eq!(envelope.to[3], Address::GroupEnd);
    assert_eq!(envelope.cc, []);
    assert_eq!(envelope.bcc, []);
    assert_eq!(envelope.in_reply_to.as_deref(), Some(&b"<a@b> <c@d>"[..]));
    assert_eq!(
        envelope.message_id.as_deref(),
        Some(&b"<B27397-0100000@blurdybloop.example>"[..])
    );
}

#[test]
fn an_absent_subject_is_not_an_empty_one() {
    assert_eq!(index(b"\r\n").envelope().subject, None);
    assert_eq!(
        index(b"Subject:\r\n\r\n").envelope().subject.as_deref(),
        Some(&b""[..])
    );
}

#[test]
fn body_structure_of_an_attachment() {
    let structure = index(
        b"Content-Type: image/PNG; name=\"a b.png\"\r\nContent-Transfer-Encoding: Base64 (x)\r\n\
          Content-ID: <id@x>\r\nContent-Description: a picture\r\nContent-MD5: Q2hlY2s=\r\n\
          Content-Disposition: attachment; filename*0*=utf-8''a%20; filename*1=b\r\n\
          Content-Language: en, (x) de\r\nContent-Location: http://x/\r\n\r\nAAAA\r\n",
    )
    .body_structure();
    assert!(structure.media.is("image", "png"));
    assert_eq!(structure.media.subtype, b"PNG");
    assert_eq!(structure.media.parameter("name"), Some(b"a b.png".to_vec()));
    assert_eq!(structure.encoding, b"Base64");
    assert_eq!(structure.id.as_deref(), Some(&b"<id@x>"[..]));
    assert_eq!(structure.description.as_deref(), Some(&b"a picture"[..]));
    assert_eq!(structure.md5.as_deref(), Some(&b"Q2hlY2s="[..]));
    let disposition = structure.disposition.unwrap();
    assert_eq!(disposition.kind, b"attachment");
    assert_eq!(disposition.parameters[0].name, b"filename*0*");
    assert_eq!(disposition.parameters[0].value, b"utf-8''a%20");
    assert_eq!(structure.language, [b"en".to_vec(), b"de".to_vec()]);
    assert_eq!(structure.location.as_deref(), Some(&b"http://x/"[..]));
    assert_eq!(structure.octets, 6);
    assert_eq!(structure.content, Content::Basic);
}

#[test]
fn defaults_of_rfc_2045_and_2046() {
    assert_eq!(sketch_of("\r\nx"), "text/plain 1/0");
    assert_eq!(
        sketch_of("Content-Type: garbage\r\n\r\nx"),
        "text/plain 1/0"
    );
    assert_eq!(
        sketch_of(
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\ny\r\n--b\r\nContent-Type: text/plain\r\n\r\nz\r\n--b--\r\n"
        ),
        "multipart/digest[message/rfc822 15/2{text/plain 1/0}, text/plain 1/0]"
    );
}

#[test]
fn broken_multiparts() {
    // No boundary, an empty one, no delimiter, only the last one: text, so that it can still be read.
    for head in ["", "; boundary=\"\"", "; boundary=\" \"", "; boundary=b"] {
        assert_eq!(
            sketch_of(&format!(
                "Content-Type: multipart/mixed{head}\r\n\r\n--x\r\nabc\r\n"
            )),
            "text/plain 10/2",
            "{head}"
        );
    }
    assert_eq!(
        sketch_of("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--\r\n"),
        "text/plain 7/1"
    );
    // The last boundary is missing.
    assert_eq!(
        sketch_of("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nabc\r\n"),
        "multipart/mixed[text/plain 5/1]"
    );
    // It is there, but the message is cut right after it.
    assert_eq!(
        sketch_of("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nabc\r\n--b--"),
        "multipart/mixed[text/plain 3/0]"
    );
    // A part that is header only, and one that is nothing.
    assert_eq!(
        sketch_of(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b\r\n--b\r\n--b--\r\n"
        ),
        "multipart/mixed[a/b 0, text/plain 0/0]"
    );
    // An outer delimiter ends inner parts that were never closed.
    assert_eq!(
        sketch_of(
            "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--a\r\n\r\ny\r\n--a--\r\n"
        ),
        "multipart/mixed[multipart/mixed[text/plain 1/0], text/plain 1/0]"
    );
}

#[test]
fn boundaries_that_begin_alike() {
    assert_eq!(
        sketch_of(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--bb--\r\n--bx\r\n--b \t\r\n\r\ny\r\n--b--\t\r\n--b\r\n"
        ),
        "multipart/mixed[multipart/mixed[text/plain 1/0], text/plain 1/0]"
    );
    // `--b--` closes b, unless a multipart with the boundary `b--` is open.
    assert_eq!(
        sketch_of(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=\"b--\"\r\n\r\n--b--\r\n\r\nx\r\n--b----\r\n--b\r\n\r\ny"
        ),
        "multipart/mixed[multipart/mixed[text/plain 1/0], text/plain 1/0]"
    );
    // The same boundary inside and outside: the innermost open one is meant.
    assert_eq!(
        sketch_of(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny\r\n--b--\r\n"
        ),
        "multipart/mixed[multipart/mixed[text/plain 1/0], text/plain 1/0]"
    );
}

#[test]
fn bare_line_feeds_give_the_same_structure() {
    let bare = NESTED.replace("\r\n", "\n");
    assert_eq!(
        sketch_of(&bare),
        "multipart/mixed[text/plain 3/0, message/rfc822 147/12{multipart/alternative[text/plain 5/0, text/html 8/1]}, \
         message/rfc822 19/2{text/plain 4/0}]"
    );
}

#[test]
fn odd_headers() {
    // No header; no body; neither.
    assert_eq!(index(b"").section(&[], Section::Header), Some(0..0));
    assert_eq!(index(b"").section(&[1], Section::Body), Some(0..0));
    let header_only = index(b"Subject: x\r\nTo: y");
    assert_eq!(header_only.section(&[], Section::Header), Some(0..17));
    assert_eq!(header_only.section(&[], Section::Text), Some(17..17));
    assert_eq!(header_only.envelope().to.len(), 1);
    // A mbox line, NUL, 8-bit, a CR inside a line.
    let odd = index(b"From me\nSub\0ject: no\nSubject: a\0\xff\rb\nTo : x@y\n\nbody");
    assert_eq!(odd.envelope().subject.as_deref(), Some(&b"a\xffb"[..]));
    assert_eq!(odd.envelope().to.len(), 1);
    assert_eq!(odd.section(&[], Section::Text), Some(46..50));
}

#[test]
fn an_encoded_message_is_not_looked_into() {
    assert_eq!(
        sketch_of("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA"),
        "application/octet-stream 4"
    );
}

#[test]
fn beyond_the_limits_is_one_opaque_part() {
    let limits = IndexLimits {
        parts: 3,
        ..IndexLimits::default()
    };
    let three = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n1\r\n--b\r\n\r\n2\r\n--b--\r\n";
    let two = three.replace("--b\r\n\r\n2\r\n", "");
    assert_eq!(
        sketch(&index_with(limits, two.as_bytes()).body_structure()),
        "multipart/mixed[text/plain 1/0]"
    );
    let cut = index_with(limits, three.as_bytes());
    assert_eq!(
        sketch(&cut.body_structure()),
        "multipart/mixed[text/plain 1/0, application/octet-stream 12]"
    );
    assert_eq!(cut.part(&[2]).unwrap().kind(), &Kind::Opaque);

    // A message inside takes no place that the rest of its multipart needs.
    let limits = IndexLimits {
        parts: 4,
        ..IndexLimits::default()
    };
    let digest = "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n\r\n1\r\n--b\r\n\r\n\r\n2\r\n--b\r\n\r\n\r\n3";
    assert_eq!(
        sketch(&index_with(limits, digest.as_bytes()).body_structure()),
        "multipart/digest[message/rfc822 3/1{text/plain 1/0}, application/octet-stream 17]"
    );

    let limits = IndexLimits {
        depth: 2,
        ..IndexLimits::default()
    };
    let deep = |levels: usize| {
        let mut message = String::new();
        for level in 0..levels {
            message +=
                &format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n");
        }
        message + "\r\nx"
    };
    assert_eq!(
        sketch(&index_with(limits, deep(1).as_bytes()).body_structure()),
        "multipart/mixed[text/plain 1/0]"
    );
    assert_eq!(
        sketch(&index_with(limits, deep(2).as_bytes()).body_structure()),
        "multipart/mixed[application/octet-stream 9]"
    );
    let message = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
    let nested = index(message.as_bytes());
    assert_eq!(nested.parts().len(), 50);
    assert_eq!(nested.parts().last().unwrap().kind(), &Kind::Opaque);
    // What the deepest limits yield can be read back.
    let deepest = IndexLimits {
        depth: usize::MAX,
        ..IndexLimits::default()
    };
    assert_eq!(
        index_with(deepest, message.as_bytes()).parts().len(),
        IndexLimits::MOST_DEPTH
    );
}

#[test]
fn what_is_kept_is_bounded() {
    let limits = IndexLimits {
        kept: 1_000,
        ..IndexLimits::default()
    };
    for field in [
        "To: a\r\n",
        "To:\r\n",
        "Content-ID: x\r\n",
        "X: y\r\n",
        "Subject: x\r\n x\r\n",
    ] {
        let mut message = field.repeat(50_000);
        message += "\r\nbody";
        let index = index_with(limits, message.as_bytes());
        assert!(index.to_bytes().len() < 2_000, "{field}");
        assert_eq!(index.part(&[]).unwrap().body().end, message.len() as u64);
        assert_eq!(
            index.part(&[]).unwrap().body().start,
            message.len() as u64 - 4
        );
    }
}

#[test]
fn an_index_of_the_largest_kind_stays_under_half_a_mebibyte() {
    let mut message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    for _ in 0..2_000 {
        message.extend_from_slice(b"--b\r\nContent-Type: text/plain; name=");
        message.extend_from_slice(&[b'x'; 1_000]);
        message.extend_from_slice(b"\r\nContent-ID: y\r\nContent-Description: z\r\n\r\nbody\r\n");
    }
    let index = index(&message);
    assert_eq!(index.parts().len(), 1_000);
    assert!(index.to_bytes().len() < 512 * 1024);
}

#[test]
fn stored_forms_that_are_refused() {
    let good = index(NESTED.as_bytes()).to_bytes();
    assert_eq!(Index::from_bytes(b""), Err(BadIndex::CutOff));
    assert_eq!(Index::from_bytes(&[2]), Err(BadIndex::Version(2)));
    for length in 1..good.len() {
        assert!(
            Index::from_bytes(&good[..length]).is_err(),
            "cut to {length}"
        );
    }
    let mut long = good.clone();
    long.push(0);
    assert_eq!(
        Index::from_bytes(&long),
        Err(BadIndex::Damaged("octets after the end"))
    );
    // version, octets = 4, a leaf of 5 octets
    assert_eq!(
        Index::from_bytes(&[1, 4, 0, 0, 0, 5, 0, 0]),
        Err(BadIndex::Damaged("a part goes past its parent"))
    );
    assert_eq!(
        Index::from_bytes(&[1, 4, 0, 0, 0, 3, 0, 0]),
        Err(BadIndex::Damaged("the message is not the whole"))
    );
    let deep: Vec<u8> = [1, 0]
        .into_iter()
        .chain([3, 0, 0, 0, 0, 0].repeat(100_000))
        .collect();
    assert_eq!(
        Index::from_bytes(&deep),
        Err(BadIndex::Damaged("parts are nested too deeply"))
    );
}
