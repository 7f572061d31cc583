//! Values that stand in several responses.

use crate::imap::grammar::{Cursor, SyntaxError, is_flag};

/// Reads `(flag flag)`. The wildcard `\*` of PERMANENTFLAGS is kept; what is no flag is left out.
pub(super) fn flags(cursor: &mut Cursor<'_>) -> Result<Vec<String>, SyntaxError> {
    cursor.expect(b'(', "a list of flags")?;
    let inside = cursor.take_while(|octet| octet != b')');
    cursor.expect(b')', "the end of a list of flags")?;
    Ok(inside
        .split(|octet| *octet == b' ')
        .filter_map(|flag| std::str::from_utf8(flag).ok())
        .filter(|flag| *flag == "\\*" || is_flag(flag))
        .map(str::to_owned)
        .collect())
}

/// Skips one value of any shape: atoms, numbers, strings, parenthesised lists of them.
pub(super) fn skip_value(cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
    let mut depth = 0usize;
    loop {
        match cursor.peek() {
            Some(b'(') => {
                cursor.eat(b'(');
                depth += 1;
                continue;
            }
            Some(b')') if depth > 0 => {
                cursor.eat(b')');
                depth -= 1;
            }
            Some(b'"' | b'{') => {
                cursor.string()?;
            }
            Some(b'~') => {
                cursor.eat(b'~');
                cursor.string()?;
            }
            _ => {
                let word =
                    cursor.take_while(|octet| !matches!(octet, b' ' | b'(' | b')' | b'"' | b'{'));
                if word.is_empty() {
                    return Err(cursor.error("a value"));
                }
            }
        }
        if depth == 0 {
            return Ok(());
        }
        let _ = cursor.eat(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_shape_are_skipped() {
        for value in [
            "x",
            "(a (b \"c)\" {2}\r\n)) NIL) 5)",
            "\"\\\"\"",
            "BODY[1.2]<0>",
            "()",
            "(()())",
        ] {
            let text = format!("{value} rest");
            let mut cursor = Cursor::new(text.as_bytes());
            skip_value(&mut cursor).unwrap();
            assert_eq!(cursor.rest(), b" rest", "{value}");
        }
        for bad in ["", ")", "(a", "\"x"] {
            assert!(
                skip_value(&mut Cursor::new(bad.as_bytes())).is_err(),
                "{bad}"
            );
        }
    }
}
