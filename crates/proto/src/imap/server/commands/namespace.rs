//! NAMESPACE (RFC 2342).

use super::{Answered, Command, Completion, State, When};

/// A NAMESPACE command.
#[derive(Debug)]
pub(super) struct Namespace;

impl Command for Namespace {
    const NAME: &'static str = "NAMESPACE";
    const WHEN: When = When::AfterLogin;
    const CAPABILITIES: &'static str = Self::NAME;
    const BARE: Option<Self> = Some(Self);
}

impl Answered for Namespace {
    /// Everything is the user's own.
    fn answer(self, state: &mut State) -> Completion {
        state.responses.untagged("NAMESPACE ((\"\" \"/\")) NIL NIL");
        Completion::DONE
    }
}
