//! IDLE (RFC 2177).

use super::{Command, Completion, State, When};

/// IDLE has begun: updates may be written at any time until [`super::Event::IdleEnd`]. Needs no answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Idle;

impl Command for Idle {
    const NAME: &'static str = "IDLE";
    const WHEN: When = When::AfterLogin;
    const CAPABILITIES: &'static str = Self::NAME;
    const BARE: Option<Self> = Some(Self);

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        state.responses.output().line("+ Idling");
        Ok(self)
    }
}

/// Whether this line ends IDLE.
pub(in crate::imap::server) fn is_done(line: &[u8]) -> bool {
    line.eq_ignore_ascii_case(b"DONE")
}
