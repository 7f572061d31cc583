//! LOGOUT (RFC 3501 §6.1.3).

use super::{Answered, Command, Completion, Phase, State, When};

/// A LOGOUT command.
#[derive(Debug)]
pub(super) struct Logout;

impl Command for Logout {
    const NAME: &'static str = "LOGOUT";
    const WHEN: When = When::Always;
    const BARE: Option<Self> = Some(Self);
}

impl Answered for Logout {
    fn answer(self, state: &mut State) -> Completion {
        state.responses.untagged("BYE Goodbye");
        state.phase = Phase::Logout;
        Completion::DONE
    }
}
