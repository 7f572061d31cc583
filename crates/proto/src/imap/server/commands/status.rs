//! STATUS (RFC 3501 §6.3.10, with SIZE of RFC 8438, DELETED of RFC 9051 and HIGHESTMODSEQ of RFC 7162).

use std::fmt::Write as _;
use std::num::NonZeroU32;

use super::{
    Command, Completion, Cursor, Extension, Reading, Refusal, Responses, State, SyntaxError, When,
    mailbox,
};

/// What STATUS can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusItem {
    /// `MESSAGES`.
    Messages,
    /// `RECENT`: always 0 here.
    Recent,
    /// `UIDNEXT`.
    UidNext,
    /// `UIDVALIDITY`.
    UidValidity,
    /// `UNSEEN`: messages without `\Seen`.
    Unseen,
    /// `DELETED`: messages with `\Deleted`.
    Deleted,
    /// `SIZE`, in octets.
    Size,
    /// `HIGHESTMODSEQ`.
    HighestModseq,
}

impl StatusItem {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Messages, "MESSAGES"),
        (Self::Recent, "RECENT"),
        (Self::UidNext, "UIDNEXT"),
        (Self::UidValidity, "UIDVALIDITY"),
        (Self::Unseen, "UNSEEN"),
        (Self::Deleted, "DELETED"),
        (Self::Size, "SIZE"),
        (Self::HighestModseq, "HIGHESTMODSEQ"),
    ];

    fn name(self) -> &'static str {
        Self::ALL
            .into_iter()
            .find(|(item, _)| *item == self)
            .map_or("", |(_, name)| name)
    }
}

/// The numbers of one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusValues {
    /// Messages.
    pub messages: u32,
    /// UIDNEXT.
    pub uid_next: NonZeroU32,
    /// UIDVALIDITY.
    pub uid_validity: NonZeroU32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Octets.
    pub size: u64,
    /// HIGHESTMODSEQ.
    pub highest_modseq: u64,
}

impl StatusValues {
    fn of(&self, item: StatusItem) -> u64 {
        match item {
            StatusItem::Messages => self.messages.into(),
            StatusItem::Recent => 0,
            StatusItem::UidNext => self.uid_next.get().into(),
            StatusItem::UidValidity => self.uid_validity.get().into(),
            StatusItem::Unseen => self.unseen.into(),
            StatusItem::Deleted => self.deleted.into(),
            StatusItem::Size => self.size,
            StatusItem::HighestModseq => self.highest_modseq,
        }
    }
}

/// Reads the items in their parentheses.
pub(super) fn items(cursor: &mut Cursor<'_>) -> Result<Vec<StatusItem>, SyntaxError> {
    let mut items = Vec::new();
    cursor.list("a list in parentheses", usize::MAX, |cursor| {
        let error = cursor.error("a status item");
        let word = cursor.word()?;
        let (item, _) = StatusItem::ALL
            .into_iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(word))
            .ok_or(error)?;
        if !items.contains(&item) {
            items.push(item);
        }
        Ok(())
    })?;
    Ok(items)
}

/// STATUS: [`Responses::status`], then complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Status {
    /// The mailbox.
    pub mailbox: String,
    /// What is asked for.
    pub items: Vec<StatusItem>,
}

impl Command for Status {
    const NAME: &'static str = "STATUS";
    const WHEN: When = When::AfterLogin;
    const CAPABILITIES: &'static str = "STATUS=SIZE";
    const EXAMPLES: &'static [&'static str] =
        &["STATUS INBOX (MESSAGES UIDNEXT SIZE HIGHESTMODSEQ)"];

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        let mailbox = mailbox::read(cursor.space()?)?;
        cursor.space()?;
        let items = items(cursor)?;
        Ok(Self { mailbox, items })
    }

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        if self.items.contains(&StatusItem::HighestModseq) {
            state.enable(Extension::Condstore);
        }
        Ok(self)
    }
}

impl Responses {
    /// Writes one STATUS response.
    pub fn status(&mut self, name: &str, items: &[StatusItem], values: &StatusValues) {
        let out = self.output();
        out.text("* STATUS ");
        mailbox::put(out, name);
        let mut list = String::new();
        for item in items {
            // Writing into a String cannot fail.
            let _ = write!(list, " {} {}", item.name(), values.of(*item));
        }
        out.line(&format!(" ({})", list.trim_start()));
    }
}
