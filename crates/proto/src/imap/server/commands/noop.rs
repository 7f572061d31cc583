//! NOOP and CHECK (RFC 3501 §6.1.2, §6.4.1).

use super::{Command, Completion, Phase, State, When};

/// NOOP after login: answer with what is new, then complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Noop;

impl Command for Noop {
    const NAME: &'static str = "NOOP";
    const WHEN: When = When::Always;
    const BARE: Option<Self> = Some(Self);

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        match state.phase {
            Phase::Clear(..) | Phase::BeforeLogin => Err(Completion::DONE),
            _ => Ok(self),
        }
    }
}

/// CHECK: as NOOP.
#[derive(Debug, PartialEq, Eq)]
pub struct Check;

impl Command for Check {
    const NAME: &'static str = "CHECK";
    const WHEN: When = When::Selected;
    const BARE: Option<Self> = Some(Self);
}
