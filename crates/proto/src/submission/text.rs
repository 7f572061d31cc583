//! Text that came from the peer, made fit to be shown to a person (C10).

/// The most octets of server text that are kept.
pub const MAX_SHOWN: usize = 512;

/// Whether a character can only deceive: controls, and the invisible ones that reorder or hide text.
pub(super) fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text from a server without controls, bidirectional overrides and invisible characters, at most
/// [`MAX_SHOWN`] octets long. Each of them becomes a space; what is not UTF-8 becomes U+FFFD.
#[must_use]
pub(super) fn fit_to_show(octets: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in octets.utf8_chunks() {
        let broken = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        for character in chunk.valid().chars().chain(broken) {
            let character = if is_deceptive(character) {
                ' '
            } else {
                character
            };
            if shown.len() + character.len_utf8() > MAX_SHOWN {
                return shown;
            }
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_overrides_are_gone() {
        assert_eq!(fit_to_show(b"a\x1b[31mred\x07"), "a [31mred ");
        assert_eq!(
            fit_to_show("a\u{202e}b\u{2066}c\u{200b}".as_bytes()),
            "a b c "
        );
        assert_eq!(fit_to_show(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(fit_to_show("\u{9b}31m".as_bytes()), " 31m");
    }

    proptest::proptest! {
        #[test]
        fn bounded_and_clean(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..2000)) {
            let shown = fit_to_show(&octets);
            proptest::prop_assert!(shown.len() <= MAX_SHOWN);
            proptest::prop_assert!(!shown.chars().any(is_deceptive));
        }
    }
}
