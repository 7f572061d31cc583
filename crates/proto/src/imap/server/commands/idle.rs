//! IDLE (RFC 2177).

use crate::imap::grammar::Cursor;
use crate::imap::server::command::{Asked, Capabilities, Command, Reading, When};
use crate::imap::server::reply::{Completion, Refusal};
use crate::imap::server::state::State;

/// IDLE has begun: updates may be written at any time until [`super::Event::IdleEnd`]. Needs no answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Idle;

impl Command for Idle {
    const NAME: &'static str = "IDLE";
    const WHEN: When = When::AfterLogin;

    fn capabilities(list: &mut Capabilities<'_>) {
        list.after_login(Self::NAME);
    }

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}

impl Asked for Idle {
    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        state.responses.output().line("+ Idling");
        Ok(self)
    }
}

/// Whether this line ends IDLE.
pub(in crate::imap::server) fn is_done(line: &[u8]) -> bool {
    line.eq_ignore_ascii_case(b"DONE")
}
