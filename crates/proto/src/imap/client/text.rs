//! [`ServerText`]: a server's words, made harmless.

use std::fmt;

/// Words of a server, received inside TLS, made safe to show: no control characters (a terminal would obey
/// them), no characters that turn or hide text, at most [`ServerText::LONGEST`] characters. Show them as the
/// server's words, in quotes, without making links of them (C10).
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ServerText(String);

impl ServerText {
    /// The most characters that are kept.
    pub const LONGEST: usize = 300;

    /// Makes octets of a server harmless.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        // A character takes at most four octets, so more than this is never looked at.
        let octets = octets.get(..Self::LONGEST * 8).unwrap_or(octets);
        let text: String = String::from_utf8_lossy(octets)
            .chars()
            .map(|c| if c.is_whitespace() { ' ' } else { c })
            .filter(|c| !c.is_control() && !is_invisible(*c))
            .take(Self::LONGEST)
            .collect();
        Self(text.trim().to_owned())
    }

    /// The words.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Characters without a shape of their own that turn, join or hide others (Unicode's Bidi_Control and
/// Default_Ignorable_Code_Point, as far as text has use for them).
fn is_invisible(c: char) -> bool {
    matches!(
        u32::from(c),
        0x00ad
            | 0x034f
            | 0x061c
            | 0x115f..=0x1160
            | 0x17b4..=0x17b5
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x202a..=0x202e
            | 0x2060..=0x206f
            | 0x3164
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xfffb
            | 0xe0000..=0xe0fff
    )
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
    fn escapes_bidi_and_length() {
        let text = ServerText::new(
            "a\x1b[2Jb\u{202e}c\u{2066}d\u{9b}e\tf\u{2028}g\u{e0041}\u{feff}\0".as_bytes(),
        );
        assert_eq!(text.as_str(), "a[2Jbcde f g");
        assert_eq!(
            ServerText::new(&[b'x'; 10_000]).as_str().len(),
            ServerText::LONGEST
        );
        assert_eq!(ServerText::new(b"\xff\xfe").as_str(), "\u{fffd}\u{fffd}");
        assert_eq!(
            ServerText::new("Grüße 日本".as_bytes()).as_str(),
            "Grüße 日本"
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_harmful_is_left(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let text = ServerText::new(&octets);
            proptest::prop_assert!(text.as_str().chars().count() <= ServerText::LONGEST);
            proptest::prop_assert!(!text.as_str().chars().any(|c| c.is_control() || is_invisible(c)));
        }
    }
}
