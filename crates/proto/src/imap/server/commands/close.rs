//! CLOSE (RFC 3501 §6.4.2) and UNSELECT (RFC 3691).

use super::{Command, Completion, Phase, State, When};

/// CLOSE: expunge what is deleted unless the mailbox is read-only, tell nothing, then complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Close;

impl Command for Close {
    const NAME: &'static str = "CLOSE";
    const WHEN: When = When::Selected;
    const BARE: Option<Self> = Some(Self);

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
    const CAPABILITIES: &'static str = Self::NAME;
    const BARE: Option<Self> = Some(Self);

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        state.phase = Phase::Authenticated;
        Ok(self)
    }
}
