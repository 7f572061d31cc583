//! The lexical tokens of RFC 5322 §3.2 and RFC 2045 §5.1, read leniently and in linear time.

/// Reads tokens off one unfolded header value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lexer<'a> {
    rest: &'a [u8],
}

impl<'a> Lexer<'a> {
    pub(super) fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn skip(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Takes this octet if it is the next one.
    pub(super) fn take(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        if found {
            self.skip(1);
        }
        found
    }

    /// The octets up to the first that `ends` likes; possibly none.
    pub(super) fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let length = self
            .rest
            .iter()
            .position(|&octet| ends(octet))
            .unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    pub(super) fn skip_blanks(&mut self) {
        self.until(|octet| !is_blank(octet));
    }

    /// Skips blanks and comments.
    pub(super) fn skip_cfws(&mut self) {
        self.comments(&mut None);
    }

    /// Skips blanks and comments; the text of the last comment goes into `last`.
    pub(super) fn comments(&mut self, last: &mut Option<Vec<u8>>) {
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'(') {
                return;
            }
            *last = Some(self.comment());
        }
    }

    /// The text of the comment that begins here. Nested ones are counted, not recursed into; an unclosed one
    /// ends with the value.
    fn comment(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut depth = 0usize;
        let mut octets = self.rest.iter();
        while let Some(&octet) = octets.next() {
            match octet {
                b'\\' => text.extend(octets.next()),
                b'(' => {
                    if depth > 0 {
                        text.push(octet);
                    }
                    depth += 1;
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                    text.push(octet);
                }
                _ => text.push(octet),
            }
        }
        self.rest = octets.as_slice();
        text
    }

    /// The text of the quoted string that begins here, quoted pairs resolved. An unclosed one ends with the
    /// value.
    pub(super) fn quoted_string(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        let mut octets = self.rest.iter();
        octets.next();
        while let Some(&octet) = octets.next() {
            match octet {
                b'\\' => text.extend(octets.next()),
                b'"' => break,
                _ => text.push(octet),
            }
        }
        self.rest = octets.as_slice();
        text
    }
}

pub(super) fn is_blank(octet: u8) -> bool {
    octet == b' ' || octet == b'\t'
}

pub(super) fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_blank(*first)
    {
        text = rest;
    }
    trim_end_blanks(text)
}

pub(super) fn trim_end_blanks(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text
        && is_blank(*last)
    {
        text = rest;
    }
    text
}

/// An octet of an RFC 2045 token; 8-bit octets are let through.
pub(super) fn is_token(octet: u8) -> bool {
    octet > b' ' && octet != 0x7f && !b"()<>@,;:\\\"/[]?=".contains(&octet)
}
