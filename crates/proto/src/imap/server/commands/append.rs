//! APPEND (RFC 3501 §6.3.11), with LITERAL+ (RFC 7888) and UIDPLUS (RFC 4315).
//!
//! The message streams past: its octets are never held here.

use crate::imap::framing::LiteralHeader;
use crate::imap::grammar::{Cursor, DateTime, SyntaxError};

use super::mailbox::{self, BadMailboxName};
use super::store;
use crate::imap::server::command::{Bad, Parsed};

/// What APPEND says before the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendHead {
    /// Where to.
    pub mailbox: String,
    /// Its flags.
    pub flags: Vec<String>,
    /// Its date; now, where there is none.
    pub date: Option<DateTime>,
    /// Octets of the message.
    pub size: u64,
}

/// What a literal inside APPEND is.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::imap::server) enum Announced {
    /// The mailbox's name.
    Name,
    /// The message.
    Message(Result<AppendHead, BadMailboxName>),
}

/// Reads APPEND's arguments up to a literal's announcement at their end.
pub(in crate::imap::server) fn announced(
    cursor: &mut Cursor<'_>,
    header: LiteralHeader,
) -> Result<Announced, SyntaxError> {
    cursor.space()?;
    if cursor.peek() == Some(b'{') && !cursor.rest().contains(&b'\n') {
        return Ok(Announced::Name);
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
        return Err(cursor.error("the message as a literal"));
    }
    Ok(Announced::Message(mailbox.map(|mailbox| AppendHead {
        mailbox,
        flags,
        date,
        size: header.size,
    })))
}

/// APPEND whose line ended without announcing a message.
pub(in crate::imap::server) fn without_literal(cursor: &mut Cursor<'_>) -> Result<Parsed, Bad> {
    Err(cursor
        .error("a mailbox and the message as a literal")
        .into())
}
