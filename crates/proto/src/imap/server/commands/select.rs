//! SELECT, EXAMINE (RFC 3501 §6.3.1, §6.3.2).

use std::num::NonZeroU32;

use super::{
    Access, Command, Completion, Cursor, Extension, Phase, Reading, Refusal, Responses,
    SYSTEM_FLAGS, State, When, mailbox,
};

/// SELECT: [`crate::imap::server::Dialogue::selected`], or complete with a failure. The mailbox that was
/// selected is not any more, whatever the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Select {
    /// The mailbox.
    pub mailbox: String,
    /// The client asked for CONDSTORE (RFC 7162 §3.1.8).
    condstore: bool,
}

impl Select {
    fn open(&self, state: &mut State, access: Access) {
        if matches!(state.phase, Phase::Selected(_))
            && state.responses.enabled.has(Extension::Condstore)
        {
            // RFC 7162 §3.2.11: what follows is about the new mailbox.
            state
                .responses
                .untagged("OK [CLOSED] The previous mailbox is closed");
        }
        state.phase = Phase::Opening(access);
        if self.condstore {
            state.enable(Extension::Condstore);
        }
    }
}

impl Command for Select {
    const NAME: &'static str = "SELECT";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &["SELECT INBOX", "SELECT \"x y\" (CONDSTORE)"];

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        let mailbox = mailbox::read(cursor.space()?)?;
        // RFC 4466 select-param, of which there is one here: CONDSTORE (RFC 7162 §3.1.8).
        let condstore = cursor.eat(b' ');
        if condstore && !cursor.eat_text("(CONDSTORE)") {
            return Err(cursor.error("(CONDSTORE)").into());
        }
        Ok(Self { mailbox, condstore })
    }

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        self.open(state, Access::ReadWrite);
        Ok(self)
    }
}

/// EXAMINE: as SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examine(pub Select);

impl Command for Examine {
    const NAME: &'static str = "EXAMINE";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &["EXAMINE INBOX"];

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        Select::read(cursor, reading).map(Self)
    }

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        self.0.open(state, Access::ReadOnly);
        Ok(self)
    }
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

impl Responses {
    /// Tells what the mailbox is like that was opened.
    pub(in crate::imap::server) fn opened(&mut self, mailbox: &SelectedMailbox, access: Access) {
        let mut flags = SYSTEM_FLAGS.join(" ");
        for keyword in &mailbox.keywords {
            flags.push(' ');
            flags.push_str(keyword);
        }
        self.untagged(&format!("FLAGS ({flags})"));
        match access {
            Access::ReadWrite => {
                self.untagged(&format!("OK [PERMANENTFLAGS ({flags} \\*)] Flags are kept"))
            }
            Access::ReadOnly => self.untagged("OK [PERMANENTFLAGS ()] Read-only"),
        }
        self.exists(mailbox.messages);
        // A message is never "recent": who was told of it first is not kept (RFC 9051 has dropped it).
        self.untagged("0 RECENT");
        if let Some(unseen) = mailbox.first_unseen {
            self.untagged(&format!("OK [UNSEEN {unseen}] First unseen"));
        }
        let (validity, next) = (mailbox.uid_validity, mailbox.uid_next);
        self.untagged(&format!("OK [UIDVALIDITY {validity}] UIDs are valid"));
        self.untagged(&format!("OK [UIDNEXT {next}] Predicted next UID"));
        let highest = mailbox.highest_modseq;
        self.untagged(&format!("OK [HIGHESTMODSEQ {highest}] Highest"));
    }

    /// Says that the mailbox now has this many messages.
    pub fn exists(&mut self, messages: u32) {
        self.untagged(&format!("{messages} EXISTS"));
    }
}
