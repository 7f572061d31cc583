//! Line ends of content on its way out: what the caller has becomes CRLF, or is refused.

/// What line ends the content given to [`super::submission::client::Client::content`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnds {
    /// CRLF, as in stored messages.
    Crlf,
    /// LF alone, as in text made on this computer. Each becomes CRLF.
    Lf,
}

/// The content has other line ends than was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A CR that no LF follows; or, in text with LF line ends, any CR.
    #[error("the message has a CR where none may be")]
    BareCr,
    /// A LF that no CR precedes.
    #[error("the message has a LF without a CR")]
    BareLf,
    /// Content was given when none was asked for.
    #[error("no content was asked for")]
    OutOfTurn,
}

/// Turns pieces of content into pieces with CRLF line ends.
#[derive(Debug, Clone)]
pub(super) struct Normalizer {
    ends: LineEnds,
    after_cr: bool,
}

impl Normalizer {
    pub(super) fn new(ends: LineEnds) -> Self {
        Self {
            ends,
            after_cr: false,
        }
    }

    pub(super) fn push(&mut self, piece: &[u8]) -> Result<Vec<u8>, ContentError> {
        let mut out = Vec::with_capacity(piece.len());
        for &octet in piece {
            match (self.ends, octet) {
                (LineEnds::Crlf, b'\n') if !self.after_cr => return Err(ContentError::BareLf),
                (LineEnds::Lf, b'\r') => return Err(ContentError::BareCr),
                (LineEnds::Lf, b'\n') => out.push(b'\r'),
                (LineEnds::Crlf, octet) if self.after_cr && octet != b'\n' => {
                    return Err(ContentError::BareCr);
                }
                _ => {}
            }
            out.push(octet);
            self.after_cr = octet == b'\r';
        }
        Ok(out)
    }

    pub(super) fn finish(&self) -> Result<(), ContentError> {
        if self.after_cr {
            return Err(ContentError::BareCr);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(ends: LineEnds, pieces: &[&[u8]]) -> Result<Vec<u8>, ContentError> {
        let mut normalizer = Normalizer::new(ends);
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(normalizer.push(piece)?);
        }
        normalizer.finish()?;
        Ok(out)
    }

    #[test]
    fn crlf_stays_and_lf_becomes_crlf() {
        assert_eq!(
            all(LineEnds::Crlf, &[b"a\r", b"\nb"]),
            Ok(b"a\r\nb".to_vec())
        );
        assert_eq!(
            all(LineEnds::Lf, &[b"a\n", b"\nb"]),
            Ok(b"a\r\n\r\nb".to_vec())
        );
    }

    #[test]
    fn other_line_ends_are_refused() {
        assert_eq!(all(LineEnds::Crlf, &[b"a\nb"]), Err(ContentError::BareLf));
        assert_eq!(all(LineEnds::Crlf, &[b"a\rb"]), Err(ContentError::BareCr));
        assert_eq!(
            all(LineEnds::Crlf, &[b"a\r\r\n"]),
            Err(ContentError::BareCr)
        );
        assert_eq!(all(LineEnds::Crlf, &[b"a\r"]), Err(ContentError::BareCr));
        assert_eq!(all(LineEnds::Lf, &[b"a\r\n"]), Err(ContentError::BareCr));
    }
}
