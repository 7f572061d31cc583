//! [`Finder`]: looks for a text in a stream, without regard to ASCII case.

/// Looks for one text. What was seen is kept only as far as the text could begin in it.
#[derive(Debug)]
pub(super) struct Finder {
    wanted: Vec<u8>,
    /// For each prefix of `wanted`, the length of its longest proper prefix that is also its suffix.
    fallback: Vec<usize>,
    /// Octets of `wanted` that the end of what was seen matches.
    matched: usize,
    found: bool,
}

impl Finder {
    /// Looks for this text; an empty one is found in everything.
    pub(super) fn new(wanted: &[u8]) -> Self {
        let wanted = wanted.to_ascii_lowercase();
        let mut fallback = vec![0; wanted.len()];
        let mut length = 0;
        for (at, octet) in wanted.iter().enumerate().skip(1) {
            while length > 0 && wanted.get(length) != Some(octet) {
                length = prefix(&fallback, length);
            }
            if wanted.get(length) == Some(octet) {
                length += 1;
            }
            if let Some(slot) = fallback.get_mut(at) {
                *slot = length;
            }
        }
        Self {
            found: wanted.is_empty(),
            wanted,
            fallback,
            matched: 0,
        }
    }

    /// Takes a piece of the stream. Costs time in its length alone, whatever is looked for.
    pub(super) fn push(&mut self, piece: &[u8]) {
        if self.found {
            return;
        }
        for octet in piece {
            let octet = octet.to_ascii_lowercase();
            while self.matched > 0 && self.wanted.get(self.matched) != Some(&octet) {
                self.matched = prefix(&self.fallback, self.matched);
            }
            if self.wanted.get(self.matched) == Some(&octet) {
                self.matched += 1;
            }
            if self.matched == self.wanted.len() {
                self.found = true;
                return;
            }
        }
    }

    /// Whether the text was seen.
    pub(super) fn found(&self) -> bool {
        self.found
    }
}

fn prefix(fallback: &[usize], length: usize) -> usize {
    length
        .checked_sub(1)
        .and_then(|at| fallback.get(at))
        .copied()
        .unwrap_or(0)
}

/// Whether a text lies in octets held in memory.
pub(super) fn contains(octets: &[u8], wanted: &[u8]) -> bool {
    let mut finder = Finder::new(wanted);
    finder.push(octets);
    finder.found()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            for size in 1..=4 {
                let mut finder = Finder::new(wanted.as_bytes());
                for piece in text.as_bytes().chunks(size) {
                    finder.push(piece);
                }
                assert_eq!(finder.found(), found, "{text} {wanted} {size}");
            }
        }
    }

    #[test]
    fn agrees_with_a_plain_search() {
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
        for text in words(6) {
            for wanted in words(3) {
                assert_eq!(
                    contains(text.as_bytes(), wanted.as_bytes()),
                    text.contains(&wanted)
                );
            }
        }
    }
}
