//! [`FieldFilter`]: chooses header fields for HEADER.FIELDS and HEADER.FIELDS.NOT while the header streams by.

use super::fetch::SectionText;

/// A field name longer than this cannot be asked for: a command line would not hold it twice.
const LONGEST_NAME: usize = 1024;

/// Keeps the fields a section asks for, octet by octet as they are, and ends them with an empty line
/// (RFC 3501 §6.4.5). Where the split of the input lies makes no difference.
#[derive(Debug)]
pub struct FieldFilter<'a> {
    names: &'a [Vec<u8>],
    /// Whether a field with one of the names is kept, or one with none of them.
    keeps_named: bool,
    state: State,
    /// The last octet that was kept.
    last: Option<u8>,
}

#[derive(Debug)]
enum State {
    /// At the start of a line; what became of the field before.
    LineStart(Fate),
    /// Inside a field's name.
    Name(Vec<u8>),
    /// Inside a line whose fate is known.
    Line(Fate),
    /// After the empty line.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Dropped,
}

impl<'a> FieldFilter<'a> {
    /// A filter for this section; `None` where it is no selection of fields.
    #[must_use]
    pub fn new(text: &'a SectionText) -> Option<Self> {
        let (names, keeps_named) = match text {
            SectionText::HeaderFields(names) => (names, true),
            SectionText::HeaderFieldsNot(names) => (names, false),
            SectionText::Header | SectionText::Text | SectionText::Mime => return None,
        };
        Some(Self {
            names,
            keeps_named,
            state: State::LineStart(Fate::Dropped),
            last: None,
        })
    }

    /// Takes a piece of the header, answers what is kept of it.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut kept = Vec::new();
        for octet in piece {
            self.octet(*octet, &mut kept);
        }
        self.last = kept.last().copied().or(self.last);
        kept
    }

    /// Ends the header: what is still to be put out, the empty line among it.
    pub fn finish(mut self) -> Vec<u8> {
        let mut kept = Vec::new();
        if let State::Name(name) = std::mem::replace(&mut self.state, State::Over)
            && self.fate(&name) == Fate::Kept
        {
            kept.extend_from_slice(&name);
        }
        if kept
            .last()
            .copied()
            .or(self.last)
            .is_some_and(|last| last != b'\n')
        {
            kept.extend_from_slice(b"\r\n");
        }
        kept.extend_from_slice(b"\r\n");
        kept
    }

    fn octet(&mut self, octet: u8, kept: &mut Vec<u8>) {
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Over => State::Over,
            State::LineStart(fate) if matches!(octet, b' ' | b'\t') => {
                keep(fate, octet, kept);
                State::Line(fate)
            }
            State::LineStart(_) => self.name(Vec::new(), octet, kept),
            State::Name(name) => self.name(name, octet, kept),
            State::Line(fate) => {
                keep(fate, octet, kept);
                if octet == b'\n' {
                    State::LineStart(fate)
                } else {
                    State::Line(fate)
                }
            }
        };
    }

    fn name(&mut self, mut name: Vec<u8>, octet: u8, kept: &mut Vec<u8>) -> State {
        name.push(octet);
        if matches!(name.as_slice(), b"\n" | b"\r\n") {
            return State::Over;
        }
        if octet != b':' && octet != b'\n' && name.len() < LONGEST_NAME {
            return State::Name(name);
        }
        let fate = self.fate(&name);
        if fate == Fate::Kept {
            kept.extend_from_slice(&name);
        }
        if octet == b'\n' {
            State::LineStart(fate)
        } else {
            State::Line(fate)
        }
    }

    /// A line without a colon is no field: it has no name.
    fn fate(&self, line: &[u8]) -> Fate {
        let named = line.strip_suffix(b":").is_some_and(|name| {
            let name = name.trim_ascii_end();
            self.names
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(name))
        });
        if named == self.keeps_named {
            Fate::Kept
        } else {
            Fate::Dropped
        }
    }
}

fn keep(fate: Fate, octet: u8, kept: &mut Vec<u8>) {
    if fate == Fate::Kept {
        kept.push(octet);
    }
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
