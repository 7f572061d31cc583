//! REPLACE (RFC 8508).

use super::append::Append;
use super::{
    Command, Cursor, Forms, LiteralHeader, Messages, Reading, Refusal, ResponseCode, Responses,
    When,
};

/// REPLACE was announced; it is taken or refused as [`Append`] is. What the new message became has to be told by
/// [`Responses::replaced`], before the EXPUNGE of the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replace {
    /// The one message that goes.
    pub old: Messages,
    /// The message that comes.
    pub new: Append,
}

impl Command for Replace {
    const NAME: &'static str = "REPLACE";
    const WHEN: When = When::ReadWrite;
    const CAPABILITIES: &'static str = Self::NAME;
    const FORMS: Forms = Forms::PlainAndUid;
    const EXAMPLES: &'static [&'static str] = &[
        "REPLACE 1 INBOX {5+}\r\nhello",
        "REPLACE * {5+}\r\nINBOX (\\Seen) {0+}\r\n",
        "UID REPLACE 4 INBOX (\\Draft) \"17-Jul-1996 02:44:25 -0700\" {2+}\r\nhi",
    ];

    fn read_before_message(
        cursor: &mut Cursor<'_>,
        reading: Reading<'_>,
        literal: LiteralHeader,
    ) -> Result<Option<Self>, Refusal> {
        let error = cursor.error("the number of one message");
        let old = Messages::read(cursor, reading)?;
        if !old.set.is_one() {
            return Err(error.into());
        }
        let new = Append::read_before_message(cursor, reading, literal)?;
        Ok(new.map(|new| Self { old, new }))
    }
}

impl Responses {
    /// Tells what the new message became, which has to stand before the EXPUNGE of the old one (RFC 8508 §4.3).
    pub fn replaced(&mut self, code: &ResponseCode) {
        self.untagged(&format!("OK [{code}] Replaced"));
    }
}
