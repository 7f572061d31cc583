//! Message text on the wire: dots doubled, an end mark, lines counted for TOP. See the
//! [module above](super) for what this does to a message's octets.

use crate::dots::DotEncoder;

/// Turns stored octets into what is sent, piece by piece.
#[derive(Debug, Clone)]
pub struct Stuffer {
    encoder: DotEncoder,
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
            encoder: DotEncoder::default(),
            cut: Cut::Never,
        }
    }

    /// For the header and the first `lines` lines of the body. A line ends in LF, with a CR before it or not.
    #[must_use]
    pub fn top(lines: u32) -> Self {
        Self {
            encoder: DotEncoder::default(),
            cut: Cut::Header {
                line: LineSoFar::Empty,
                lines,
            },
        }
    }

    /// Appends a piece of the message to `out`, at most twice its length and two octets.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Wanted {
        if matches!(self.cut, Cut::Never) {
            self.encoder.encode(piece, out);
            return Wanted::More;
        }
        for octet in piece {
            if matches!(self.cut, Cut::Body { lines: 0 }) {
                return Wanted::NoMore;
            }
            self.encoder.octet(*octet, out);
            self.count(*octet);
        }
        match self.cut {
            Cut::Body { lines: 0 } => Wanted::NoMore,
            _ => Wanted::More,
        }
    }

    /// Appends what ends the message: CRLF where it did not end in one, and the end mark.
    pub fn finish(self, out: &mut Vec<u8>) {
        self.encoder.finish(out);
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

    fn top(message: &str, lines: u32) -> String {
        stuffed(Stuffer::top(lines), message.as_bytes())
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
}
