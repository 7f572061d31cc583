//! EXPUNGE (RFC 3501 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1).

use super::{Command, Cursor, Forms, Messages, Naming, Reading, Refusal, Responses, When};

/// EXPUNGE: announce what is removed, then complete.
#[derive(Debug, PartialEq, Eq)]
pub struct Expunge {
    /// The UIDs that UID EXPUNGE names.
    pub among: Option<Messages>,
}

impl Command for Expunge {
    const NAME: &'static str = "EXPUNGE";
    const WHEN: When = When::ReadWrite;
    const CAPABILITIES: &'static str = "UIDPLUS";
    const FORMS: Forms = Forms::PlainAndUid;
    const EXAMPLES: &'static [&'static str] = &["EXPUNGE", "UID EXPUNGE 1:*"];

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        let names = reading.naming == Naming::Uid;
        let among = names.then(|| Messages::read(cursor, reading)).transpose()?;
        Ok(Self { among })
    }
}

impl Responses {
    /// Says that the message with this number is gone.
    pub fn expunged(&mut self, number: u32) {
        self.untagged(&format!("{number} EXPUNGE"));
    }
}
