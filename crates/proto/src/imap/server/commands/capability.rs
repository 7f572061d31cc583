//! CAPABILITY (RFC 3501 §6.1.1).

use super::{Command, When};

/// A CAPABILITY command. The answer is made of the table of commands.
#[derive(Debug)]
pub(super) struct Capability;

impl Command for Capability {
    const NAME: &'static str = "CAPABILITY";
    const WHEN: When = When::Always;
    const BARE: Option<Self> = Some(Self);
}
