//! Replies of a server, read strictly and made fit to be shown.

use std::fmt;

use crate::ServerText;
use crate::line::{LineBuffer, LineError};

/// The most octets of one reply, over all its lines.
const MAX_REPLY: usize = 64 * 1024;

/// A reply that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// Its lines cannot be told apart.
    #[error("the server sent a {0}")]
    Line(LineError),
    /// It is not the grammar of RFC 5321 §4.2.
    #[error("the server sent something that is no SMTP reply")]
    Malformed,
    /// It is longer than any reply may be.
    #[error("the server sent an endless reply")]
    TooLong,
}

/// A reply as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawReply {
    pub(super) code: u16,
    pub(super) lines: Vec<Vec<u8>>,
}

/// Puts the lines of replies together.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    begun: Option<RawReply>,
    octets: usize,
}

impl ReplyReader {
    /// The next whole reply, or `None` until more comes.
    pub(super) fn next(&mut self, lines: &mut LineBuffer) -> Result<Option<RawReply>, ReplyError> {
        while let Some(line) = lines.next_line().map_err(ReplyError::Line)? {
            let line = line.as_bytes();
            self.octets = self.octets.saturating_add(line.len() + 2);
            if self.octets > MAX_REPLY {
                return Err(ReplyError::TooLong);
            }
            let (code, more, text) = parse(line).ok_or(ReplyError::Malformed)?;
            let reply = self.begun.get_or_insert(RawReply {
                code,
                lines: Vec::new(),
            });
            if reply.code != code {
                return Err(ReplyError::Malformed);
            }
            reply.lines.push(text.to_vec());
            if more == Continues::No {
                self.octets = 0;
                return Ok(self.begun.take());
            }
        }
        Ok(None)
    }

    /// Whether a reply has begun and not ended.
    pub(super) fn is_amid(&self) -> bool {
        self.begun.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continues {
    Yes,
    No,
}

/// `Reply-code [ "-" / SP ] text`, with a first digit of 2 to 5.
fn parse(line: &[u8]) -> Option<(u16, Continues, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = digits.iter().try_fold(0, |code, digit| {
        digit
            .is_ascii_digit()
            .then(|| code * 10 + u16::from(digit - b'0'))
    })?;
    if !(200..=599).contains(&code) {
        return None;
    }
    match rest.split_first() {
        None => Some((code, Continues::No, b"")),
        Some((b' ', text)) => Some((code, Continues::No, text)),
        Some((b'-', text)) => Some((code, Continues::Yes, text)),
        Some(_) => None,
    }
}

/// An enhanced status code (RFC 3463).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnhancedCode {
    /// 2, 4 or 5.
    pub class: u8,
    /// What it is about.
    pub subject: u16,
    /// The detail.
    pub detail: u16,
}

impl EnhancedCode {
    /// Reads a code at the start of `text`; answers it and what follows.
    fn split(text: &str) -> Option<(Self, &str)> {
        let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = code.split('.').map(|part| {
            let digits = !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
            part.parse::<u16>().ok().filter(|_| digits)
        });
        let class = parts.next()??;
        let subject = parts.next()??;
        let detail = parts.next()??;
        if parts.next().is_some() || !matches!(class, 2 | 4 | 5) || subject > 999 || detail > 999 {
            return None;
        }
        let code = Self {
            class: u8::try_from(class).ok()?,
            subject,
            detail,
        };
        Some((code, rest))
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A reply, fit to be shown to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerReply {
    /// The code.
    pub code: u16,
    /// The enhanced code, where it has one.
    pub enhanced: Option<EnhancedCode>,
    /// The server's words. Empty for a reply that came in the clear (C10).
    pub text: ServerText,
}

impl ServerReply {
    /// Of a reply that came inside TLS.
    pub(super) fn sealed(raw: &RawReply) -> Self {
        let mut enhanced = None;
        let mut words = Vec::new();
        for line in &raw.lines {
            let line = ServerText::new(line).to_string();
            match EnhancedCode::split(&line) {
                Some((code, rest)) => {
                    enhanced.get_or_insert(code);
                    words.push(rest.to_owned());
                }
                None => words.push(line),
            }
        }
        Self {
            code: raw.code,
            enhanced,
            text: ServerText::new(words.join(" ").as_bytes()),
        }
    }

    /// Of a reply that anybody on the way could have written.
    pub(super) fn clear(raw: &RawReply) -> Self {
        Self {
            code: raw.code,
            enhanced: None,
            text: ServerText::default(),
        }
    }

    /// Whether trying again later may help.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        self.code / 100 == 4
    }
}

impl fmt::Display for ServerReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        if !self.text.is_empty() {
            write!(f, " \"{}\"", self.text)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::LineLimits;

    fn read(bytes: &[u8]) -> Result<Option<RawReply>, ReplyError> {
        let mut lines = LineBuffer::new(LineLimits::default());
        lines.push(bytes);
        ReplyReader::default().next(&mut lines)
    }

    #[test]
    fn replies_of_one_and_many_lines() {
        let reply = read(b"250-a\r\n250-\r\n250 b\r\n").unwrap().unwrap();
        assert_eq!(reply.lines, [b"a".to_vec(), Vec::new(), b"b".to_vec()]);
        assert_eq!(read(b"250\r\n").unwrap().unwrap().code, 250);
        assert_eq!(read(b"250-a\r\n"), Ok(None));
    }

    #[test]
    fn what_is_no_reply() {
        for bytes in [
            b"hello\r\n".as_slice(),
            b"\r\n",
            b"25\r\n",
            b"2500 x\r\n",
            b"150 x\r\n",
            b"600 x\r\n",
            b"250-a\r\n354 b\r\n",
            b"* OK\r\n",
        ] {
            assert_eq!(
                read(bytes),
                Err(ReplyError::Malformed),
                "{}",
                bytes.escape_ascii()
            );
        }
        assert_eq!(read(b"250 a\n"), Err(ReplyError::Line(LineError::BareLf)));
        let endless = b"250-x\r\n".repeat(MAX_REPLY / 7 + 1);
        assert_eq!(read(&endless), Err(ReplyError::TooLong));
    }

    #[test]
    fn shown_text_is_clean() {
        let raw = read(b"550-5.1.1 No \x1b[31msuch\r\n550 5.1.1 user\r\n")
            .unwrap()
            .unwrap();
        let reply = ServerReply::sealed(&raw);
        assert_eq!(reply.to_string(), "550 5.1.1 \"No [31msuch user\"");
        assert_eq!(ServerReply::clear(&raw).to_string(), "550");
        let odd = read(b"550 5.1.1.1 x\r\n").unwrap().unwrap();
        assert_eq!(ServerReply::sealed(&odd).enhanced, None);
    }
}
