//! STORE (RFC 9051 §6.4.6), always by UID.

use super::{Client, CommandText, Done, NotNow, Sealed, Session};
use crate::imap::grammar::SequenceSet;

/// How STORE is to change flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagChange {
    /// These as well.
    Add,
    /// Without these.
    Remove,
    /// Exactly these.
    Replace,
}

impl Client<Sealed> {
    /// STORE: changes flags of these UIDs. The new flags come as [`crate::imap::client::Event::Message`]; ends in
    /// [`Done::Stored`].
    ///
    /// # Errors
    /// See [`NotNow`].
    pub fn store_flags(
        &mut self,
        uids: &SequenceSet,
        change: FlagChange,
        flags: &[&str],
    ) -> Result<(), NotNow> {
        let mut text = CommandText::new("UID STORE ");
        text.uids(uids)?;
        text.text(match change {
            FlagChange::Add => " +FLAGS ",
            FlagChange::Remove => " -FLAGS ",
            FlagChange::Replace => " FLAGS ",
        });
        text.flags(flags)?;
        self.begin(Session::Selected, text, Done::Stored)
    }
}
