//! Writing strings, so that what is written is read back as it was.

use super::cursor::{is_astring_char, is_atom_char};

/// Longer text goes into a literal, which the reader need not scan.
const LONGEST_QUOTED: usize = 1024;

/// Whether these octets are an atom.
#[must_use]
pub fn is_atom(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_atom_char(*byte))
}

/// The octets as a quoted string with its quotes; `None` where only a literal can carry them (CR, LF, NUL,
/// octets above 127, or more than 1,024 of them).
#[must_use]
pub fn quoted(bytes: &[u8]) -> Option<String> {
    let fits = bytes.len() <= LONGEST_QUOTED
        && bytes
            .iter()
            .all(|byte| byte.is_ascii() && !matches!(byte, b'\r' | b'\n' | 0));
    fits.then(|| {
        let escaped = |byte: &&u8| matches!(byte, b'"' | b'\\');
        let escapes = bytes.iter().filter(escaped).count();
        // All the room at once: it may be a password, and growing would leave copies of it behind.
        let mut text = String::with_capacity(bytes.len() + escapes + 2);
        text.push('"');
        for byte in bytes {
            if escaped(&byte) {
                text.push('\\');
            }
            text.push(char::from(*byte));
        }
        text.push('"');
        text
    })
}

/// Writes a `string`: quoted where it can be, else a literal as a server sends it (a client's needs the
/// server's leave first). NUL, which no `string` may hold, is left out.
pub fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    if let Some(text) = quoted(bytes) {
        out.extend_from_slice(text.as_bytes());
    } else {
        let octets: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        out.extend_from_slice(format!("{{{}}}\r\n", octets.len()).as_bytes());
        out.extend_from_slice(&octets);
    }
}

/// Writes an `nstring`.
pub fn put_nstring(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => put_string(out, bytes),
        None => out.extend_from_slice(b"NIL"),
    }
}

/// Writes an `astring`: an atom where it can be. The word `NIL` is quoted, since some readers take it for
/// nothing.
pub fn put_astring(out: &mut Vec<u8>, bytes: &[u8]) {
    let atom = !bytes.is_empty()
        && bytes.iter().all(|byte| is_astring_char(*byte))
        && !bytes.eq_ignore_ascii_case(b"NIL");
    if atom {
        out.extend_from_slice(bytes);
    } else {
        put_string(out, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Cursor;
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(bytes in proptest::collection::vec(1u8.., 0..1500)) {
            let mut out = Vec::new();
            put_string(&mut out, &bytes);
            let mut cursor = Cursor::new(&out);
            proptest::prop_assert_eq!(cursor.string().unwrap().into_owned(), bytes.clone());
            proptest::prop_assert!(cursor.is_empty());
            let mut out = Vec::new();
            put_astring(&mut out, &bytes);
            proptest::prop_assert_eq!(Cursor::new(&out).astring().unwrap().into_owned(), bytes);
        }
    }
}
