//! Header fields (RFC 5322 §2.2): the one place that knows where a field begins, what it is called, how it is
//! folded and where the header ends, for headers in memory and for those that stream by.
//!
//! Lenient as real mail needs it: lines may end in LF alone, blanks may stand before the colon (RFC 5322 §4.5),
//! and a line that is neither field nor continuation is a line of its own, without a name.

use super::lexer::{is_blank, trim_blanks, trim_end_blanks};

/// The longest beginning of a line in which a colon is looked for.
const LONGEST_NAME: usize = 1024;

/// What a line of a header is. Without its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// It goes on with the field before.
    Continuation(&'a [u8]),
    /// A field begins.
    Field { name: &'a [u8], value: &'a [u8] },
    /// Neither.
    Nameless,
}

impl<'a> Line<'a> {
    pub(super) fn read(line: &'a [u8]) -> Self {
        if line.first().copied().is_some_and(is_blank) {
            return Self::Continuation(line);
        }
        match memchr::memchr(b':', line).and_then(|colon| line.split_at_checked(colon)) {
            Some((name, value)) => Self::Field {
                name: trim_end_blanks(name),
                value: value.get(1..).unwrap_or_default(),
            },
            None => Self::Nameless,
        }
    }
}

/// The fields of a header in memory, each with its name and its unfolded value without blanks around it. Ends at
/// the empty line.
pub fn fields(header: &[u8]) -> impl Iterator<Item = (&[u8], Vec<u8>)> {
    let mut lines = header
        .split(|octet| *octet == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .take_while(|line| !line.is_empty())
        .map(Line::read)
        .peekable();
    std::iter::from_fn(move || {
        loop {
            if let Line::Field { name, value } = lines.next()? {
                let mut whole = value.to_vec();
                while let Some(Line::Continuation(more)) =
                    lines.next_if(|line| matches!(line, Line::Continuation(_)))
                {
                    whole.extend_from_slice(more);
                }
                return Some((name, trim_blanks(&whole).to_vec()));
            }
        }
    })
}

/// Follows a header octet by octet. The split of the input makes no difference.
#[derive(Debug, Default)]
pub struct HeaderScanner {
    state: State,
    /// The octets of this line while it is not known what it is.
    held: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    LineStart,
    /// What this line is shows later.
    Undecided,
    /// In a line that is known.
    Inside,
    /// Behind the empty line.
    Over,
}

/// What an octet has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scanned<'a> {
    /// Nothing yet; the octet is held.
    Held,
    /// A line begins that is a field of this name, or has none. These octets were held, this one among them.
    Begins {
        /// The field's name, as it is written.
        name: Option<&'a [u8]>,
        /// The line so far.
        held: &'a [u8],
    },
    /// The octet belongs to the field, or nameless line, that began last.
    Inside,
    /// The empty line is complete, and with it the header. These octets are it.
    End(&'a [u8]),
    /// The header ended before.
    Over,
}

impl HeaderScanner {
    /// Takes an octet.
    pub fn push(&mut self, octet: u8) -> Scanned<'_> {
        match self.state {
            State::Over => return Scanned::Over,
            State::Inside => {
                if octet == b'\n' {
                    self.state = State::LineStart;
                }
                return Scanned::Inside;
            }
            State::LineStart => {
                self.held.clear();
                self.state = State::Undecided;
                if is_blank(octet) {
                    self.state = State::Inside;
                    return Scanned::Inside;
                }
            }
            State::Undecided => {}
        }
        self.held.push(octet);
        match octet {
            b'\n' if matches!(self.held.as_slice(), b"\n" | b"\r\n") => {
                self.state = State::Over;
                return Scanned::End(&self.held);
            }
            b'\n' => self.state = State::LineStart,
            b':' => self.state = State::Inside,
            _ if self.held.len() >= LONGEST_NAME => self.state = State::Inside,
            _ => return Scanned::Held,
        }
        Scanned::Begins {
            name: self.held.strip_suffix(b":").map(trim_end_blanks),
            held: &self.held,
        }
    }

    /// What is held when the input is over: the beginning of a line that never showed what it is.
    #[must_use]
    pub fn held(&self) -> &[u8] {
        match self.state {
            State::Undecided => &self.held,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(header: &str) -> Vec<(String, String)> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        fields(header.as_bytes())
            .map(|(name, value)| (text(name), text(&value)))
            .collect()
    }

    #[test]
    fn fields_in_memory() {
        let found = list(
            "From nobody\r\n stray\r\nSUBJECT : b\r\n folded \nX:\r\nrubbish\r\n\tmore\r\nTo: c\r\n\r\nBody: x",
        );
        let expected = [("SUBJECT", "b folded"), ("X", ""), ("To", "c")];
        assert_eq!(
            found,
            expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
        );
        assert_eq!(list("a:b").len(), 1);
        assert!(list("").is_empty());
    }

    #[test]
    fn a_name_is_not_looked_for_for_ever() {
        let mut scanner = HeaderScanner::default();
        for _ in 1..LONGEST_NAME {
            assert_eq!(scanner.push(b'x'), Scanned::Held);
        }
        assert!(matches!(
            scanner.push(b'x'),
            Scanned::Begins { name: None, .. }
        ));
        assert_eq!(scanner.push(b':'), Scanned::Inside);
    }

    proptest! {
        /// What streams by and what lies in memory hold the same fields.
        #[test]
        fn both_ways_see_the_same(
            words in proptest::collection::vec(
                proptest::sample::select(vec!["a", ":", " ", "\r\n", "\n", "To", "\t"]), 0..60),
        ) {
            let header = words.concat();
            let mut scanner = HeaderScanner::default();
            let mut names = Vec::new();
            let mut seen = Vec::new();
            for octet in header.bytes() {
                match scanner.push(octet) {
                    Scanned::Held => {}
                    Scanned::Begins { name, held } => {
                        names.extend(name.map(<[u8]>::to_vec));
                        seen.extend_from_slice(held);
                    }
                    Scanned::Inside => seen.push(octet),
                    Scanned::End(line) => seen.extend_from_slice(line),
                    Scanned::Over => break,
                }
            }
            seen.extend_from_slice(scanner.held());
            prop_assert!(header.as_bytes().starts_with(&seen));
            let in_memory: Vec<_> = fields(header.as_bytes()).map(|(name, _)| name.to_vec()).collect();
            prop_assert_eq!(names, in_memory);
        }
    }
}
