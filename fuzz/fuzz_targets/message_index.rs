//! Any octets as a message, and as a stored index.
//!
//! Oracles: no panic; how the message is cut into pieces never matters; parts lie within their parents and in
//! order, and add up; limits hold; what is stored reads back; rubbish is refused or sound.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_proto::message::{Index, IndexLimits, Indexer, Kind, Section};

fn indexed<'a>(limits: IndexLimits, pieces: impl Iterator<Item = &'a [u8]>) -> Index {
    let mut indexer = Indexer::new(limits);
    pieces.for_each(|piece| indexer.push(piece));
    indexer.finish()
}

/// Checks the part at `at`; answers how many parts there are under it, itself included.
fn check(index: &Index, at: usize) -> usize {
    let part = &index.parts()[at];
    assert!(part.header().start <= part.header().end);
    assert!(part.body().start <= part.body().end);
    assert!(part.body().end <= index.octets());
    assert!(part.lines() <= part.body().end - part.body().start);
    match part.kind() {
        Kind::Leaf | Kind::Opaque => 1,
        Kind::Message(inside) => {
            assert!(index.parts()[*inside].header().start >= part.body().start);
            assert!(index.parts()[*inside].body().end <= part.body().end);
            1 + check(index, *inside)
        }
        Kind::Multipart(children) => {
            assert!(!children.is_empty());
            let mut from = part.body().start;
            let mut count = 1;
            for child in children {
                let inner = &index.parts()[*child];
                assert!(inner.header().start >= from);
                from = inner.body().end;
                count += check(index, *child);
            }
            assert!(from <= part.body().end);
            count
        }
    }
}

fn use_all(index: &Index) {
    assert_eq!(check(index, 0), index.parts().len());
    let _ = index.envelope();
    let _ = index.body_structure();
    assert_eq!(index.section(&[], Section::Body), Some(0..index.octets()));
    for number in 0..4 {
        for section in [Section::Body, Section::Header, Section::Text, Section::Mime] {
            if let Some(range) = index.section(&[number, 1], section) {
                assert!(range.start <= range.end && range.end <= index.octets());
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let small = IndexLimits {
        parts: 5,
        depth: 3,
        header: 100,
        kept: 100,
    };
    for limits in [IndexLimits::default(), small] {
        let index = indexed(limits, std::iter::once(data));
        assert_eq!(index.octets(), data.len() as u64);
        assert!(index.parts().len() <= limits.parts);
        use_all(&index);
        assert_eq!(index, indexed(limits, data.chunks(1 + data.len() % 7)));
        let stored = index.to_bytes();
        assert!(stored.len() <= 64 + limits.kept * 2 + limits.parts * 64);
        assert_eq!(Index::from_bytes(&stored).as_ref(), Ok(&index));
    }
    if let Ok(index) = Index::from_bytes(data) {
        use_all(&index);
        assert_eq!(index.to_bytes(), data);
    }
});
