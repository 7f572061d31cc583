//! [`Needle`]: a text that is looked for, without regard to case.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::encoded_word;

/// A text that is looked for, made ready once.
#[derive(Debug, Clone)]
pub struct Needle {
    matcher: Matcher,
    /// Octets of the text.
    length: usize,
    /// The text in lower case, in every script.
    folded: String,
}

#[derive(Debug, Clone)]
enum Matcher {
    /// An empty text is found in everything.
    Everything,
    Text(AhoCorasick),
    /// The text is larger than what can be looked for.
    Nothing,
}

impl Needle {
    /// Looks for this text; an empty one is found in everything.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let matcher = if text.is_empty() {
            Matcher::Everything
        } else {
            // Not as a DFA: that takes a KiB for each octet of the text.
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .kind(Some(AhoCorasickKind::ContiguousNFA))
                .build([text])
                .map_or(Matcher::Nothing, Matcher::Text)
        };
        Self {
            matcher,
            length: text.len(),
            folded: String::from_utf8_lossy(text).to_lowercase(),
        }
    }

    /// Whether the text stands in these octets, without regard to ASCII case.
    #[must_use]
    pub fn is_in(&self, octets: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Everything => true,
            Matcher::Text(matcher) => matcher.is_match(octets),
            Matcher::Nothing => false,
        }
    }

    /// Whether the text stands in an unfolded header value, as it is or as people read it (RFC 2047).
    #[must_use]
    pub fn is_in_header(&self, value: &[u8]) -> bool {
        self.is_in(value)
            || encoded_word::decode(value)
                .to_lowercase()
                .contains(&self.folded)
    }

    /// Looks for the text in what streams by.
    #[must_use]
    pub fn finder(&self) -> Finder<'_> {
        Finder {
            needle: self,
            tail: Vec::new(),
            found: self.length == 0,
        }
    }
}

/// Looks for one text in a stream. What was seen is kept only as far as the text could begin in it.
#[derive(Debug)]
pub struct Finder<'n> {
    needle: &'n Needle,
    /// The end of what was seen, an octet shorter than the text at most.
    tail: Vec<u8>,
    found: bool,
}

impl Finder<'_> {
    /// Takes a piece of the stream. Costs time in the length of the piece and of the text.
    pub fn push(&mut self, piece: &[u8]) {
        if self.found {
            return;
        }
        let most = self.needle.length.saturating_sub(1);
        let seam = self.tail.len();
        self.tail
            .extend_from_slice(piece.get(..most).unwrap_or(piece));
        self.found = (seam > 0 && self.needle.is_in(&self.tail)) || self.needle.is_in(piece);
        if piece.len() >= most {
            self.tail.clear();
            self.tail
                .extend_from_slice(piece.get(piece.len() - most..).unwrap_or_default());
        } else {
            let surplus = self.tail.len().saturating_sub(most);
            self.tail.drain(..surplus);
        }
    }

    /// Whether the text was seen.
    #[must_use]
    pub fn found(&self) -> bool {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_pieces(text: &str, needle: &Needle, size: usize) -> bool {
        let mut finder = needle.finder();
        for piece in text.as_bytes().chunks(size) {
            finder.push(piece);
        }
        finder.found()
    }

    #[test]
    fn cases_overlaps_and_splits() {
        for (text, wanted, found) in [
            ("Hello World", "o w", true),
            ("aababaab", "ABAAB", true),
            ("aaaab", "aab", true),
            ("abcabcabd", "abcabd", true),
            ("abc", "abcd", false),
            ("", "", true),
            ("", "a", false),
        ] {
            let needle = Needle::new(wanted.as_bytes());
            for size in 1..=4 {
                assert_eq!(
                    in_pieces(text, &needle, size),
                    found,
                    "{text} {wanted} {size}"
                );
            }
        }
    }

    #[test]
    fn agrees_with_a_plain_search_however_it_is_split() {
        // Every text of up to 6 and every pattern of up to 3 letters over an alphabet of two.
        let words = |most: u32| {
            (0..=most).flat_map(|length| {
                (0..1u32 << length).map(move |bits| {
                    (0..length)
                        .map(|at| if bits >> at & 1 == 1 { 'a' } else { 'b' })
                        .collect::<String>()
                })
            })
        };
        for wanted in words(3) {
            let needle = Needle::new(wanted.as_bytes());
            for text in words(6) {
                let found = text.contains(&wanted);
                assert_eq!(needle.is_in(text.as_bytes()), found);
                for size in 1..=3 {
                    assert_eq!(in_pieces(&text, &needle, size), found, "{text} {wanted}");
                }
            }
        }
    }

    #[test]
    fn headers_are_read_as_people_read_them() {
        let holds =
            |value: &str, text: &str| Needle::new(text.as_bytes()).is_in_header(value.as_bytes());
        assert!(holds("=?utf-8?q?GR=C3=9C=C3=9FE?=", "grüß"));
        assert!(holds("=?koi8-r?B?8NLJ18XU?=", "ПРИВЕТ"));
        assert!(holds("=?utf-8?q?x?=", "=?UTF-8"));
        assert!(!holds("=?utf-8?q?x?=", "y"));
    }
}
