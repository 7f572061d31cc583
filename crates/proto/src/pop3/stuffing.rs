//! Message text on the wire: dots doubled, an end mark, lines counted for TOP; and the way back. See the
//! [module above](super) for what this does to a message's octets.

/// Where in a line a stream of octets stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Behind CRLF, or at the very start.
    LineStart,
    /// Behind a CR.
    Cr,
    /// Behind a LF that no CR preceded: a line start only for careless readers.
    LooseStart,
    /// Behind a `.` that stands at such a start. It was not put out yet.
    LooseDot,
    /// Anywhere else.
    Within,
}

/// Turns stored octets into what is sent, piece by piece.
#[derive(Debug, Clone)]
pub struct Stuffer {
    at: At,
    cut: Cut,
}

/// Whether more of the message is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The next piece, if there is one.
    More,
    /// No more: TOP has its lines.
    NoMore,
}

/// How far TOP has come (RFC 1939 §7): the header, the empty line, and so many lines.
#[derive(Debug, Clone, Copy)]
enum Cut {
    /// RETR: all of it.
    Never,
    /// In the header. Holds whether the line so far is empty, and the lines wanted behind the header.
    Header { line: LineSoFar, lines: u32 },
    /// In the body; so many lines to go.
    Body { lines: u32 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LineSoFar {
    Empty,
    Filled,
}

impl Stuffer {
    /// For a whole message.
    #[must_use]
    pub fn whole() -> Self {
        Self {
            at: At::LineStart,
            cut: Cut::Never,
        }
    }

    /// For the header and the first `lines` lines of the body. A line ends in LF, with a CR before it or not.
    #[must_use]
    pub fn top(lines: u32) -> Self {
        Self {
            at: At::LineStart,
            cut: Cut::Header {
                line: LineSoFar::Empty,
                lines,
            },
        }
    }

    /// Appends a piece of the message to `out`, at most twice its length and two octets.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Wanted {
        for octet in piece {
            if matches!(self.cut, Cut::Body { lines: 0 }) {
                return Wanted::NoMore;
            }
            self.octet(*octet, out);
            self.count(*octet);
        }
        match self.cut {
            Cut::Body { lines: 0 } => Wanted::NoMore,
            _ => Wanted::More,
        }
    }

    /// Appends what ends the message: CRLF where it did not end in one, and the end mark.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if self.at == At::LooseDot {
            self.release_dot(b'\r', out);
        }
        if self.at != At::LineStart {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }

    fn octet(&mut self, octet: u8, out: &mut Vec<u8>) {
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

    /// Puts out a held dot: doubled where it would stand alone for a careless reader.
    fn release_dot(&mut self, next: u8, out: &mut Vec<u8>) {
        if matches!(next, b'\r' | b'\n') {
            out.push(b'.');
        }
        out.push(b'.');
        self.at = At::Within;
    }

    fn count(&mut self, octet: u8) {
        self.cut = match (self.cut, octet) {
            (Cut::Never, _) => Cut::Never,
            (
                Cut::Header {
                    line: LineSoFar::Empty,
                    lines,
                },
                b'\n',
            ) => Cut::Body { lines },
            (Cut::Header { lines, .. }, b'\n') => Cut::Header {
                line: LineSoFar::Empty,
                lines,
            },
            (Cut::Header { line, lines }, b'\r') => Cut::Header { line, lines },
            (Cut::Header { lines, .. }, _) => Cut::Header {
                line: LineSoFar::Filled,
                lines,
            },
            (Cut::Body { lines }, b'\n') => Cut::Body {
                lines: lines.saturating_sub(1),
            },
            (Cut::Body { lines }, _) => Cut::Body { lines },
        };
    }
}

/// Turns what was sent back into the message, strictly: only CRLF ends a line.
#[derive(Debug, Clone, Copy)]
pub struct Unstuffer {
    state: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    LineStart,
    /// Behind the first `.` of a line.
    Dot,
    /// Behind `.` CR at the start of a line.
    DotCr,
    Within,
    Cr,
    Ended,
}

impl Default for Unstuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl Unstuffer {
    /// At the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Reading::LineStart,
        }
    }

    /// Appends to `message` what `bytes` hold of it, and answers how many of them were used: all, unless the
    /// message ended.
    pub fn push(&mut self, bytes: &[u8], message: &mut Vec<u8>) -> usize {
        for (used, octet) in bytes.iter().enumerate() {
            if self.state == Reading::Ended {
                return used;
            }
            self.octet(*octet, message);
        }
        bytes.len()
    }

    /// Whether the end mark was read.
    #[must_use]
    pub fn tls_end(&self) -> bool {
        self.state == Reading::Ended
    }

    fn octet(&mut self, octet: u8, message: &mut Vec<u8>) {
        self.state = match (self.state, octet) {
            (Reading::LineStart, b'.') => Reading::Dot,
            (Reading::Dot, b'\r') => Reading::DotCr,
            (Reading::DotCr, b'\n') => Reading::Ended,
            (Reading::DotCr, _) => {
                message.push(b'\r');
                self.plain(octet, message)
            }
            (Reading::Cr, b'\n') => {
                message.push(b'\n');
                Reading::LineStart
            }
            _ => self.plain(octet, message),
        };
    }

    fn plain(&self, octet: u8, message: &mut Vec<u8>) -> Reading {
        message.push(octet);
        if octet == b'\r' {
            Reading::Cr
        } else {
            Reading::Within
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stuffed(mut stuffer: Stuffer, message: &[u8]) -> String {
        let mut out = Vec::new();
        stuffer.push(message, &mut out);
        stuffer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn whole(message: &str) -> String {
        stuffed(Stuffer::whole(), message.as_bytes())
    }

    fn top(message: &str, lines: u32) -> String {
        stuffed(Stuffer::top(lines), message.as_bytes())
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

    #[test]
    fn top_ends_behind_its_lines() {
        let message = "A: 1\r\nB: 2\r\n\r\none\r\n.two\r\nthree";
        assert_eq!(top(message, 0), "A: 1\r\nB: 2\r\n\r\n.\r\n");
        assert_eq!(top(message, 1), "A: 1\r\nB: 2\r\n\r\none\r\n.\r\n");
        assert_eq!(top(message, 2), "A: 1\r\nB: 2\r\n\r\none\r\n..two\r\n.\r\n");
        assert_eq!(
            top(message, 9),
            "A: 1\r\nB: 2\r\n\r\none\r\n..two\r\nthree\r\n.\r\n"
        );
        assert_eq!(top("A: 1\n\none\ntwo\n", 1), "A: 1\n\none\n\r\n.\r\n");
        assert_eq!(top("A: 1", 5), "A: 1\r\n.\r\n");
        let mut out = Vec::new();
        assert_eq!(
            Stuffer::top(0).push(b"A: 1\r\n\r\n", &mut out),
            Wanted::NoMore
        );
        assert_eq!(
            Stuffer::top(1).push(b"A: 1\r\n\r\n", &mut out),
            Wanted::More
        );
    }

    fn octets() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(prop::sample::select(b"ab.\r\n\0\xff".to_vec()), 0..60)
    }

    proptest! {
        #[test]
        fn a_strict_reader_gets_the_message_back(message in octets(), cut in 0usize..60) {
            let (one, two) = message.split_at(cut.min(message.len()));
            let mut stuffer = Stuffer::whole();
            let mut wire = Vec::new();
            stuffer.push(one, &mut wire);
            stuffer.push(two, &mut wire);
            stuffer.finish(&mut wire);
            wire.extend_from_slice(b"+OK");

            let mut unstuffer = Unstuffer::new();
            let mut back = Vec::new();
            let used = unstuffer.push(&wire, &mut back);
            prop_assert!(unstuffer.tls_end());
            prop_assert_eq!(&wire[used..], b"+OK");

            let mut expected = lone_dots_doubled(&message);
            if !expected.is_empty() && !expected.ends_with(b"\r\n") {
                expected.extend_from_slice(b"\r\n");
            }
            prop_assert_eq!(back, expected);
        }

        #[test]
        fn no_reader_sees_the_end_too_early(message in octets()) {
            let mut wire = Vec::new();
            let mut stuffer = Stuffer::whole();
            stuffer.push(&message, &mut wire);
            stuffer.finish(&mut wire);
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

        #[test]
        fn splitting_input_changes_nothing(
            message in octets(),
            lines in prop::option::of(0u32..4),
            cuts in prop::collection::vec(1usize..6, 0..40),
        ) {
            let stuffer = lines.map_or_else(Stuffer::whole, Stuffer::top);
            let mut together = Vec::new();
            let mut at_once = stuffer.clone();
            at_once.push(&message, &mut together);
            at_once.finish(&mut together);

            let mut apart = Vec::new();
            let mut in_pieces = stuffer;
            let mut rest = message.as_slice();
            let mut cuts = cuts.into_iter();
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                rest = tail;
                if in_pieces.push(piece, &mut apart) == Wanted::NoMore {
                    break;
                }
            }
            in_pieces.finish(&mut apart);
            prop_assert_eq!(together, apart);
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
