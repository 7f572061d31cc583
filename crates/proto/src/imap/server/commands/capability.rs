//! CAPABILITY (RFC 3501 §6.1.1).

use crate::imap::grammar::Cursor;
use crate::imap::server::command::{Command, Reading, When};
use crate::imap::server::reply::Refusal;

/// A CAPABILITY command. The answer is made of the table of commands.
#[derive(Debug)]
pub(super) struct Capability;

impl Command for Capability {
    const NAME: &'static str = "CAPABILITY";
    const WHEN: When = When::Always;

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}
