//! IDLE (RFC 2177).

use crate::imap::grammar::Cursor;

/// Whether this line ends IDLE.
pub(in crate::imap::server) fn is_done(line: &[u8]) -> bool {
    let mut cursor = Cursor::new(line);
    cursor.eat_text("DONE") && cursor.is_empty()
}
