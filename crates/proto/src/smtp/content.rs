//! Message content on its way in, in DATA (RFC 5321 §4.5.2) or BDAT chunks (RFC 3030), in pieces.
//!
//! A message with a CR or LF on its own, or a NUL, is read to its real end and
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn faults(input: &[u8]) -> Result<(), Fault> {
        let mut checker = Checker::default();
        checker.push(input);
        checker.finish(u64::MAX)
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
    }
}
