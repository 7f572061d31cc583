//! [`ServerText`]: words of a stranger's server, made fit to be shown to a person (C10). Knows no protocol.

use std::fmt;

use pillarbox_names::is_deceptive;

/// Words of a server, received inside TLS, made safe to show: no control characters (a terminal would obey
/// them), no characters that turn or hide text, one line of at most [`ServerText::LONGEST`] characters. Show
/// them as the server's words, in quotes, without making links of them (C10).
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ServerText(String);

impl ServerText {
    /// The most characters that are kept.
    pub const LONGEST: usize = 400;

    /// Makes octets of a server harmless. White space becomes a space, what is not UTF-8 becomes U+FFFD.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        // A character takes at most four octets, so a flood of them is never looked at whole.
        let octets = octets.get(..Self::LONGEST * 8).unwrap_or(octets);
        let text: String = String::from_utf8_lossy(octets)
            .chars()
            .map(|c| if c.is_whitespace() { ' ' } else { c })
            .filter(|c| !is_deceptive(*c))
            .take(Self::LONGEST)
            .collect();
        Self(text.trim().to_owned())
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c10_escapes_overrides_and_length() {
        let text = ServerText::new(
            "a\x1b[2Jb\u{202e}c\u{2066}d\u{9b}e\tf\u{2028}g\u{e0041}\u{feff}\u{200b}\0\r\n"
                .as_bytes(),
        );
        assert_eq!(text.as_str(), "a[2Jbcde f g");
        assert_eq!(
            ServerText::new(&[b'x'; 10_000]).as_str().len(),
            ServerText::LONGEST
        );
        assert_eq!(
            ServerText::new(b"a\xffb\xfe").as_str(),
            "a\u{fffd}b\u{fffd}"
        );
        assert_eq!(
            ServerText::new("Grüße 日本 ❤\u{fe0f}".as_bytes()).as_str(),
            "Grüße 日本 ❤\u{fe0f}"
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_harmful_is_left(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..2000)) {
            let text = ServerText::new(&octets);
            proptest::prop_assert!(text.as_str().chars().count() <= ServerText::LONGEST);
            proptest::prop_assert!(!text.as_str().chars().any(is_deceptive));
            proptest::prop_assert_eq!(ServerText::new(text.as_str().as_bytes()), text);
        }
    }
}
