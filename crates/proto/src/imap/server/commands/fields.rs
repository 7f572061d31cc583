//! [`FieldFilter`]: chooses header fields for HEADER.FIELDS and HEADER.FIELDS.NOT while the header streams by.

use super::fetch::SectionText;
use crate::message::{HeaderScanner, Scanned};

/// Which fields are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Those with one of the names.
    Named,
    /// Those with none of them.
    Others,
}

/// Keeps the fields a section asks for, octet by octet as they are, and ends them with an empty line
/// (RFC 3501 §6.4.5). Where the split of the input lies makes no difference.
#[derive(Debug)]
pub struct FieldFilter<'a> {
    names: &'a [Vec<u8>],
    wanted: Wanted,
    scanner: HeaderScanner,
    /// Whether the field that is being read is kept.
    is_kept: bool,
    /// The last octet that was kept.
    last: Option<u8>,
}

impl<'a> FieldFilter<'a> {
    /// A filter for this section; `None` where it is no selection of fields.
    #[must_use]
    pub fn new(text: &'a SectionText) -> Option<Self> {
        let (names, wanted) = match text {
            SectionText::HeaderFields(names) => (names, Wanted::Named),
            SectionText::HeaderFieldsNot(names) => (names, Wanted::Others),
            SectionText::Header | SectionText::Text | SectionText::Mime => return None,
        };
        Some(Self {
            names,
            wanted,
            scanner: HeaderScanner::default(),
            is_kept: false,
            last: None,
        })
    }

    /// Takes a piece of the header, answers what is kept of it.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut kept = Vec::new();
        for octet in piece {
            match self.scanner.push(*octet) {
                Scanned::Begins { name, held } => {
                    self.is_kept = is_named(self.names, name) == (self.wanted == Wanted::Named);
                    if self.is_kept {
                        kept.extend_from_slice(held);
                    }
                }
                Scanned::Inside if self.is_kept => kept.push(*octet),
                Scanned::Inside | Scanned::Held | Scanned::End(_) | Scanned::Over => {}
            }
        }
        self.last = kept.last().copied().or(self.last);
        kept
    }

    /// Ends the header: what is still to be sent, the empty line among it.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let held = self.scanner.held();
        let mut kept = Vec::new();
        if !held.is_empty() && self.wanted == Wanted::Others {
            kept.extend_from_slice(held);
        }
        let last = kept.last().copied().or(self.last);
        if last.is_some_and(|last| last != b'\n') {
            kept.extend_from_slice(b"\r\n");
        }
        kept.extend_from_slice(b"\r\n");
        kept
    }
}

/// Whether a field has one of the names. A line without a colon is no field: it has no name.
fn is_named(names: &[Vec<u8>], name: Option<&[u8]>) -> bool {
    name.is_some_and(|name| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &SectionText, header: &[u8], piece: usize) -> String {
        let mut filter = FieldFilter::new(text).unwrap();
        let mut kept = Vec::new();
        for piece in header.chunks(piece) {
            kept.extend(filter.push(piece));
        }
        kept.extend(filter.finish());
        String::from_utf8(kept).unwrap()
    }

    const HEADER: &[u8] =
        b"From: a\r\nSUBJECT : b\r\n folded\r\nX: y\r\nrubbish\r\nto:\r\n\r\nbody: x";

    #[test]
    fn chosen_fields() {
        let wanted = SectionText::HeaderFields(vec![b"subject".to_vec(), b"To".to_vec()]);
        assert_eq!(
            filter(&wanted, HEADER, 1_000),
            "SUBJECT : b\r\n folded\r\nto:\r\n\r\n"
        );
        let others = SectionText::HeaderFieldsNot(vec![b"subject".to_vec(), b"To".to_vec()]);
        assert_eq!(
            filter(&others, HEADER, 1_000),
            "From: a\r\nX: y\r\nrubbish\r\n\r\n"
        );
        let none = SectionText::HeaderFields(vec![b"Cc".to_vec()]);
        assert_eq!(filter(&none, HEADER, 1_000), "\r\n");
        assert_eq!(filter(&others, b"From: a", 1_000), "From: a\r\n\r\n");
        assert_eq!(filter(&others, b"", 1), "\r\n");
    }

    proptest::proptest! {
        #[test]
        fn splitting_changes_nothing_and_both_halves_make_the_whole(
            words in proptest::collection::vec(proptest::sample::select(
                vec!["a", ":", " ", "\r\n", "\n", "To", "\r"]), 0..60),
            piece in 1usize..9,
        ) {
            let header = words.concat().into_bytes();
            let names = vec![b"to".to_vec(), b"a".to_vec()];
            let mut total = 0;
            for text in [SectionText::HeaderFields(names.clone()), SectionText::HeaderFieldsNot(names)] {
                let whole = filter(&text, &header, 1_000);
                proptest::prop_assert_eq!(&whole, &filter(&text, &header, piece));
                total += whole.len();
            }
            proptest::prop_assert!(total <= header.len() + 8);
        }
    }
}
