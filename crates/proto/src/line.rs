//! Strict, bounded line framing: one line grammar for every protocol, before and after TLS (S8).
//!
//! A line ends in CRLF. A CR or LF on its own, or a NUL, is an error and not a line end.

use memchr::memchr3;
use pillarbox_policy::SecretBytes;
use zeroize::Zeroize;

/// Limits of a [`LineBuffer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineLimits {
    /// The longest line, in octets, without its CRLF.
    pub line: usize,
    /// How many octets of a too long line are thrown away in search of its end before giving up.
    pub discard: usize,
}

impl Default for LineLimits {
    /// 8 KiB a line, 64 KiB of patience.
    fn default() -> Self {
        Self {
            line: 8 * 1024,
            discard: 64 * 1024,
        }
    }
}

/// How a line can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than the limit. It was thrown away whole; the next line can be read.
    #[error("line too long")]
    TooLong,
    /// No end of line within the limit of patience. The connection has to be closed.
    #[error("line without end")]
    Endless,
    /// A CR that no LF follows. The connection has to be closed.
    #[error("bare CR in a line")]
    BareCr,
    /// A LF that no CR precedes. The connection has to be closed.
    #[error("bare LF in a line")]
    BareLf,
    /// A NUL octet. The connection has to be closed.
    #[error("NUL in a line")]
    Nul,
}

impl LineError {
    /// Whether lines can still be told apart after this error.
    #[must_use]
    pub fn is_fatal(self) -> bool {
        self != Self::TooLong
    }
}

/// One line without its CRLF. It may hold a password, so it is zeroed when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Line(SecretBytes);

impl Line {
    /// The octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({} octets)", self.0.len())
    }
}

/// Bytes from the peer, cut into lines on demand. Holds no memory while it is empty.
#[derive(Default)]
pub struct LineBuffer {
    limits: LineLimits,
    buffer: SecretBytes,
    /// Octets of `buffer` before this were consumed (and zeroed).
    start: usize,
    /// Octets after `start` already searched for a line end.
    scanned: usize,
    /// Octets of an over-long line thrown away so far; `Some` while one is being skipped.
    discarded: Option<usize>,
    /// A fatal error is final.
    broken: Option<LineError>,
}

impl std::fmt::Debug for LineBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LineBuffer({} octets)", self.len())
    }
}

impl LineBuffer {
    /// An empty buffer.
    #[must_use]
    pub fn new(limits: LineLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Takes bytes from the peer. The caller bounds how much it pushes between two reads of lines.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Octets held and not yet consumed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octets held, for a reader of literals or message data.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Changes the limits, for a protocol whose lines differ by state (R5034-2, R4954-3).
    pub fn set_limits(&mut self, limits: LineLimits) {
        self.limits = limits;
    }

    /// Consumes and zeroes `count` octets; at most those that are held.
    pub fn consume(&mut self, count: usize) {
        let end = self.start.saturating_add(count).min(self.buffer.len());
        if let Some(consumed) = self.buffer.get_mut(self.start..end) {
            consumed.zeroize();
        }
        self.start = end;
        self.scanned = 0;
        if self.start == self.buffer.len() {
            self.buffer = SecretBytes::new();
            self.start = 0;
        } else if self.start > 16 * 1024 && self.start > self.len() {
            drop(self.buffer.split_to(self.start));
            self.start = 0;
        }
    }

    /// The next whole line, or `None` until more bytes come.
    ///
    /// # Errors
    /// See [`LineError`]; after a fatal one every call answers the same.
    pub fn next_line(&mut self) -> Result<Option<Line>, LineError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        match self.find_end() {
            Ok(Some(length)) => self.end_line(length),
            Ok(None) => self.keep_bounded(),
            Err(error) => {
                self.broken = Some(error);
                let held = self.len();
                self.consume(held);
                Err(error)
            }
        }
    }

    /// The length of the line at `start`, if its CRLF is here.
    fn find_end(&mut self) -> Result<Option<usize>, LineError> {
        let held = self.as_bytes();
        let unseen = held.get(self.scanned..).unwrap_or_default();
        let Some(at) = memchr3(b'\r', b'\n', 0, unseen).map(|at| at + self.scanned) else {
            self.scanned = held.len();
            return Ok(None);
        };
        match (held.get(at), held.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => Ok(Some(at)),
            (Some(b'\r'), None) => {
                self.scanned = at;
                Ok(None)
            }
            (Some(b'\r'), Some(_)) => Err(LineError::BareCr),
            (Some(b'\n'), _) => Err(LineError::BareLf),
            _ => Err(LineError::Nul),
        }
    }

    fn end_line(&mut self, length: usize) -> Result<Option<Line>, LineError> {
        let too_long = self.discarded.take().is_some() || length > self.limits.line;
        let line =
            (!too_long).then(|| Line(self.as_bytes().get(..length).unwrap_or_default().into()));
        self.consume(length + 2);
        line.map_or(Err(LineError::TooLong), |line| Ok(Some(line)))
    }

    /// No line end yet: throws away what can no longer become a line.
    fn keep_bounded(&mut self) -> Result<Option<Line>, LineError> {
        // A CR at the very end may be half of a CRLF and is kept.
        let length = if self.as_bytes().last() == Some(&b'\r') {
            self.len() - 1
        } else {
            self.len()
        };
        if self.discarded.is_none() && length <= self.limits.line {
            return Ok(None);
        }
        let discarded = self.discarded.unwrap_or(0) + length;
        self.consume(length);
        self.discarded = Some(discarded);
        if discarded > self.limits.line.saturating_add(self.limits.discard) {
            self.broken = Some(LineError::Endless);
            return Err(LineError::Endless);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> LineBuffer {
        LineBuffer::new(LineLimits {
            line: 5,
            discard: 10,
        })
    }

    fn lines(buffer: &mut LineBuffer, bytes: &[u8]) -> Vec<Result<Vec<u8>, LineError>> {
        buffer.push(bytes);
        let mut all = Vec::new();
        loop {
            match buffer.next_line() {
                Ok(Some(line)) => all.push(Ok(line.as_bytes().to_vec())),
                Ok(None) => return all,
                Err(error) => {
                    all.push(Err(error));
                    if error.is_fatal() {
                        return all;
                    }
                }
            }
        }
    }

    #[test]
    fn at_the_limit_and_one_over() {
        assert_eq!(lines(&mut small(), b"12345\r\n"), [Ok(b"12345".to_vec())]);
        assert_eq!(
            lines(&mut small(), b"123456\r\nok\r\n"),
            [Err(LineError::TooLong), Ok(b"ok".to_vec())]
        );
    }

    #[test]
    fn an_endless_line_is_given_up_with_bounded_memory() {
        let mut buffer = small();
        assert_eq!(lines(&mut buffer, &[b'x'; 15]), []);
        assert_eq!(buffer.len(), 0);
        assert_eq!(lines(&mut buffer, b"x"), [Err(LineError::Endless)]);
        assert_eq!(buffer.next_line(), Err(LineError::Endless));
    }

    #[test]
    fn bare_ends_and_nul_are_no_line_ends() {
        assert_eq!(lines(&mut small(), b"a\nb\r\n"), [Err(LineError::BareLf)]);
        assert_eq!(lines(&mut small(), b"a\rb\r\n"), [Err(LineError::BareCr)]);
        assert_eq!(lines(&mut small(), b"a\0\r\n"), [Err(LineError::Nul)]);
        assert_eq!(lines(&mut small(), b"a\r\r\n"), [Err(LineError::BareCr)]);
    }

    #[test]
    fn an_empty_buffer_holds_no_memory() {
        let mut buffer = small();
        buffer.push(b"abc\r\n");
        buffer.next_line().unwrap().unwrap();
        assert_eq!(buffer.buffer.capacity(), 0);
    }

    proptest::proptest! {
        #[test]
        fn splitting_input_changes_nothing(
            bytes in proptest::collection::vec(proptest::sample::select(b"ab\r\n\0".to_vec()), 0..60),
            cuts in proptest::collection::vec(1usize..8, 0..30),
        ) {
            let whole = lines(&mut small(), &bytes);
            let mut split = Vec::new();
            let mut buffer = small();
            let mut rest = bytes.as_slice();
            let mut cuts = cuts.into_iter();
            while !rest.is_empty() && !split.last().is_some_and(|last: &Result<Vec<u8>, LineError>| last.as_ref().is_err_and(|e| e.is_fatal())) {
                let (piece, tail) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                split.extend(lines(&mut buffer, piece));
                rest = tail;
            }
            // How soon a flood is given up depends on the pieces; everything else does not.
            if !split.contains(&Err(LineError::Endless)) {
                proptest::prop_assert_eq!(whole, split);
            }
        }
    }
}
