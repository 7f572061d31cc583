//! Flags and keywords (RFC 3501 §2.3.2, RFC 9051 §2.3.2).

use super::is_atom;

/// The longest flag, in octets. A limit of ours: a flag is kept with every message that has it.
pub const MAX_FLAG: usize = 255;

/// The system flags a client may set, in their usual spelling. `\\Recent`, which none may, is never set here.
pub const SYSTEM_FLAGS: [&str; 5] = ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft"];

/// Whether this text is a flag: a keyword (an atom), or a backslash and an atom.
#[must_use]
pub fn is_flag(text: &str) -> bool {
    is_atom(text.strip_prefix('\\').unwrap_or(text).as_bytes())
}
