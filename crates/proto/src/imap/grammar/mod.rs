//! Grammar primitives of IMAP (RFC 3501 §9, RFC 9051 §9), used by both ends.
//!
//! [`Cursor`] reads one whole command or response held in memory, with its small literals inline; the bytes
//! come from [`super::framing::Framer`], which never holds a large literal. Nothing here knows a state, a
//! mailbox or a connection.

mod cursor;
mod date;
mod flag;
mod quote;
mod sequence;
pub mod utf7;

pub use cursor::{Cursor, SyntaxError};
pub use date::{Date, DateTime};
pub use flag::{MAX_FLAG, SYSTEM_FLAGS, is_flag};
pub use quote::{is_atom, put_astring, put_nstring, put_string, quoted};
pub use sequence::SequenceSet;
