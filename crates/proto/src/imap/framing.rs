//! [`Framer`]: the one streaming tokenizer under both ends of IMAP.
//!
//! IMAP's unit is a line, into which literals of announced size are let in. The framer cuts the input into
//! the text of one command or response and tells its owner about every literal *before* its octets are
//! taken: a small one is put inline into the text, where [`super::grammar::Cursor`] reads it; a large one
//! (APPEND, FETCH BODY) streams past in pieces and is never held; one that is not wanted is skipped.

use memchr::memrchr;
use pillarbox_policy::SecretBytes;

use crate::line::{LineBuffer, LineError, LineLimits};
use crate::machine::MAX_OUTPUT;

/// A literal's announcement: `{12}`, `{12+}`, and with `~` in front `literal8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiteralHeader {
    /// How many octets follow.
    pub size: u64,
    /// Who speaks next.
    pub kind: LiteralKind,
}

/// Whether a literal waits for the other end's leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralKind {
    /// `{12}`: a client waits for `+` before it goes on. A server's literals are written so as well and wait
    /// for nothing.
    Synchronizing,
    /// `{12+}`: the octets follow at once (RFC 7888).
    NonSynchronizing,
}

/// What the framer found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The text so far ends in a literal's announcement. Nothing more comes until the caller has called
    /// [`Framer::take_inline`], [`Framer::stream`], [`Framer::skip`], [`Framer::refuse`] or
    /// [`Framer::not_a_literal`].
    Literal(LiteralHeader),
    /// Octets of a literal that streams, at most 16 KiB.
    Piece(Vec<u8>),
    /// The literal that streamed, or was skipped, is over; text goes on.
    LiteralEnd,
    /// The text is complete: take it with [`Framer::take_text`].
    End,
}

/// Limits of a [`Framer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// The longest line, in octets.
    pub line: usize,
    /// The longest text of one command or response with its inline literals, in octets.
    pub text: usize,
    /// How many octets of a too long line are thrown away before giving up.
    pub discard: usize,
}

impl Default for FrameLimits {
    /// 8 KiB a line, 64 KiB a command.
    fn default() -> Self {
        Self {
            line: 8 * 1024,
            text: 64 * 1024,
            discard: 64 * 1024,
        }
    }
}

/// How framing can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The line grammar was broken.
    #[error(transparent)]
    Line(#[from] LineError),
    /// The command or response is longer than the limit. Its text was thrown away; what follows can be read
    /// unless a literal was under way.
    #[error("command too long")]
    TextTooLong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Text,
    /// A literal was announced and the caller has not decided.
    Announced(LiteralHeader),
    Inline(u64),
    Stream(u64),
    Skip(u64),
}

/// Cuts input into texts and literals. Holds no memory between two texts.
#[derive(Debug)]
pub struct Framer {
    limits: FrameLimits,
    lines: LineBuffer,
    text: SecretBytes,
    state: State,
}

impl Framer {
    /// An empty framer.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            lines: LineBuffer::new(LineLimits {
                line: limits.line,
                discard: limits.discard,
            }),
            text: SecretBytes::new(),
            state: State::Text,
        }
    }

    /// Takes bytes from the peer.
    pub fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// Octets held and not yet cut into frames.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.lines.len()
    }

    /// Whether nothing of a command or response has been taken in yet.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.state == State::Text && self.text.is_empty() && self.lines.is_empty()
    }

    /// The text so far, with inline literals, ending in the announcement of a literal where one was found.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Takes the text out; the next one starts empty.
    pub fn take_text(&mut self) -> SecretBytes {
        std::mem::take(&mut self.text)
    }

    /// Changes the limits, as a session does once its user is known.
    pub fn set_limits(&mut self, limits: FrameLimits) {
        self.limits = limits;
        self.lines.set_limits(LineLimits {
            line: limits.line,
            discard: limits.discard,
        });
    }

    /// Takes the announced literal into the text.
    ///
    /// # Errors
    /// [`FrameError::TextTooLong`]: it would make the text too long. It is still announced.
    pub fn take_inline(&mut self) -> Result<(), FrameError> {
        if let State::Announced(header) = self.state {
            let room = self.limits.text.saturating_sub(self.text.len() + 2);
            if usize::try_from(header.size).is_ok_and(|size| size <= room) {
                self.text.extend_from_slice(b"\r\n");
                self.state = State::Inline(header.size);
            } else {
                return Err(FrameError::TextTooLong);
            }
        }
        Ok(())
    }

    /// Lets the announced literal stream past as [`Frame::Piece`]s. The text before it is thrown away: take
    /// it first. What follows the literal is a text of its own.
    pub fn stream(&mut self) {
        if let State::Announced(header) = self.state {
            self.text = SecretBytes::new();
            self.state = State::Stream(header.size);
        }
    }

    /// Throws the announced literal away as it comes, and the text before it.
    pub fn skip(&mut self) {
        if let State::Announced(header) = self.state {
            self.text = SecretBytes::new();
            self.state = State::Skip(header.size);
        }
    }

    /// Throws the announced literal's octets away that are still to come while it streams.
    pub fn skip_rest(&mut self) {
        if let State::Stream(left) = self.state {
            self.state = State::Skip(left);
        }
    }

    /// Takes the announcement for the end of the command: a synchronizing literal that was refused never
    /// comes (RFC 3501 §7.5).
    pub fn refuse(&mut self) {
        self.text = SecretBytes::new();
        self.state = State::Text;
    }

    /// The braces at the line's end were mere text (a response's human-readable part). The text stays, and
    /// is complete.
    pub fn not_a_literal(&mut self) {
        self.state = State::Text;
    }

    /// The next frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            match self.state {
                State::Text => {
                    let Some(line) = self.lines.next_line()? else {
                        return Ok(None);
                    };
                    if self.text.len() + line.as_bytes().len() > self.limits.text {
                        self.text = SecretBytes::new();
                        return Err(FrameError::TextTooLong);
                    }
                    self.text.extend_from_slice(line.as_bytes());
                    return Ok(Some(match announcement(line.as_bytes()) {
                        Some(header) => {
                            self.state = State::Announced(header);
                            Frame::Literal(header)
                        }
                        None => Frame::End,
                    }));
                }
                State::Announced(_) => return Ok(None),
                State::Inline(0) => self.state = State::Text,
                State::Inline(left) => {
                    let Some(piece) = self.piece(left).map(SecretBytes::from) else {
                        return Ok(None);
                    };
                    self.text.extend_from_slice(&piece);
                    self.state = State::Inline(left.saturating_sub(octets(&piece)));
                }
                State::Stream(0) | State::Skip(0) => {
                    self.state = State::Text;
                    return Ok(Some(Frame::LiteralEnd));
                }
                State::Stream(left) => {
                    let Some(piece) = self.piece(left) else {
                        return Ok(None);
                    };
                    self.state = State::Stream(left.saturating_sub(octets(&piece)));
                    return Ok(Some(Frame::Piece(piece)));
                }
                State::Skip(left) => {
                    let Some(piece) = self.piece(left).map(SecretBytes::from) else {
                        return Ok(None);
                    };
                    self.state = State::Skip(left.saturating_sub(octets(&piece)));
                }
            }
        }
    }

    /// At most `left` octets of those held.
    fn piece(&mut self, left: u64) -> Option<Vec<u8>> {
        let held = self.lines.as_bytes();
        let length = usize::try_from(left)
            .unwrap_or(MAX_OUTPUT)
            .min(MAX_OUTPUT)
            .min(held.len());
        let piece = held.get(..length).filter(|piece| !piece.is_empty())?;
        let piece = piece.to_vec();
        self.lines.consume(length);
        Some(piece)
    }
}

fn octets(piece: &[u8]) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}

/// The literal a line announces at its end, if it does.
fn announcement(line: &[u8]) -> Option<LiteralHeader> {
    let inside = line.strip_suffix(b"}")?;
    let digits = inside.get(memrchr(b'{', inside)? + 1..)?;
    let (digits, kind) = match digits.strip_suffix(b"+") {
        Some(digits) => (digits, LiteralKind::NonSynchronizing),
        None => (digits, LiteralKind::Synchronizing),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A size beyond every limit is still a literal: its owner refuses it.
    let size = std::str::from_utf8(digits)
        .ok()?
        .parse()
        .unwrap_or(u64::MAX);
    Some(LiteralHeader { size, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything an owner sees that takes literals of up to 5 octets inline and streams longer ones.
    fn frames(input: &[u8], pieces: impl Fn(usize) -> usize) -> Vec<String> {
        let mut framer = Framer::new(FrameLimits {
            line: 40,
            text: 60,
            discard: 100,
        });
        let mut seen: Vec<String> = Vec::new();
        let mut streamed = Vec::new();
        let mut rest = input;
        let mut turn = 0;
        loop {
            match framer.next_frame() {
                Ok(Some(Frame::Literal(header))) if header.size <= 5 => {
                    if let Err(error) = framer.take_inline() {
                        seen.push(error.to_string());
                        framer.skip();
                    }
                }
                Ok(Some(Frame::Literal(_))) => {
                    seen.push(format!(
                        "{:?}",
                        String::from_utf8_lossy(&framer.take_text())
                    ));
                    framer.stream();
                }
                Ok(Some(Frame::Piece(piece))) => streamed.extend(piece),
                Ok(Some(Frame::LiteralEnd)) => {
                    seen.push(format!("<{}>", String::from_utf8_lossy(&streamed)));
                    streamed.clear();
                }
                Ok(Some(Frame::End)) => {
                    seen.push(format!(
                        "{:?}.",
                        String::from_utf8_lossy(&framer.take_text())
                    ));
                }
                Ok(None) if rest.is_empty() => return seen,
                Ok(None) => {
                    let (piece, tail) = rest.split_at(pieces(turn).clamp(1, rest.len()));
                    framer.push(piece);
                    rest = tail;
                    turn += 1;
                }
                Err(error) => {
                    seen.push(error.to_string());
                    return seen;
                }
            }
        }
    }

    #[test]
    fn literals_inline_and_streamed() {
        let input = b"a LOGIN {3}\r\nx\r\n {2+}\r\n{}\r\nb APPEND {8}\r\n12345678 after\r\n";
        let expected = [
            "\"a LOGIN {3}\\r\\nx\\r\\n {2+}\\r\\n{}\".",
            "\"b APPEND {8}\"",
            "<12345678>",
            "\" after\".",
        ];
        assert_eq!(frames(input, |_| 1_000), expected);
        assert_eq!(frames(input, |_| 1), expected);
    }

    #[test]
    fn braces_that_announce_nothing() {
        for line in ["a {}", "a {x}", "a {1-}", "a 1}", "a {1} ", "a {+}"] {
            assert_eq!(announcement(line.as_bytes()), None, "{line}");
        }
        assert_eq!(
            announcement(b"{99999999999999999999+}"),
            Some(LiteralHeader {
                size: u64::MAX,
                kind: LiteralKind::NonSynchronizing
            })
        );
    }

    #[test]
    fn a_literal_that_does_not_fit_is_not_taken() {
        let mut framer = Framer::new(FrameLimits {
            line: 40,
            text: 20,
            discard: 0,
        });
        framer.push(b"abcd {12}\r\nabcd {7}\r\n");
        assert!(matches!(framer.next_frame(), Ok(Some(Frame::Literal(_)))));
        assert_eq!(framer.take_inline(), Err(FrameError::TextTooLong));
        framer.refuse();
        assert!(matches!(framer.next_frame(), Ok(Some(Frame::Literal(_)))));
        assert_eq!(framer.take_inline(), Ok(()));
    }

    proptest::proptest! {
        #[test]
        fn splitting_input_changes_nothing(
            words in proptest::collection::vec(
                proptest::sample::select(vec!["a ", "{2}\r\n", "{9+}\r\n", "xy", "123456789", "\r\n", "}", "{0}\r\n"]), 0..30),
            cuts in proptest::collection::vec(1usize..9, 1..20),
        ) {
            let input = words.concat().into_bytes();
            let whole = frames(&input, |_| usize::MAX);
            proptest::prop_assert_eq!(&whole, &frames(&input, |turn| cuts[turn % cuts.len()]));
            proptest::prop_assert_eq!(&whole, &frames(&input, |_| 1));
        }
    }
}
