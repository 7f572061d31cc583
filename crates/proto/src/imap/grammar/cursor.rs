//! [`Cursor`]: reads tokens off a slice, left to right, without ever going back further than one token.

use std::borrow::Cow;
use std::num::NonZeroU32;

use zeroize::Zeroizing;

/// What stood in the text was not what the grammar wants there. Never carries the peer's bytes, so it may be
/// shown and logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct SyntaxError {
    /// What the grammar wants.
    pub expected: &'static str,
    /// Octets read before it.
    pub at: usize,
}

/// A reading position in a command or response. Literals stand inline: `{3}`, CRLF, three octets.
#[derive(Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl std::fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({} of {} octets)", self.at, self.bytes.len())
    }
}

/// Whether an octet may stand in an atom (RFC 3501 §9 `ATOM-CHAR`).
pub(super) fn is_atom_char(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'(' | b')' | b'{' | b'%' | b'*' | b'"' | b'\\' | b']')
}

/// `ASTRING-CHAR`: an atom's octets and `]`.
pub(super) fn is_astring_char(byte: u8) -> bool {
    is_atom_char(byte) || byte == b']'
}

impl<'a> Cursor<'a> {
    /// Starts at the first octet.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What has not been read.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Octets read so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// The error that `expected` does not stand here.
    #[must_use]
    pub fn error(&self, expected: &'static str) -> SyntaxError {
        SyntaxError {
            expected,
            at: self.at,
        }
    }

    /// The next octet, left unread.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Reads this octet if it stands here.
    pub fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        if here {
            self.at += 1;
        }
        here
    }

    /// Reads this text, in any case of letters, if it stands here.
    pub fn eat_text(&mut self, text: &str) -> bool {
        let here = self
            .rest()
            .get(..text.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(text.as_bytes()));
        if here {
            self.at += text.len();
        }
        here
    }

    /// Reads `byte`.
    ///
    /// # Errors
    /// Something else stands here; the error says `expected`.
    pub fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), SyntaxError> {
        if self.eat(byte) {
            Ok(())
        } else {
            Err(self.error(expected))
        }
    }

    /// Reads exactly one space; what follows it can be read next.
    ///
    /// # Errors
    /// No space stands here.
    pub fn space(&mut self) -> Result<&mut Self, SyntaxError> {
        self.expect(b' ', "a space")?;
        Ok(self)
    }

    /// Asserts that nothing is left.
    ///
    /// # Errors
    /// Something is left.
    pub fn end(&self) -> Result<(), SyntaxError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.error("the end of the line"))
        }
    }

    /// Reads octets as long as they satisfy `belongs`; perhaps none.
    pub fn take_while(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|byte| !belongs(*byte))
            .unwrap_or(rest.len());
        self.take(length)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let taken = self.rest().get(..length).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn ascii(
        &mut self,
        belongs: impl Fn(u8) -> bool,
        expected: &'static str,
    ) -> Result<&'a str, SyntaxError> {
        let error = self.error(expected);
        match std::str::from_utf8(self.take_while(|byte| byte.is_ascii() && belongs(byte))) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => Err(error),
        }
    }

    /// Reads an `atom`.
    ///
    /// # Errors
    /// No atom stands here.
    pub fn atom(&mut self) -> Result<&'a str, SyntaxError> {
        self.ascii(is_atom_char, "an atom")
    }

    /// Reads a command's `tag`: `ASTRING-CHAR` except `+`.
    ///
    /// # Errors
    /// No tag stands here.
    pub fn tag(&mut self) -> Result<&'a str, SyntaxError> {
        self.ascii(|byte| is_astring_char(byte) && byte != b'+', "a tag")
    }

    /// Reads a word of letters, digits, `-`, `.`, `=`, `+` and `_`, such as a command's or search key's name.
    ///
    /// # Errors
    /// No such word stands here.
    pub fn word(&mut self) -> Result<&'a str, SyntaxError> {
        self.ascii(
            |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'=' | b'_' | b'+'),
            "a keyword",
        )
    }

    /// Reads a `number` (RFC 3501: 32 bits).
    ///
    /// # Errors
    /// No digits, or too many.
    pub fn number(&mut self) -> Result<u32, SyntaxError> {
        let error = self.error("a number below 2^32");
        self.digits()?.parse().map_err(|_| error)
    }

    /// Reads a `number64` (RFC 9051: 63 bits).
    ///
    /// # Errors
    /// No digits, or too many.
    pub fn number64(&mut self) -> Result<u64, SyntaxError> {
        let error = self.error("a number below 2^63");
        match self.digits()?.parse::<u64>() {
            Ok(number) if i64::try_from(number).is_ok() => Ok(number),
            _ => Err(error),
        }
    }

    /// Reads an `nz-number`.
    ///
    /// # Errors
    /// No digits, too many, or zero.
    pub fn nz_number(&mut self) -> Result<NonZeroU32, SyntaxError> {
        let error = self.error("a number from 1 to 2^32-1");
        if self.peek() == Some(b'0') {
            return Err(error);
        }
        NonZeroU32::new(self.number()?).ok_or(error)
    }

    fn digits(&mut self) -> Result<&'a str, SyntaxError> {
        self.ascii(|byte| byte.is_ascii_digit(), "a number")
    }

    /// Reads a `quoted` string; copies only where an escape makes it necessary. Octets above 127 pass: RFC
    /// 9051 has UTF-8 in quoted strings, and who needs text checks it.
    ///
    /// # Errors
    /// No quoted string stands here, it does not end, or a backslash escapes something else than `"` and `\`.
    pub fn quoted(&mut self) -> Result<Cow<'a, [u8]>, SyntaxError> {
        self.expect(b'"', "a quoted string")?;
        let mut copied: Option<Zeroizing<Vec<u8>>> = None;
        loop {
            let plain = self.take_while(|byte| !matches!(byte, b'"' | b'\\' | b'\r' | b'\n' | 0));
            if let Some(copied) = &mut copied {
                copied.extend_from_slice(plain);
            }
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(copied.map_or(Cow::Borrowed(plain), |mut text| {
                        Cow::Owned(std::mem::take(&mut *text))
                    }));
                }
                Some(b'\\') => {
                    self.at += 1;
                    let Some(escaped @ (b'"' | b'\\')) = self.peek() else {
                        return Err(self.error("\\\" or \\\\"));
                    };
                    self.at += 1;
                    let room = plain.len() + self.rest().len();
                    copied
                        .get_or_insert_with(|| {
                            // All the room at once: it may be a password, and growing would leave copies behind.
                            let mut text = Zeroizing::new(Vec::with_capacity(room));
                            text.extend_from_slice(plain);
                            text
                        })
                        .push(escaped);
                }
                _ => return Err(self.error("the end of a quoted string")),
            }
        }
    }

    /// Reads a `literal` that stands inline. It may not hold NUL.
    ///
    /// # Errors
    /// No literal stands here, or it holds NUL.
    pub fn literal(&mut self) -> Result<&'a [u8], SyntaxError> {
        self.expect(b'{', "a literal")?;
        let size = self.number64()?;
        let _ = self.eat(b'+') || self.eat(b'-');
        if !self.eat_text("}\r\n") {
            return Err(self.error("a literal's size"));
        }
        let octets = usize::try_from(size)
            .ok()
            .and_then(|size| self.rest().get(..size));
        match octets {
            Some(octets) if memchr::memchr(0, octets).is_none() => {
                self.at += octets.len();
                Ok(octets)
            }
            Some(_) => Err(self.error("a literal without NUL")),
            None => Err(self.error("a literal's octets")),
        }
    }

    /// Reads a `string`: quoted or literal.
    ///
    /// # Errors
    /// Neither stands here.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>, SyntaxError> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            Some(b'{') => self.literal().map(Cow::Borrowed),
            _ => Err(self.error("a string")),
        }
    }

    /// Reads an `nstring`: a string or `NIL`.
    ///
    /// # Errors
    /// Neither stands here.
    pub fn nstring(&mut self) -> Result<Option<Cow<'a, [u8]>>, SyntaxError> {
        if self.eat_text("NIL") {
            Ok(None)
        } else {
            self.string().map(Some)
        }
    }

    /// Reads an `astring`: an atom (which may hold `]`) or a string.
    ///
    /// # Errors
    /// None of them stands here.
    pub fn astring(&mut self) -> Result<Cow<'a, [u8]>, SyntaxError> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => self
                .ascii(is_astring_char, "an atom or a string")
                .map(|atom| Cow::Borrowed(atom.as_bytes())),
        }
    }

    /// Reads a list in parentheses: at most `most` items, a space between two, each read by `item`. There has
    /// to be one.
    ///
    /// # Errors
    /// No list stands here, which the error calls `expected`, it is longer, or `item` fails.
    pub fn list(
        &mut self,
        expected: &'static str,
        most: usize,
        mut item: impl FnMut(&mut Self) -> Result<(), SyntaxError>,
    ) -> Result<(), SyntaxError> {
        self.expect(b'(', expected)?;
        for _ in 0..most {
            item(self)?;
            if self.eat(b')') {
                return Ok(());
            }
            self.space()?;
        }
        Err(self.error("fewer items"))
    }

    /// Reads a `list-mailbox`: a string, or an atom that may hold the wildcards `%` and `*`.
    ///
    /// # Errors
    /// None of them stands here.
    pub fn list_mailbox(&mut self) -> Result<Cow<'a, [u8]>, SyntaxError> {
        match self.peek() {
            Some(b'"' | b'{') => self.string(),
            _ => self
                .ascii(
                    |byte| is_astring_char(byte) || matches!(byte, b'%' | b'*'),
                    "a mailbox pattern",
                )
                .map(|pattern| Cow::Borrowed(pattern.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_in_every_form() {
        let mut cursor = Cursor::new(b"INBOX \"a \\\"b\\\\\" {4+}\r\n\r\n()x]y NIL");
        assert_eq!(cursor.astring().unwrap().as_ref(), b"INBOX");
        cursor.space().unwrap();
        assert_eq!(cursor.astring().unwrap().as_ref(), b"a \"b\\");
        cursor.space().unwrap();
        assert_eq!(cursor.astring().unwrap().as_ref(), b"\r\n()");
        assert_eq!(cursor.astring().unwrap().as_ref(), b"x]y");
        cursor.space().unwrap();
        assert_eq!(cursor.nstring().unwrap(), None);
        cursor.end().unwrap();
    }

    #[test]
    fn what_is_no_string() {
        for text in [
            &b"\"abc"[..],
            b"\"a\\b\"",
            b"{4}\r\nabc",
            b"{1}\r\n\0",
            b"{}\r\n",
            b"(",
            b"",
            b"{99999999999999999999}\r\n",
        ] {
            assert!(Cursor::new(text).astring().is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_at_their_limits() {
        assert_eq!(Cursor::new(b"4294967295").number(), Ok(u32::MAX));
        assert!(Cursor::new(b"4294967296").number().is_err());
        assert_eq!(
            Cursor::new(b"9223372036854775807").number64(),
            Ok(i64::MAX as u64)
        );
        assert!(Cursor::new(b"9223372036854775808").number64().is_err());
        assert!(Cursor::new(b"0").nz_number().is_err());
        assert!(Cursor::new(b"01").nz_number().is_err());
    }
}
