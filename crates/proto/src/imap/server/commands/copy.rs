//! COPY (RFC 3501 §6.4.7) and MOVE (RFC 6851).

use crate::imap::grammar::Cursor;

use crate::imap::server::Code;
use crate::imap::server::command::{Bad, Event, Naming, Parsed};
use crate::imap::server::dialogue::Dialogue;

use super::mailbox;

/// What becomes of the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyKind {
    /// They stay as well.
    Copy,
    /// They go.
    Move,
}

pub(in crate::imap::server) fn copy(
    cursor: &mut Cursor<'_>,
    naming: Naming,
    kind: CopyKind,
) -> Result<Parsed, Bad> {
    cursor.space()?;
    let set = cursor.sequence_set()?;
    cursor.space()?;
    Ok(match mailbox::read(cursor)? {
        Ok(mailbox) => Parsed::Ask(Event::Copy {
            set,
            naming,
            mailbox,
            kind,
        }),
        Err(bad) => Parsed::Refused(bad.into()),
    })
}

impl Dialogue {
    /// Tells what moved messages became, which has to stand before their EXPUNGEs (RFC 6851 §4.3).
    pub fn moved(&mut self, code: &Code) {
        self.output().line(&format!("* OK [{code}] Moved"));
    }
}
