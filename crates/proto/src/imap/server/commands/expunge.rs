//! EXPUNGE (RFC 3501 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1).

use crate::imap::grammar::Cursor;

use crate::imap::server::command::{Bad, Event, Naming, Parsed};
use crate::imap::server::dialogue::Dialogue;

pub(in crate::imap::server) fn expunge(
    cursor: &mut Cursor<'_>,
    naming: Naming,
) -> Result<Parsed, Bad> {
    let set = match naming {
        Naming::Sequence => None,
        Naming::Uid => {
            cursor.space()?;
            Some(cursor.sequence_set()?)
        }
    };
    Ok(Parsed::Ask(Event::Expunge(set)))
}

impl Dialogue {
    /// Says that the message with this number is gone.
    pub fn expunged(&mut self, number: u32) {
        self.output().line(&format!("* {number} EXPUNGE"));
    }
}
