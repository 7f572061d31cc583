//! CAPABILITY, ID (RFC 2971) and ENABLE (RFC 5161).

use crate::imap::grammar::{Cursor, SyntaxError, put_string};

use crate::imap::server::dialogue::{Dialogue, Phase};

/// The most field and value pairs ID may have (RFC 2971 §3.3).
const ID_FIELDS: usize = 30;

/// What an authenticated session can do. Before authentication the list is shorter, since only ID, SASL-IR,
/// LITERAL+ and ENABLE mean something there.
const AFTER_LOGIN: &str = "IMAP4rev1 LITERAL+ ID ENABLE IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN MOVE \
     SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH CONDSTORE";

impl Dialogue {
    /// The capabilities of this moment (R9051-1, R5802-1).
    pub(in crate::imap::server) fn capabilities(&self) -> String {
        match self.phase() {
            Phase::BeforeLogin => {
                let mut list = "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE".to_owned();
                for mechanism in self.mechanisms() {
                    list.push_str(" AUTH=");
                    list.push_str(mechanism.as_str());
                }
                list
            }
            Phase::Authenticated | Phase::Selected(_) => {
                format!("{AFTER_LOGIN} APPENDLIMIT={}", self.limits().message)
            }
        }
    }

    /// What we say we are: the name, and nothing that helps an attacker choose.
    pub(in crate::imap::server) fn put_id(&mut self) {
        let out = self.output();
        out.text("* ID (\"name\" ");
        put_string(out.buffer(), b"Pillarbox");
        out.line(")");
    }
}

/// Reads the arguments of ID. Values that are no UTF-8 are read leniently: they go into a log.
pub(in crate::imap::server) fn id(
    cursor: &mut Cursor<'_>,
) -> Result<Vec<(String, Option<String>)>, SyntaxError> {
    cursor.space()?;
    if cursor.eat_text("NIL") {
        return Ok(Vec::new());
    }
    cursor.expect(b'(', "NIL or a list in parentheses")?;
    let mut fields = Vec::new();
    if cursor.eat(b')') {
        return Ok(fields);
    }
    loop {
        if fields.len() == ID_FIELDS {
            return Err(cursor.error("at most 30 fields"));
        }
        let name = text(&cursor.string()?);
        cursor.space()?;
        fields.push((name, cursor.nstring()?.map(|value| text(&value))));
        if cursor.eat(b')') {
            return Ok(fields);
        }
        cursor.space()?;
    }
}

/// Printable text of at most 1,024 octets (RFC 2971 §3.3).
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets.get(..1024).unwrap_or(octets))
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}

/// Reads the arguments of ENABLE.
pub(in crate::imap::server) fn enable(cursor: &mut Cursor<'_>) -> Result<Vec<String>, SyntaxError> {
    let mut names = Vec::new();
    while !cursor.is_empty() {
        cursor.space()?;
        names.push(cursor.atom()?.to_ascii_uppercase());
    }
    if names.is_empty() {
        return Err(cursor.error("a capability"));
    }
    Ok(names)
}
