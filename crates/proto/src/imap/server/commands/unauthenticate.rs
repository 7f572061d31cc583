//! UNAUTHENTICATE (RFC 8437).

use crate::imap::grammar::Cursor;
use crate::imap::server::command::{Asked, Capabilities, Command, Reading, When};
use crate::imap::server::enabled::Enabled;
use crate::imap::server::reply::{Completion, Refusal};
use crate::imap::server::state::{Phase, State};

/// UNAUTHENTICATE: forget the account and the view, expunge nothing, then complete. The machine has forgotten what
/// was enabled; the next login is one like any other.
#[derive(Debug, PartialEq, Eq)]
pub struct Unauthenticate;

impl Command for Unauthenticate {
    const NAME: &'static str = "UNAUTHENTICATE";
    const WHEN: When = When::AfterLogin;

    fn capabilities(list: &mut Capabilities<'_>) {
        list.after_login(Self::NAME);
    }

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Asked for Unauthenticate {
    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        state.phase = Phase::BeforeLogin;
        state.responses.enabled = Enabled::default();
        Ok(self)
    }
}
