//! LOGOUT (RFC 3501 §6.1.3).

use crate::imap::grammar::Cursor;
use crate::imap::server::command::{Answered, Command, Reading, When};
use crate::imap::server::reply::{Completion, Refusal};
use crate::imap::server::state::{Phase, State};

/// A LOGOUT command.
#[derive(Debug)]
pub(super) struct Logout;

impl Command for Logout {
    const NAME: &'static str = "LOGOUT";
    const WHEN: When = When::Always;

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Answered for Logout {
    fn answer(self, state: &mut State) -> Completion {
        state.responses.untagged("BYE Goodbye");
        state.phase = Phase::Logout;
        Completion::DONE
    }
}
