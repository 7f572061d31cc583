//! Dot-stuffing, as POP3 and SMTP have it (RFC 1939 §3, RFC 5321 §4.5.2): a dot that begins a line is doubled, and
//! a line of one dot ends the content. Strict in what it reads: only CRLF `.` CRLF is the end, so that nobody behind
//! us sees another end than we did (SMTP smuggling).

/// Where in a line a stream of octets stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Behind CRLF, or at the very start.
    LineStart,
    /// Behind a CR.
    Cr,
    /// Behind a LF that no CR preceded: a line start only for careless readers.
    LooseStart,
    /// Behind a `.` that stands at such a start. It was not written yet.
    LooseDot,
    /// Anywhere else.
    Within,
}

/// Doubles dots and writes the end mark, piece by piece. Line ends other than CRLF pass as they are; a dot that a
/// careless reader would take for the end mark between them is doubled too.
#[derive(Debug, Clone, Copy)]
pub struct DotEncoder {
    at: At,
}

impl Default for DotEncoder {
    fn default() -> Self {
        Self { at: At::LineStart }
    }
}

impl DotEncoder {
    /// Appends a piece of content to `out`, at most twice its length and two octets.
    pub fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some((&octet, behind)) = rest.split_first() {
            if self.at == At::Within {
                // The common case: everything up to the next line end at once.
                let length = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                if let Some((plain, line_end)) = rest.split_at_checked(length)
                    && length > 0
                {
                    out.extend_from_slice(plain);
                    rest = line_end;
                    continue;
                }
            }
            self.octet(octet, out);
            rest = behind;
        }
    }

    /// Appends one octet of content to `out`.
    pub fn octet(&mut self, octet: u8, out: &mut Vec<u8>) {
        if self.at == At::LooseDot {
            self.release_dot(octet, out);
        }
        self.at = match (self.at, octet) {
            (At::LineStart, b'.') => {
                out.push(b'.');
                At::Within
            }
            (At::LooseStart, b'.') => {
                self.at = At::LooseDot;
                return;
            }
            // A CR that no LF follows is a line end for careless readers, too.
            (At::Cr, b'.') => {
                self.at = At::LooseDot;
                return;
            }
            (At::Cr, b'\n') => At::LineStart,
            (_, b'\r') => At::Cr,
            (_, b'\n') => At::LooseStart,
            _ => At::Within,
        };
        out.push(octet);
    }

    /// Writes a held dot: doubled where it would stand alone for a careless reader.
    fn release_dot(&mut self, next: u8, out: &mut Vec<u8>) {
        if matches!(next, b'\r' | b'\n') {
            out.push(b'.');
        }
        out.push(b'.');
        self.at = At::Within;
    }

    /// Appends what ends the content: CRLF where it did not end in one, and the end mark.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if self.at == At::LooseDot {
            self.release_dot(b'\r', out);
        }
        if self.at != At::LineStart {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

/// Undoes dot-stuffing and finds the end mark. Sees octets, never whole lines.
#[derive(Debug, Clone, Copy)]
pub struct DotDecoder {
    state: Dots,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dots {
    LineStart,
    Inside,
    AfterCr,
    /// A dot began the line and is held back.
    Dot,
    /// Dot, CR: the end if an LF follows.
    DotCr,
    Ended,
}

impl Default for DotDecoder {
    fn default() -> Self {
        Self {
            state: Dots::LineStart,
        }
    }
}

impl DotDecoder {
    /// Decodes `input` into `out` and answers how many octets were used: all, unless the end mark was read. `out`
    /// never grows by more than the input and two octets held back before.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        if self.state == Dots::Ended {
            return 0;
        }
        let mut at = 0;
        while let Some(&octet) = input.get(at) {
            if self.state == Dots::Inside {
                // The common case: everything up to the next CR at once.
                let rest = input.get(at..).unwrap_or_default();
                let length = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
                if length > 0 {
                    out.extend_from_slice(rest.get(..length).unwrap_or_default());
                    at += length;
                    continue;
                }
            }
            at += 1;
            self.state = match (self.state, octet) {
                (Dots::LineStart, b'.') => Dots::Dot,
                (Dots::Dot, b'\r') => Dots::DotCr,
                (Dots::DotCr, b'\n') => {
                    self.state = Dots::Ended;
                    return at;
                }
                (Dots::DotCr, octet) => {
                    // Not the end after all. The dot was stuffing; the CR stands on its own.
                    out.push(b'\r');
                    out.push(octet);
                    after(octet, Dots::DotCr)
                }
                (state, octet) => {
                    out.push(octet);
                    after(octet, state)
                }
            };
        }
        at
    }

    /// Whether the end mark was read.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.state == Dots::Ended
    }
}

fn after(octet: u8, before: Dots) -> Dots {
    match (before, octet) {
        (_, b'\r') => Dots::AfterCr,
        (Dots::AfterCr, b'\n') => Dots::LineStart,
        _ => Dots::Inside,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes input cut at `cuts`; answers the content and how much of the input was used, if it ended.
    fn decode(input: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<usize>) {
        let mut decoder = DotDecoder::default();
        let mut out = Vec::new();
        let mut used = 0;
        let mut cuts = cuts.iter();
        while used < input.len() {
            let length = cuts
                .next()
                .map_or(input.len(), |&cut| cut)
                .min(input.len() - used)
                .max(1);
            used += decoder.decode(&input[used..used + length], &mut out);
            if decoder.ended() {
                return (out, Some(used));
            }
        }
        (out, None)
    }

    #[test]
    fn dots() {
        assert_eq!(decode(b".\r\nQUIT", &[]), (b"".to_vec(), Some(3)));
        assert_eq!(
            decode(b"a\r\n..\r\n.\r\n", &[]),
            (b"a\r\n.\r\n".to_vec(), Some(10))
        );
        assert_eq!(decode(b".a\r\n.\r\n", &[]), (b"a\r\n".to_vec(), Some(7)));
    }

    #[test]
    fn nothing_but_crlf_dot_crlf_is_the_end() {
        for inner in [
            b"a\n.\n".as_slice(),
            b"a\n.\r\n",
            b"a\r.\r",
            b"a\r\n.\n",
            b"a\r\n.\r",
            b"a\r\n\0.\r\n",
            b"a\n\n.\n\n",
            b"a\r\n.\rx",
            b"a\r\r\n.x\r\n",
        ] {
            let input = [inner, b"MAIL FROM:<x@example.org>\r\n\r\n.\r\n"].concat();
            let (_, used) = decode(&input, &[]);
            assert_eq!(used, Some(input.len()), "{}", inner.escape_ascii());
        }
    }

    fn encoded(message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = DotEncoder::default();
        encoder.encode(message, &mut out);
        encoder.finish(&mut out);
        out
    }

    fn whole(message: &str) -> String {
        String::from_utf8(encoded(message.as_bytes())).unwrap()
    }

    #[test]
    fn dots_at_line_starts_are_doubled() {
        assert_eq!(whole(""), ".\r\n");
        assert_eq!(whole("a\r\n"), "a\r\n.\r\n");
        assert_eq!(
            whole(".\r\n..\r\na.b\r\n.c\r\n"),
            "..\r\n...\r\na.b\r\n..c\r\n.\r\n"
        );
    }

    #[test]
    fn a_missing_last_line_end_is_added() {
        assert_eq!(whole("a"), "a\r\n.\r\n");
        assert_eq!(whole("a\n"), "a\n\r\n.\r\n");
        assert_eq!(whole("a\r"), "a\r\r\n.\r\n");
        assert_eq!(whole("."), "..\r\n.\r\n");
    }

    #[test]
    fn bare_line_ends_pass_and_a_lone_dot_between_them_is_doubled() {
        assert_eq!(whole("a\nb\rc\r\n"), "a\nb\rc\r\n.\r\n");
        assert_eq!(whole("a\n.b\n..\r\n"), "a\n.b\n..\r\n.\r\n");
        assert_eq!(whole("a\n.\n+OK\r\n"), "a\n..\n+OK\r\n.\r\n");
        assert_eq!(whole("a\n.\r\n+OK\r\n"), "a\n..\r\n+OK\r\n.\r\n");
        assert_eq!(whole("a\r.\r\n+OK\r\n"), "a\r..\r\n+OK\r\n.\r\n");
        assert_eq!(whole("a\n."), "a\n..\r\n.\r\n");
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"ab.\r\n\0\xff".to_vec()), 0..60)
    }

    proptest! {
        #[test]
        fn splitting_changes_nothing(input in octets(), cuts in prop::collection::vec(1usize..6, 0..80)) {
            prop_assert_eq!(decode(&input, &cuts), decode(&input, &[]));
            let mut encoder = DotEncoder::default();
            let mut out = Vec::new();
            let mut rest = input.as_slice();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                encoder.encode(piece, &mut out);
                rest = tail;
            }
            encoder.encode(rest, &mut out);
            encoder.finish(&mut out);
            prop_assert_eq!(out, encoded(&input));
        }

        #[test]
        fn a_strict_reader_gets_the_message_back(message in octets(), cuts in prop::collection::vec(1usize..6, 0..80)) {
            let mut wire = encoded(&message);
            let length = wire.len();
            wire.extend_from_slice(b"+OK");
            let mut expected = lone_dots_doubled(&message);
            if !expected.is_empty() && !expected.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(decode(&wire, &cuts), (expected, Some(length)));
        }

        #[test]
        fn no_reader_sees_the_end_too_early(message in octets()) {
            let wire = encoded(&message);
            let body = &wire[..wire.len() - 3];
            // A careless reader parts lines at LF and takes off one CR; another takes CR for a line end as well.
            for line in body.split(|octet| *octet == b'\n') {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                prop_assert!(line != b".");
            }
            for line in body.split(|octet| matches!(octet, b'\r' | b'\n')) {
                prop_assert!(line != b".");
            }
        }
    }

    /// The one exception, written down anew: a lone dot between line ends of which the first is no CRLF.
    fn lone_dots_doubled(message: &[u8]) -> Vec<u8> {
        let mut doubled = Vec::new();
        for (at, octet) in message.iter().enumerate() {
            let before = &message[..at];
            let loose =
                (before.ends_with(b"\n") || before.ends_with(b"\r")) && !before.ends_with(b"\r\n");
            let ends = matches!(message.get(at + 1), None | Some(b'\r' | b'\n'));
            if *octet == b'.' && loose && ends {
                doubled.push(b'.');
            }
            doubled.push(*octet);
        }
        doubled
    }
}
