//! NOOP and CHECK (RFC 3501 §6.1.2, §6.4.1).

use crate::imap::grammar::Cursor;
use crate::imap::server::command::{Asked, Command, Reading, When};
use crate::imap::server::reply::{Completion, Refusal};
use crate::imap::server::state::{Phase, State};

/// NOOP after login: answer with what is new, then complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Noop;

impl Command for Noop {
    const NAME: &'static str = "NOOP";
    const WHEN: When = When::Always;

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Asked for Noop {
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

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Asked for Check {}
