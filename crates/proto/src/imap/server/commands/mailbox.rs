//! Mailbox names; CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 §6.3.3 to §6.3.7) and NAMESPACE
//! (RFC 2342).

use crate::imap::grammar::{Cursor, SyntaxError, put_astring, utf7};

use crate::imap::server::command::{Bad, Event, Parsed};
use crate::imap::server::output::Output;
use crate::imap::server::{Code, Completion};

/// The longest mailbox name, in octets of modified UTF-7.
const LONGEST: usize = 1_000;

/// A well-formed string that cannot be a mailbox's name: `NO [CANNOT]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mailbox name: write it in modified UTF-7, in at most 1000 octets")]
pub struct BadMailboxName;

impl From<BadMailboxName> for Completion {
    fn from(_: BadMailboxName) -> Self {
        Completion::no(
            Code::Cannot,
            "That cannot be a mailbox name; it has to be modified UTF-7 of at most 1000 octets",
        )
    }
}

/// Reads a mailbox name. The inner error is for the client that wrote a string which is no name.
pub(in crate::imap::server) fn read(
    cursor: &mut Cursor<'_>,
) -> Result<Result<String, BadMailboxName>, SyntaxError> {
    Ok(decode(&cursor.astring()?))
}

pub(in crate::imap::server) fn decode(octets: &[u8]) -> Result<String, BadMailboxName> {
    if octets.eq_ignore_ascii_case(b"INBOX") {
        return Ok("INBOX".to_owned());
    }
    if octets.len() > LONGEST {
        return Err(BadMailboxName);
    }
    utf7::decode(octets)
        .ok()
        .filter(|name| !name.chars().any(char::is_control))
        .ok_or(BadMailboxName)
}

/// Reads a LIST pattern or reference, whose wildcards stand outside any encoding.
pub(in crate::imap::server) fn decode_pattern(octets: &[u8]) -> Result<String, BadMailboxName> {
    if octets.len() > LONGEST {
        return Err(BadMailboxName);
    }
    utf7::decode(octets).map_err(|_| BadMailboxName)
}

/// Writes a mailbox name.
pub(in crate::imap::server) fn put(out: &mut Output, name: &str) {
    put_astring(out.buffer(), utf7::encode(name).as_bytes());
}

pub(in crate::imap::server) fn one(
    cursor: &mut Cursor<'_>,
    event: impl FnOnce(String) -> Event,
) -> Result<Parsed, Bad> {
    cursor.space()?;
    Ok(match read(cursor)? {
        Ok(name) => Parsed::Ask(event(name)),
        Err(bad) => Parsed::Refused(bad.into()),
    })
}

pub(in crate::imap::server) fn create(cursor: &mut Cursor<'_>) -> Result<Parsed, Bad> {
    one(cursor, |name| {
        // A separator at the end says that mailboxes will be made below it (RFC 3501 §6.3.3). Any may be.
        Event::Create(name.strip_suffix('/').map_or(name.clone(), str::to_owned))
    })
}

pub(in crate::imap::server) fn rename(cursor: &mut Cursor<'_>) -> Result<Parsed, Bad> {
    cursor.space()?;
    let from = read(cursor)?;
    cursor.space()?;
    let to = read(cursor)?;
    Ok(match (from, to) {
        (Ok(from), Ok(to)) => Parsed::Ask(Event::Rename { from, to }),
        (Err(bad), _) | (_, Err(bad)) => Parsed::Refused(bad.into()),
    })
}
