//! Message content on its way in: DATA with its dots (RFC 5321 §4.5.2) and BDAT chunks (RFC 3030), in pieces.
//!
//! Only CRLF `.` CRLF ends DATA. A message with a CR or LF on its own, or a NUL, is read to its real end and
//! refused: no server behind us gets the chance to see another end in it than we did (SMTP smuggling).

/// What is wrong with content that was read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A CR or LF on its own, or a NUL.
    BareLineEnd,
    /// Over the limit.
    TooLarge,
}

/// Checks content for what no line of text may hold, and counts it. Line ends may be split between pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Checker {
    octets: u64,
    seen: Seen,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Seen {
    #[default]
    Text,
    /// A CR, so far without its LF.
    Cr,
    /// What may not be; for good.
    Bare,
}

impl Checker {
    /// Octets seen.
    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Takes the next piece.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.octets = self.octets.saturating_add(piece.len() as u64);
        let mut rest = piece;
        if self.seen == Seen::Cr
            && let Some((first, behind)) = piece.split_first()
        {
            self.seen = if *first == b'\n' {
                Seen::Text
            } else {
                Seen::Bare
            };
            rest = behind;
        }
        while self.seen == Seen::Text
            && let Some(at) = memchr::memchr3(b'\r', b'\n', 0, rest)
        {
            self.seen = match (rest.get(at), rest.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => Seen::Text,
                (Some(b'\r'), None) => Seen::Cr,
                _ => Seen::Bare,
            };
            rest = rest.get(at + 2..).unwrap_or_default();
        }
    }

    /// What is wrong now that nothing more comes, with this limit in octets.
    pub(super) fn finish(&self, limit: u64) -> Result<(), Fault> {
        if self.octets > limit {
            return Err(Fault::TooLarge);
        }
        if self.seen != Seen::Text {
            return Err(Fault::BareLineEnd);
        }
        Ok(())
    }
}

/// Undoes dot-stuffing and finds the end of DATA. Sees octets, never whole lines.
#[derive(Debug, Clone)]
pub(super) struct DotDecoder {
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
}

/// What one call of [`DotDecoder::decode`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Octets of input that are used up.
    pub(super) consumed: usize,
    pub(super) state: DecodeState,
}

/// Whether DATA is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodeState {
    More,
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
    /// Decodes `input` into `out`, stopping at the end of DATA. `out` never grows by more than the input
    /// and two octets held back before.
    pub(super) fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Decoded {
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
                    return Decoded {
                        consumed: at,
                        state: DecodeState::Ended,
                    };
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
        Decoded {
            consumed: at,
            state: DecodeState::More,
        }
    }
}

fn after(octet: u8, before: Dots) -> Dots {
    match (before, octet) {
        (_, b'\r') => Dots::AfterCr,
        (Dots::AfterCr, b'\n') => Dots::LineStart,
        _ => Dots::Inside,
    }
}

/// Does dot-stuffing. Content given to it has CRLF line ends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum DotEncoder {
    #[default]
    LineStart,
    Inside,
    AfterCr,
}

impl DotEncoder {
    /// Encodes a piece into `out`, which at most doubles its length.
    pub(super) fn encode(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        for &octet in piece {
            if matches!(self, Self::LineStart) && octet == b'.' {
                out.push(b'.');
            }
            out.push(octet);
            *self = match (&self, octet) {
                (_, b'\r') => Self::AfterCr,
                (Self::AfterCr, b'\n') => Self::LineStart,
                _ => Self::Inside,
            };
        }
    }

    /// Ends the content: with a CRLF where its last line has none, then the final dot.
    pub(super) fn finish(self, out: &mut Vec<u8>) {
        if !matches!(self, Self::LineStart) {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
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
            let decoded = decoder.decode(&input[used..used + length], &mut out);
            used += decoded.consumed;
            if decoded.state == DecodeState::Ended {
                return (out, Some(used));
            }
        }
        (out, None)
    }

    fn faults(input: &[u8]) -> Result<(), Fault> {
        let mut checker = Checker::default();
        checker.push(input);
        checker.finish(u64::MAX)
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
    fn nothing_but_crlf_dot_crlf_ends_data() {
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
            let mut input = inner.to_vec();
            input.extend_from_slice(b"MAIL FROM:<x@example.org>\r\n\r\n.\r\n");
            let (content, used) = decode(&input, &[]);
            assert_eq!(used, Some(input.len()), "{}", inner.escape_ascii());
            assert_eq!(
                faults(&content),
                Err(Fault::BareLineEnd),
                "{}",
                inner.escape_ascii()
            );
        }
    }

    #[test]
    fn content_faults() {
        assert_eq!(faults(b"a\r\nb"), Ok(()));
        assert_eq!(faults(b"\r\n\r\n"), Ok(()));
        for bad in [
            b"a\n".as_slice(),
            b"\n",
            b"a\rb",
            b"a\r",
            b"a\0b",
            b"\r\r\n",
        ] {
            assert_eq!(faults(bad), Err(Fault::BareLineEnd));
        }
        let mut checker = Checker::default();
        checker.push(b"12345");
        assert_eq!(checker.finish(5), Ok(()));
        assert_eq!(checker.finish(4), Err(Fault::TooLarge));
    }

    proptest! {
        #[test]
        fn splitting_changes_nothing(
            input in proptest::collection::vec(proptest::sample::select(b"ab.\r\n\0".to_vec()), 0..80),
            cuts in proptest::collection::vec(1usize..6, 0..80),
        ) {
            prop_assert_eq!(decode(&input, &cuts), decode(&input, &[]));
            let mut checker = Checker::default();
            let mut rest = input.as_slice();
            for cut in cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                checker.push(piece);
                rest = tail;
            }
            checker.push(rest);
            prop_assert_eq!(checker.finish(u64::MAX), faults(&input));
        }

        #[test]
        fn decoding_undoes_encoding(
            lines in proptest::collection::vec("[.a]{0,6}", 0..10),
            cuts in proptest::collection::vec(1usize..6, 0..80),
        ) {
            let content: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let mut wire = Vec::new();
            let mut encoder = DotEncoder::default();
            let mut rest = content.as_bytes();
            for &cut in &cuts {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                encoder.encode(piece, &mut wire);
                rest = tail;
            }
            encoder.encode(rest, &mut wire);
            encoder.finish(&mut wire);
            let length = wire.len();
            prop_assert_eq!(decode(&wire, &cuts), (content.into_bytes(), Some(length)));
        }
    }
}
