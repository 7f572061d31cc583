//! COPY (RFC 3501 §6.4.7) and MOVE (RFC 6851).

use super::{
    Command, Cursor, Forms, Messages, Reading, Refusal, ResponseCode, Responses, When, mailbox,
};

/// COPY.
#[derive(Debug, PartialEq, Eq)]
pub struct Copy {
    /// Which messages.
    pub messages: Messages,
    /// Where to.
    pub mailbox: String,
}

impl Command for Copy {
    const NAME: &'static str = "COPY";
    const WHEN: When = When::Selected;
    const FORMS: Forms = Forms::PlainAndUid;
    const EXAMPLES: &'static [&'static str] = &["COPY 1 INBOX", "UID COPY 1:3,5:* {1+}\r\nx"];

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        let messages = Messages::read(cursor, reading)?;
        cursor.space()?;
        Ok(Self {
            messages,
            mailbox: mailbox::read(cursor)?,
        })
    }
}

/// MOVE: what moved messages became has to be told by [`Responses::moved`], before their EXPUNGEs.
#[derive(Debug, PartialEq, Eq)]
pub struct Move(pub Copy);

impl Command for Move {
    const NAME: &'static str = "MOVE";
    const WHEN: When = When::ReadWrite;
    const CAPABILITIES: &'static str = Self::NAME;
    const FORMS: Forms = Forms::PlainAndUid;
    const EXAMPLES: &'static [&'static str] = &["MOVE 1 x", "UID MOVE 1 INBOX"];

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        Copy::read(cursor, reading).map(Self)
    }
}

impl Responses {
    /// Tells what moved messages became, which has to stand before their EXPUNGEs (RFC 6851 §4.3).
    pub fn moved(&mut self, code: &ResponseCode) {
        self.untagged(&format!("OK [{code}] Moved"));
    }
}
