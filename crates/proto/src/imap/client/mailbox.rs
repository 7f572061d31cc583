//! Mailboxes as a client sees them: names, LIST, STATUS, SELECT.

use std::fmt;
use std::num::NonZeroU32;

use super::values::{flags, skip_value};
use crate::ServerText;
use crate::imap::grammar::{Cursor, SyntaxError, utf7};

/// A mailbox's name, as it travels (RFC 3501 §5.1.3, modified UTF-7).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MailboxName(Vec<u8>);

impl MailboxName {
    /// The name a person uses.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(utf7::encode(name).into_bytes())
    }

    /// The name as the server wrote it, which must be given back to it unchanged.
    pub(super) fn from_wire(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }

    /// As it travels.
    #[must_use]
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }

    /// The name to show, without control characters; as it travels where it is not modified UTF-7.
    #[must_use]
    pub fn to_text(&self) -> String {
        match utf7::decode(&self.0) {
            Ok(name) => ServerText::new(name.as_bytes()).to_string(),
            Err(_) => ServerText::new(&self.0).to_string(),
        }
    }
}

impl fmt::Debug for MailboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxName({:?})", self.to_text())
    }
}

/// One mailbox in the answer to LIST (RFC 9051 §7.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Attributes such as `\Noselect`, `\HasChildren`, `\Sent` (RFC 6154), as the server wrote them.
    pub attributes: Vec<String>,
    /// What separates the levels of the hierarchy; `None` where there is none.
    pub delimiter: Option<char>,
    /// Its name.
    pub name: MailboxName,
}

impl Listing {
    /// Whether it has this attribute, in any case of letters.
    #[must_use]
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes
            .iter()
            .any(|have| have.eq_ignore_ascii_case(attribute))
    }
}

/// The answer to STATUS (RFC 9051 §7.3.2). What the server left out is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxStatus {
    /// Its name.
    pub name: MailboxName,
    /// Messages in it.
    pub messages: Option<u32>,
    /// The next UID.
    pub uid_next: Option<NonZeroU32>,
    /// UIDVALIDITY.
    pub uid_validity: Option<NonZeroU32>,
    /// Messages without `\Seen`.
    pub unseen: Option<u32>,
    /// The highest modification sequence (RFC 7162).
    pub highest_modseq: Option<u64>,
}

/// Whether a selected mailbox can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `[READ-ONLY]`, or EXAMINE.
    ReadOnly,
    /// `[READ-WRITE]`.
    ReadWrite,
}

/// The answer to SELECT or EXAMINE (RFC 9051 §6.3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Messages in it.
    pub exists: u32,
    /// UIDVALIDITY; `None` where the server has no lasting UIDs: nothing may be cached then.
    pub uid_validity: Option<NonZeroU32>,
    /// The next UID.
    pub uid_next: Option<NonZeroU32>,
    /// The highest modification sequence (RFC 7162).
    pub highest_modseq: Option<u64>,
    /// Flags in use.
    pub flags: Vec<String>,
    /// Flags that can be changed for good; `\*` means that new ones can be made.
    pub permanent_flags: Vec<String>,
    /// Whether it can be changed.
    pub access: Access,
}

impl Default for Selected {
    fn default() -> Self {
        Self {
            exists: 0,
            uid_validity: None,
            uid_next: None,
            highest_modseq: None,
            flags: Vec::new(),
            permanent_flags: Vec::new(),
            access: Access::ReadWrite,
        }
    }
}

/// Reads `(attributes) delimiter name`, with what RFC 5258 may put behind.
pub(super) fn listing(cursor: &mut Cursor<'_>) -> Result<Listing, SyntaxError> {
    let attributes = flags(cursor)?;
    cursor.space()?;
    let delimiter = match cursor.nstring()? {
        None => None,
        Some(octets) => match octets.as_ref() {
            [octet] if octet.is_ascii() => Some(char::from(*octet)),
            _ => return Err(cursor.error("one character between the levels of the hierarchy")),
        },
    };
    cursor.space()?;
    let name = MailboxName::from_wire(&cursor.astring()?);
    Ok(Listing {
        attributes,
        delimiter,
        name,
    })
}

/// Reads `name (item value item value)`.
pub(super) fn status(cursor: &mut Cursor<'_>) -> Result<MailboxStatus, SyntaxError> {
    let mut status = MailboxStatus {
        name: MailboxName::from_wire(&cursor.astring()?),
        messages: None,
        uid_next: None,
        uid_validity: None,
        unseen: None,
        highest_modseq: None,
    };
    cursor.space()?;
    cursor.expect(b'(', "a list of items")?;
    while !cursor.eat(b')') {
        let item = cursor.atom()?.to_ascii_uppercase();
        cursor.space()?;
        match item.as_str() {
            "MESSAGES" => status.messages = Some(cursor.number()?),
            "UIDNEXT" => status.uid_next = Some(cursor.nz_number()?),
            "UIDVALIDITY" => status.uid_validity = Some(cursor.nz_number()?),
            "UNSEEN" => status.unseen = Some(cursor.number()?),
            "HIGHESTMODSEQ" => status.highest_modseq = Some(cursor.number64()?),
            _ => skip_value(cursor)?,
        }
        let _ = cursor.eat(b' ');
    }
    Ok(status)
}
