//! CLOSE (RFC 3501 §6.4.2) and UNSELECT (RFC 3691).

use crate::imap::grammar::Cursor;
use crate::imap::server::command::{Asked, Capabilities, Command, Reading, When};
use crate::imap::server::reply::{Completion, Refusal};
use crate::imap::server::state::{Phase, State};

/// CLOSE: expunge what is deleted unless the mailbox is read-only, tell nothing, then complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Close;

impl Command for Close {
    const NAME: &'static str = "CLOSE";
    const WHEN: When = When::Selected;

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Asked for Close {
    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        state.phase = Phase::Authenticated;
        Ok(self)
    }
}

/// UNSELECT: forget the view, then complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Unselect;

impl Command for Unselect {
    const NAME: &'static str = "UNSELECT";
    const WHEN: When = When::Selected;

    fn capabilities(list: &mut Capabilities<'_>) {
        list.after_login(Self::NAME);
    }

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Asked for Unselect {
    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        state.phase = Phase::Authenticated;
        Ok(self)
    }
}
