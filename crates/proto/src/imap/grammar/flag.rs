//! Flags and keywords (RFC 3501 §2.3.2, RFC 9051 §2.3.2).

use super::{Cursor, SyntaxError, is_atom};

/// The longest flag, in octets. A limit of ours: a flag is kept with every message that has it.
pub const MAX_FLAG: usize = 255;

/// The system flags a client may set, in their usual spelling. `\\Recent`, which none may, is never set here.
pub const SYSTEM_FLAGS: [&str; 5] = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];

/// Whether this text is a flag: a keyword (an atom), or a backslash and an atom.
#[must_use]
pub fn is_flag(text: &str) -> bool {
    is_atom(text.strip_prefix('\\').unwrap_or(text).as_bytes())
}

impl<'a> Cursor<'a> {
    /// Reads a flag: `\Seen` and the like (any `flag-extension`), or a keyword. `\Recent` is read too; who
    /// must not have it says so.
    ///
    /// # Errors
    /// No flag of at most [`MAX_FLAG`] octets stands here.
    pub fn flag(&mut self) -> Result<&'a str, SyntaxError> {
        let error = self.error("a flag");
        let from = self.rest();
        self.eat(b'\\');
        self.atom()?;
        let length = from.len().saturating_sub(self.rest().len());
        match from.get(..length).map(std::str::from_utf8) {
            Some(Ok(flag)) if flag.len() <= MAX_FLAG && is_flag(flag) => Ok(flag),
            _ => Err(error),
        }
    }

    /// Reads a `flag-list` with its parentheses; it may be empty.
    ///
    /// # Errors
    /// No such list stands here.
    pub fn flag_list(&mut self) -> Result<Vec<&'a str>, SyntaxError> {
        let mut flags = Vec::new();
        if !self.eat_text("()") {
            self.list("a list of flags in parentheses", usize::MAX, |cursor| {
                flags.push(cursor.flag()?);
                Ok(())
            })?;
        }
        Ok(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags() {
        assert_eq!(
            Cursor::new(b"(\\Seen $Forwarded)").flag_list().unwrap(),
            ["\\Seen", "$Forwarded"]
        );
        assert_eq!(Cursor::new(b"()").flag_list().unwrap(), [""; 0]);
        for bad in [
            &b"(\\Seen"[..],
            b"( \\Seen)",
            b"(\\)",
            b"(\\Seen  x)",
            b"\\Seen",
        ] {
            assert!(Cursor::new(bad).flag_list().is_err(), "{bad:?}");
        }
        assert!(Cursor::new(&[b'x'; MAX_FLAG]).flag().is_ok());
        assert!(Cursor::new(&[b'x'; MAX_FLAG + 1]).flag().is_err());
    }
}
