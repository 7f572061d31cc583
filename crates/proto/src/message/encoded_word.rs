//! Encoded words (RFC 2047) in header fields, decoded to what people read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::Encoding;

/// The most octets of an encoded word (RFC 2047 §2).
const LONGEST: usize = 75;

/// A header value as people read it: encoded words are decoded, in every charset of the WHATWG Encoding Standard.
/// White space between two encoded words goes (RFC 2047 §6.2). What is no encoded word, or is broken, stays as it
/// stands. Takes time in the length of the value alone.
#[must_use]
pub fn decode(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = memchr::memmem::find(rest, b"=?") {
        let (plain, tail) = rest.split_at_checked(start).unwrap_or((rest, &[]));
        match word(tail) {
            Some((decoded, after)) => {
                if !(after_word && plain.iter().all(u8::is_ascii_whitespace)) {
                    out.push_str(&String::from_utf8_lossy(plain));
                }
                out.push_str(&decoded);
                rest = after;
                after_word = true;
            }
            None => {
                out.push_str(&String::from_utf8_lossy(plain));
                out.push_str("=?");
                rest = tail.get(2..).unwrap_or_default();
                after_word = false;
            }
        }
    }
    out.push_str(&String::from_utf8_lossy(rest));
    out
}

/// Reads one encoded word at the start of the text; answers it decoded, and what follows.
fn word(text: &[u8]) -> Option<(String, &[u8])> {
    let (window, beyond) = text
        .split_at_checked(LONGEST)
        .unwrap_or((text, Default::default()));
    let window = str::from_utf8(window).or_else(|error| {
        // Whatever is not ASCII ends the word anyway.
        str::from_utf8(window.get(..error.valid_up_to()).unwrap_or_default())
    });
    let (charset, rest) = window.ok()?.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (content, after) = rest.split_once("?=")?;
    if !content.bytes().all(|octet| octet.is_ascii_graphic()) {
        return None;
    }
    let octets = match encoding {
        "B" | "b" => STANDARD.decode(content).ok()?,
        "Q" | "q" => quoted(content.as_bytes())?,
        _ => return None,
    };
    // RFC 2231 §5: a language may follow the charset.
    let label = charset.split('*').next()?;
    let decoded = Encoding::for_label(label.as_bytes())?
        .decode_without_bom_handling_and_without_replacement(&octets)?
        .into_owned();
    let used = text.len() - beyond.len() - after.len();
    Some((decoded, text.get(used..).unwrap_or_default()))
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
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?
            }
            octet => *octet,
        });
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words() {
        // The examples of RFC 2047 §8, and broken ones.
        for (value, read) in [
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?=\r\n =?utf-8?b?YsO8?=", "abü"),
            ("=?utf-8*en?q?gr=C3=BC=C3=9Fe_x?=!", "grüße x!"),
            ("=?koi8-r?B?8NLJ18XU?=", "Привет"),
            ("=?Shift_JIS?B?k/qWe4zq?=", "日本語"),
            ("=?iso-2022-jp?B?GyRCRnxLXDhsGyhC?=", "日本語"),
            (
                "=?utf-8?q?=FF?= =?x-none?q?a?= =?utf-8?q?a b?= =?",
                "=?utf-8?q?=FF?= =?x-none?q?a?= =?utf-8?q?a b?= =?",
            ),
            (
                "=?utf-8?q?=+1?= =?utf-8?x?a?=",
                "=?utf-8?q?=+1?= =?utf-8?x?a?=",
            ),
            ("plain", "plain"),
            ("=?utf-8?q?a?=ü", "aü"),
        ] {
            assert_eq!(decode(value.as_bytes()), read, "{value}");
        }
    }

    #[test]
    fn at_the_length_limit_and_one_over() {
        let word = |letters: usize| format!("=?utf-8?q?{}?=", "a".repeat(letters));
        let fits = word(LONGEST - 12);
        assert_eq!(fits.len(), LONGEST);
        assert_eq!(decode(fits.as_bytes()), "a".repeat(LONGEST - 12));
        let over = word(LONGEST - 11);
        assert_eq!(decode(over.as_bytes()), over);
    }

    /// The start of a word without an end, over and over: a decoder that looks for the end each time needs
    /// minutes for this.
    #[test]
    fn takes_linear_time() {
        let begun = Instant::now();
        let value = b"=?utf-8?q?".repeat(200_000);
        assert_eq!(decode(&value).len(), value.len());
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn nothing_panics(value in "[=?qbQB_ utf8\\-A-F0-9é]{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            let _ = decode(value.as_bytes());
            let _ = decode(&[b"=?utf-8?q?".as_slice(), &bytes].concat());
        }
    }
}
