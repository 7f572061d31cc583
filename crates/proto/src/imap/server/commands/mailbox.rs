//! Mailbox names; CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.3 to §6.3.7).

use super::{
    Command, Completion, Cursor, Output, Reading, Refusal, ResponseCode, When, put_astring, utf7,
};

/// The longest mailbox name, in octets of modified UTF-7.
const LONGEST: usize = 1_000;

/// The answer to a well-formed string that cannot be a mailbox's name.
const NO_NAME: Refusal = Refusal::Answer(Completion::No(
    Some(ResponseCode::Cannot),
    "That cannot be a mailbox name; it has to be modified UTF-7 of at most 1000 octets",
));

/// Reads a mailbox name: UTF-8, decoded from modified UTF-7; `INBOX` in any case is spelled `INBOX`.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<String, Refusal> {
    let octets = cursor.astring()?;
    if octets.eq_ignore_ascii_case(b"INBOX") {
        return Ok("INBOX".to_owned());
    }
    pattern(&octets)
        .filter(|name| !name.chars().any(char::is_control))
        .ok_or(NO_NAME)
}

/// Decodes a LIST pattern or reference, whose wildcards stand outside any encoding; `None`, where no mailbox
/// can be meant.
pub(super) fn pattern(octets: &[u8]) -> Option<String> {
    match octets.len() <= LONGEST {
        true => utf7::decode(octets).ok(),
        false => None,
    }
}

/// Writes a mailbox name.
pub(super) fn put(out: &mut Output, name: &str) {
    put_astring(out.buffer(), utf7::encode(name).as_bytes());
}

/// CREATE.
#[derive(Debug, PartialEq, Eq)]
pub struct Create {
    /// The name, without a separator at its end.
    pub mailbox: String,
}

impl Command for Create {
    const NAME: &'static str = "CREATE";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &[
        "CREATE a",
        "CREATE \"a/b/\"",
        "CREATE {3+}\r\nx y",
        "CREATE Entw&APw-rfe",
    ];

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        let mut mailbox = read(cursor.space()?)?;
        // A separator at the end says that mailboxes will be made below it (RFC 3501 §6.3.3). Any may be.
        if mailbox.ends_with('/') {
            mailbox.pop();
        }
        Ok(Self { mailbox })
    }
}

/// DELETE.
#[derive(Debug, PartialEq, Eq)]
pub struct Delete {
    /// The name.
    pub mailbox: String,
}

impl Command for Delete {
    const NAME: &'static str = "DELETE";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &["DELETE a"];

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        let mailbox = read(cursor.space()?)?;
        Ok(Self { mailbox })
    }
}

/// RENAME.
#[derive(Debug, PartialEq, Eq)]
pub struct Rename {
    /// From this name.
    pub from: String,
    /// To this name.
    pub to: String,
}

impl Command for Rename {
    const NAME: &'static str = "RENAME";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &["RENAME a b", "RENAME INBOX \"x y\""];

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        let from = read(cursor.space()?)?;
        let to = read(cursor.space()?)?;
        Ok(Self { from, to })
    }
}

/// SUBSCRIBE.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// The name.
    pub mailbox: String,
}

impl Command for Subscribe {
    const NAME: &'static str = "SUBSCRIBE";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &["SUBSCRIBE a"];

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        let mailbox = read(cursor.space()?)?;
        Ok(Self { mailbox })
    }
}

/// UNSUBSCRIBE.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// The name.
    pub mailbox: String,
}

impl Command for Unsubscribe {
    const NAME: &'static str = "UNSUBSCRIBE";
    const WHEN: When = When::AfterLogin;
    const EXAMPLES: &'static [&'static str] = &["UNSUBSCRIBE a"];

    fn read(cursor: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        let mailbox = read(cursor.space()?)?;
        Ok(Self { mailbox })
    }
}
