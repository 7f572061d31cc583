//! Encoded words (RFC 2047) in header fields, so that SEARCH finds what people read.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A header value as people read it: encoded words in UTF-8, US-ASCII and ISO-8859-1 are decoded, those in
/// other charsets stay as they stand. White space between two encoded words goes (RFC 2047 §6.2).
pub(super) fn decode(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (plain, tail) = rest.split_at_checked(start).unwrap_or((rest, ""));
        match word(tail) {
            Some((decoded, after)) => {
                if !(after_word && plain.chars().all(char::is_whitespace)) {
                    out.push_str(plain);
                }
                out.push_str(&decoded);
                rest = after;
                after_word = true;
            }
            None => {
                out.push_str(plain);
                out.push_str("=?");
                rest = tail.strip_prefix("=?").unwrap_or_default();
                after_word = false;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Reads one encoded word at the start of the text; answers it decoded, and what follows.
fn word(text: &str) -> Option<(String, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (content, after) = rest.split_once("?=")?;
    if content.contains(char::is_whitespace) {
        return None;
    }
    let octets = match encoding {
        "B" | "b" => STANDARD.decode(content).ok()?,
        "Q" | "q" => quoted(content.as_bytes())?,
        _ => return None,
    };
    // RFC 2231 §5: a language may follow the charset.
    let charset = charset.split('*').next()?;
    let decoded = match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" | "utf8" => String::from_utf8(octets).ok()?,
        "iso-8859-1" => octets.into_iter().map(char::from).collect(),
        _ => return None,
    };
    Some((decoded, after))
}

/// The Q encoding (RFC 2047 §4.2).
fn quoted(content: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some((octet, tail)) = rest.split_first() {
        rest = tail;
        octets.push(match octet {
            b'_' => b' ',
            b'=' => {
                let (digits, tail) = rest.split_at_checked(2)?;
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            octet => *octet,
        });
    }
    Some(octets)
}

/// Whether a header value holds a text, without regard to case, as it stands or as people read it.
pub(super) fn holds(value: &[u8], text: &[u8]) -> bool {
    super::finder::contains(value, text) || {
        let wanted: Cow<'_, str> = String::from_utf8_lossy(text);
        decode(value)
            .to_lowercase()
            .contains(&wanted.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        // The examples of RFC 2047 §8, and broken ones.
        for (value, read) in [
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?=\r\n =?utf-8?b?YsO8?=", "abü"),
            ("=?utf-8*en?q?gr=C3=BC=C3=9Fe_x?=!", "grüße x!"),
            (
                "=?utf-8?q?=FF?= =?x-none?q?a?= =?utf-8?q?a b?= =?",
                "=?utf-8?q?=FF?= =?x-none?q?a?= =?utf-8?q?a b?= =?",
            ),
            ("plain", "plain"),
        ] {
            assert_eq!(decode(value.as_bytes()), read, "{value}");
        }
        assert!(holds(b"=?utf-8?q?GR=C3=9C=C3=9FE?=", "grüß".as_bytes()));
        assert!(holds(b"=?utf-8?q?x?=", b"=?UTF-8"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(value in "[=?qbQB_ utf8\\-A-F0-9é]{0,60}") {
            let _ = decode(value.as_bytes());
        }
    }
}
