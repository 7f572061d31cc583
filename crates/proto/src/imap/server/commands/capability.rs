//! CAPABILITY (RFC 3501 §6.1.1).

use crate::imap::grammar::Cursor;
use crate::imap::server::command::{Answered, Command, Reading, When};
use crate::imap::server::reply::{Completion, Refusal};
use crate::imap::server::state::State;

/// A CAPABILITY command.
#[derive(Debug)]
pub(super) struct Capability;

impl Command for Capability {
    const NAME: &'static str = "CAPABILITY";
    const WHEN: When = When::Always;

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Answered for Capability {
    fn answer(self, state: &mut State) -> Completion {
        let list = super::capabilities(state);
        state.responses.untagged(&format!("CAPABILITY {list}"));
        Completion::DONE
    }
}
