//! APPEND (RFC 3501 §6.3.11), with LITERAL+ (RFC 7888) and UIDPLUS (RFC 4315).
//!
//! The message streams past: its octets are never held here.

use super::{
    Capabilities, Command, Cursor, DateTime, LiteralHeader, Reading, Refusal, When, mailbox, store,
};

/// APPEND was announced: [`crate::imap::server::Dialogue::message_accept`] or
/// [`crate::imap::server::Dialogue::message_refuse`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub mailbox: String,
    /// Its flags.
    pub flags: Vec<String>,
    /// Its date; now, where there is none.
    pub date: Option<DateTime>,
    /// Octets of the message.
    pub size: u64,
}

impl Command for Append {
    const NAME: &'static str = "APPEND";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &[
        "APPEND INBOX {5+}\r\nhello",
        "APPEND {5+}\r\nINBOX (\\Seen $x) \"17-Jul-1996 02:44:25 -0700\" {0+}\r\n",
    ];

    fn capabilities(list: &mut Capabilities<'_>) {
        let limit = format!("APPENDLIMIT={}", list.state.limits.message);
        list.after_login(&limit);
    }

    fn read_before_message(
        cursor: &mut Cursor<'_>,
        _: Reading<'_>,
        literal: LiteralHeader,
    ) -> Result<Option<Self>, Refusal> {
        cursor.space()?;
        if cursor.peek() == Some(b'{') && !cursor.rest().contains(&b'\n') {
            // The mailbox's name.
            return Ok(None);
        }
        let mailbox = mailbox::read(cursor)?;
        cursor.space()?;
        let mut flags = Vec::new();
        if cursor.peek() == Some(b'(') {
            flags = store::settable_list(cursor)?;
            cursor.space()?;
        }
        let mut date = None;
        if cursor.peek() == Some(b'"') {
            date = Some(DateTime::read(cursor)?);
            cursor.space()?;
        }
        if cursor.peek() != Some(b'{') {
            return Err(cursor.error("the message as a literal").into());
        }
        Ok(Some(Self {
            mailbox,
            flags,
            date,
            size: literal.size,
        }))
    }
}
