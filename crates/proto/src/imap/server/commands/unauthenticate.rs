//! UNAUTHENTICATE (RFC 8437).

use super::{Command, Completion, Enabled, Phase, State, When};

/// UNAUTHENTICATE: forget the account and the view, expunge nothing, then complete. The machine has forgotten what
/// was enabled; the next login is one like any other.
#[derive(Debug, PartialEq, Eq)]
pub struct Unauthenticate;

impl Command for Unauthenticate {
    const NAME: &'static str = "UNAUTHENTICATE";
    const WHEN: When = When::AfterLogin;
    const CAPABILITIES: &'static str = Self::NAME;
    const BARE: Option<Self> = Some(Self);

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        state.phase = Phase::BeforeLogin;
        state.responses.enabled = Enabled::default();
        Ok(self)
    }
}
