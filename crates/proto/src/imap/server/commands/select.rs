//! SELECT, EXAMINE (RFC 3501 §6.3.1, §6.3.2).

use std::num::NonZeroU32;

use crate::imap::grammar::Cursor;

use crate::imap::server::command::{Bad, Event, Parsed};
use crate::imap::server::dialogue::{Dialogue, Phase};
use crate::imap::server::{Code, Completion};

use super::mailbox;

/// Whether a mailbox may be changed in this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// EXAMINE.
    ReadOnly,
    /// SELECT.
    ReadWrite,
}

/// A mailbox to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// Its name.
    pub mailbox: String,
    /// How.
    pub access: Access,
    /// The client asked for CONDSTORE (RFC 7162 §3.1.8).
    pub announce_modseqs: bool,
}

/// What an opened mailbox is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectedMailbox {
    /// Messages in it.
    pub messages: u32,
    /// UIDVALIDITY.
    pub uid_validity: NonZeroU32,
    /// UIDNEXT.
    pub uid_next: NonZeroU32,
    /// Sequence number of the first message without `\Seen`.
    pub first_unseen: Option<u32>,
    /// Keywords in use, beside the system flags.
    pub keywords: Vec<String>,
    /// HIGHESTMODSEQ.
    pub highest_modseq: u64,
}

const SYSTEM_FLAGS: &str = "\\Answered \\Flagged \\Deleted \\Seen \\Draft";

pub(in crate::imap::server) fn select(
    cursor: &mut Cursor<'_>,
    access: Access,
) -> Result<Parsed, Bad> {
    cursor.space()?;
    let name = mailbox::read(cursor)?;
    // RFC 4466 select-param, of which there is one here: CONDSTORE (RFC 7162 §3.1.8).
    let announce_modseqs = cursor.eat(b' ');
    if announce_modseqs && !cursor.eat_text("(CONDSTORE)") {
        return Err(cursor.error("(CONDSTORE)").into());
    }
    Ok(match name {
        Ok(mailbox) => Parsed::Ask(Event::Select(Select {
            mailbox,
            access,
            announce_modseqs,
        })),
        Err(bad) => Parsed::Refused(bad.into()),
    })
}

impl Dialogue {
    /// Answers [`Event::Select`] with success.
    pub fn selected(&mut self, mailbox: &SelectedMailbox) {
        let Some(access) = self.selecting() else {
            return;
        };
        let out = self.output();
        let mut flags = SYSTEM_FLAGS.to_owned();
        for keyword in &mailbox.keywords {
            flags.push(' ');
            flags.push_str(keyword);
        }
        out.line(&format!("* FLAGS ({flags})"));
        match access {
            Access::ReadWrite => out.line(&format!(
                "* OK [PERMANENTFLAGS ({flags} \\*)] Flags are kept"
            )),
            Access::ReadOnly => out.line("* OK [PERMANENTFLAGS ()] Read-only"),
        }
        out.line(&format!("* {} EXISTS", mailbox.messages));
        // A message is never "recent": who was told of it first is not kept (RFC 9051 has dropped it).
        out.line("* 0 RECENT");
        if let Some(unseen) = mailbox.first_unseen {
            out.line(&format!("* OK [UNSEEN {unseen}] First unseen"));
        }
        out.line(&format!(
            "* OK [UIDVALIDITY {}] UIDs are valid",
            mailbox.uid_validity
        ));
        out.line(&format!(
            "* OK [UIDNEXT {}] Predicted next UID",
            mailbox.uid_next
        ));
        out.line(&format!(
            "* OK [HIGHESTMODSEQ {}] Highest",
            mailbox.highest_modseq
        ));
        self.set_phase(Phase::Selected(access));
        self.complete(Completion::Ok(Some(match access {
            Access::ReadOnly => Code::ReadOnly,
            Access::ReadWrite => Code::ReadWrite,
        })));
    }

    /// Says that the mailbox now has this many messages.
    pub fn exists(&mut self, messages: u32) {
        self.output().line(&format!("* {messages} EXISTS"));
    }
}
