//! Text of strangers, made fit for a terminal (C10).

/// Text from a message or a server with everything removed that could steer a terminal or disguise what is
/// read: control characters but line feed and tab, escape sequences with them, direction overrides and
/// isolates, zero-width and other invisible format characters. Line ends become line feeds.
#[must_use]
pub fn for_terminal(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .filter(|c| match c {
            '\n' | '\t' => true,
            c => !c.is_control() && !is_invisible(*c),
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

/// Unicode format characters that show nothing and change what is shown: zero-width (U+200B..U+200F),
/// separators (U+2028, U+2029), embeddings and overrides (U+202A..U+202E), invisible operators and isolates
/// (U+2060..U+206F), the Arabic letter mark, soft hyphen, Mongolian vowel separator, byte order mark,
/// interlinear annotations, and tags (U+E0000..U+E007F).
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
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
            prop_assert!(!clean.chars().any(is_invisible));
            prop_assert_eq!(for_terminal(&clean), clean.clone());
            prop_assert!(on_one_line(&text, 20).chars().count() <= 20);
        }
    }
}
