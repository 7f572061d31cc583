//! NAMESPACE (RFC 2342).

use crate::imap::grammar::Cursor;
use crate::imap::server::command::{Answered, Capabilities, Command, Reading, When};
use crate::imap::server::reply::{Completion, Refusal};
use crate::imap::server::state::State;

/// A NAMESPACE command.
#[derive(Debug)]
pub(super) struct Namespace;

impl Command for Namespace {
    const NAME: &'static str = "NAMESPACE";
    const WHEN: When = When::AfterLogin;

    fn capabilities(list: &mut Capabilities<'_>) {
        list.after_login(Self::NAME);
    }

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Answered for Namespace {
    /// Everything is the user's own.
    fn answer(self, state: &mut State) -> Completion {
        state.responses.untagged("NAMESPACE ((\"\" \"/\")) NIL NIL");
        Completion::DONE
    }
}
