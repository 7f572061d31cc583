//! Text of strangers, made fit for a terminal (C10).

use pillarbox_names::is_deceptive;

/// Text from a message or a server with everything removed that could steer a terminal or disguise what is
/// read ([`is_deceptive`]), but for line feed and tab. Line ends become line feeds.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .filter(|c| match c {
            '\n' | '\t' => true,
            c => !is_deceptive(*c),
        })
        .collect()
}

/// The same on one line: line feeds and tabs become blanks, and at most `limit` characters are kept.
#[must_use]
pub(crate) fn on_one_line(text: &str, limit: usize) -> String {
    let clean = for_terminal(text).replace(['\n', '\t'], " ");
    let clean = clean.trim();
    if clean.chars().count() <= limit {
        return clean.to_owned();
    }
    let mut short: String = clean.chars().take(limit.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_overrides_go() {
        assert_eq!(for_terminal("a\x1b[2J\x1b]0;title\x07b"), "a[2J]0;titleb");
        assert_eq!(for_terminal("exe.\u{202e}fdp\u{2066}x\u{2069}"), "exe.fdpx");
        assert_eq!(for_terminal("a\u{9b}31mb\u{200b}c\u{feff}"), "a31mbc");
        assert_eq!(
            for_terminal("one\r\ntwo\tthree\rfour"),
            "one\ntwo\tthreefour"
        );
        assert_eq!(on_one_line(" a\nb\tc ", 10), "a b c");
        assert_eq!(on_one_line("abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn nothing_steers_a_terminal(text in "\\PC*|[\\x00-\\x9f\\u{202a}-\\u{2069}]*") {
            let clean = for_terminal(&text);
            prop_assert!(clean.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
            prop_assert!(!clean.chars().any(|c| c != '\n' && c != '\t' && is_deceptive(c)));
            prop_assert_eq!(for_terminal(&clean), clean.clone());
            prop_assert!(on_one_line(&text, 20).chars().count() <= 20);
        }
    }
}
