//! Reads one response of a server inside TLS (RFC 9051 §7), with what was taken inline of its literals.

use std::num::NonZeroU32;

use super::capability::Capabilities;
use super::fetch::{self, MessageData};
use super::mailbox::{self, Listing, MailboxStatus};
use super::values::flags;
use super::violation::Violation;
use crate::ServerText;
use crate::imap::grammar::{Cursor, SyntaxError};

/// How a status response judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// OK.
    Ok,
    /// NO: the server could not do it.
    No,
    /// BAD: the server did not understand it.
    Bad,
    /// PREAUTH, in a greeting only.
    PreAuth,
    /// BYE: the server is about to close.
    Bye,
}

/// Where an APPEND put the message (RFC 4315).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendUid {
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: NonZeroU32,
    /// The message's UID.
    pub uid: NonZeroU32,
}

/// The machine-readable part of a status response (RFC 9051 §7.1, RFC 5530, RFC 7162).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseCode {
    /// ALERT: the text must be shown, as the server's words.
    Alert,
    /// APPENDUID, where it names one message.
    AppendUid(AppendUid),
    /// AUTHENTICATIONFAILED: login or password is wrong.
    AuthenticationFailed,
    /// CAPABILITY.
    Capability(Capabilities),
    /// HIGHESTMODSEQ.
    HighestModSeq(u64),
    /// PERMANENTFLAGS.
    PermanentFlags(Vec<String>),
    /// READ-ONLY.
    ReadOnly,
    /// TRYCREATE.
    TryCreate,
    /// UIDNEXT.
    UidNext(NonZeroU32),
    /// UIDVALIDITY.
    UidValidity(NonZeroU32),
    /// One that nothing here depends on, or a malformed one. Referrals (RFC 2193, RFC 2221) are among them: they are never
    /// followed (C7, C8).
    Other,
}

/// A status response: condition, code, words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) condition: Condition,
    pub(super) code: Option<ResponseCode>,
    pub(super) text: ServerText,
}

/// One response.
#[derive(Debug, PartialEq)]
pub(super) enum Response<'a> {
    Tagged(&'a [u8], Status),
    Untagged(Status),
    Continuation(&'a [u8]),
    Capability(Capabilities),
    Exists(u32),
    Expunge(u32),
    Fetch(Box<MessageData>),
    Flags(Vec<String>),
    Id(Vec<(String, Option<ServerText>)>),
    List(Listing),
    MailboxStatus(MailboxStatus),
    Search(Vec<u32>),
    /// A response we have no use for.
    Unknown,
}

/// Why a line is no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Not IMAP at all.
    NotImap,
    /// A response whose name is known and whose data cannot be read.
    Data(SyntaxError),
}

impl From<SyntaxError> for Unreadable {
    fn from(error: SyntaxError) -> Self {
        Self::Data(error)
    }
}

/// Whether text that ends in `{12}` announces a literal: everything but status responses and continuation
/// requests, whose words may end so.
pub(super) fn may_hold_literals(text: &[u8]) -> bool {
    let mut cursor = Cursor::new(text);
    if !(cursor.eat(b'*') && cursor.eat(b' ')) {
        return false;
    }
    condition(cursor.take_while(|octet| octet != b' ')).is_none()
}

pub(super) fn parse(text: &[u8]) -> Result<Response<'_>, Unreadable> {
    let mut cursor = Cursor::new(text);
    if cursor.eat(b'+') {
        // Some servers leave the space out where nothing follows.
        let _ = cursor.eat(b' ');
        return Ok(Response::Continuation(cursor.rest()));
    }
    if !cursor.eat(b'*') {
        let tag = cursor.take_while(|octet| octet != b' ');
        cursor.space().map_err(|_| Unreadable::NotImap)?;
        let word = cursor.take_while(|octet| octet != b' ');
        return match condition(word) {
            Some(condition @ (Condition::Ok | Condition::No | Condition::Bad)) => {
                Ok(Response::Tagged(tag, status(condition, cursor.rest())))
            }
            _ => Err(Unreadable::NotImap),
        };
    }
    cursor.space().map_err(|_| Unreadable::NotImap)?;
    if cursor.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        return numbered(cursor);
    }
    let word = cursor.take_while(|octet| octet != b' ');
    if let Some(condition) = condition(word) {
        return Ok(Response::Untagged(status(condition, cursor.rest())));
    }
    Ok(match word.to_ascii_uppercase().as_slice() {
        b"CAPABILITY" => Response::Capability(Capabilities::parse(cursor.rest())),
        b"SEARCH" => Response::Search(search(cursor)?),
        b"FLAGS" => Response::Flags(flags(cursor.space()?)?),
        b"LIST" => Response::List(mailbox::listing(cursor.space()?)?),
        b"STATUS" => Response::MailboxStatus(mailbox::status(cursor.space()?)?),
        b"ID" => Response::Id(id(cursor.space()?)?),
        _ => Response::Unknown,
    })
}

/// Reads a greeting: OK, PREAUTH or BYE (C12).
pub(super) fn greeting(text: &[u8]) -> Result<Status, Violation> {
    match parse(text) {
        Ok(Response::Untagged(status))
            if !matches!(status.condition, Condition::No | Condition::Bad) =>
        {
            Ok(status)
        }
        _ => Err(Violation::BadGreeting),
    }
}

fn numbered(mut cursor: Cursor<'_>) -> Result<Response<'_>, Unreadable> {
    let number = cursor.number()?;
    cursor.space()?;
    let word = cursor.take_while(|octet| octet != b' ');
    Ok(match word.to_ascii_uppercase().as_slice() {
        b"EXISTS" => Response::Exists(number),
        b"EXPUNGE" => Response::Expunge(number),
        b"FETCH" => {
            let items = cursor.space()?;
            Response::Fetch(Box::new(fetch::message_data(number, items)?))
        }
        _ => Response::Unknown,
    })
}

fn condition(word: &[u8]) -> Option<Condition> {
    [
        (&b"OK"[..], Condition::Ok),
        (b"NO", Condition::No),
        (b"BAD", Condition::Bad),
        (b"PREAUTH", Condition::PreAuth),
        (b"BYE", Condition::Bye),
    ]
    .into_iter()
    .find(|(name, _)| word.eq_ignore_ascii_case(name))
    .map(|(_, condition)| condition)
}

/// Reads what follows the condition: ` [CODE ...] words`.
fn status(condition: Condition, rest: &[u8]) -> Status {
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let (code, text) = match rest.strip_prefix(b"[").and_then(|inside| {
        let end = code_end(inside)?;
        Some(inside.split_at(end))
    }) {
        Some((inside, text)) => (
            Some(response_code(inside)),
            text.get(1..).unwrap_or_default(),
        ),
        None => (None, rest),
    };
    Status {
        condition,
        code,
        text: ServerText::new(text),
    }
}

/// The `]` that ends a code; one inside quotes does not.
fn code_end(inside: &[u8]) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    inside.iter().position(|&octet| {
        let end = octet == b']' && !quoted;
        if octet == b'"' && !escaped {
            quoted = !quoted;
        }
        escaped = octet == b'\\' && !escaped;
        end
    })
}

fn response_code(inside: &[u8]) -> ResponseCode {
    let mut cursor = Cursor::new(inside);
    let word = cursor
        .take_while(|octet| octet != b' ')
        .to_ascii_uppercase();
    match word.as_slice() {
        b"ALERT" => ResponseCode::Alert,
        b"AUTHENTICATIONFAILED" => ResponseCode::AuthenticationFailed,
        b"READ-ONLY" => ResponseCode::ReadOnly,
        b"TRYCREATE" => ResponseCode::TryCreate,
        _ => code_with_data(&word, &mut cursor).unwrap_or(ResponseCode::Other),
    }
}

fn code_with_data(word: &[u8], cursor: &mut Cursor<'_>) -> Result<ResponseCode, SyntaxError> {
    cursor.space()?;
    Ok(match word {
        b"APPENDUID" => {
            let uid_validity = cursor.nz_number()?;
            cursor.space()?;
            let uid = cursor.nz_number()?;
            cursor.end()?;
            ResponseCode::AppendUid(AppendUid { uid_validity, uid })
        }
        b"CAPABILITY" => ResponseCode::Capability(Capabilities::parse(cursor.rest())),
        b"HIGHESTMODSEQ" => ResponseCode::HighestModSeq(cursor.number64()?),
        b"PERMANENTFLAGS" => ResponseCode::PermanentFlags(flags(cursor)?),
        b"UIDNEXT" => ResponseCode::UidNext(cursor.nz_number()?),
        b"UIDVALIDITY" => ResponseCode::UidValidity(cursor.nz_number()?),
        _ => ResponseCode::Other,
    })
}

fn search(mut cursor: Cursor<'_>) -> Result<Vec<u32>, SyntaxError> {
    let mut numbers = Vec::new();
    while cursor.eat(b' ') {
        // `* SEARCH ` with nothing behind the space is sent by some, and `(MODSEQ 7)` by RFC 7162.
        if cursor.is_empty() || cursor.peek() == Some(b'(') {
            break;
        }
        numbers.push(cursor.number()?);
    }
    Ok(numbers)
}

/// Reads an ID list (RFC 2971): at most 30 pairs.
fn id(cursor: &mut Cursor<'_>) -> Result<Vec<(String, Option<ServerText>)>, SyntaxError> {
    let mut pairs = Vec::new();
    if cursor.eat_text("NIL") {
        return Ok(pairs);
    }
    cursor.expect(b'(', "a list of fields")?;
    while !cursor.eat(b')') {
        let _ = cursor.eat(b' ');
        let name = ServerText::new(&cursor.string()?);
        cursor.space()?;
        let value = cursor.nstring()?;
        if pairs.len() < 30 {
            pairs.push((
                name.as_str().to_owned(),
                value.as_deref().map(ServerText::new),
            ));
        }
        let _ = cursor.eat(b' ');
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<ResponseCode> {
        match parse(text.as_bytes()) {
            Ok(Response::Untagged(status)) => status.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn codes() {
        assert_eq!(code("* OK [ALERT] x"), Some(ResponseCode::Alert));
        assert_eq!(code("* ok [alert]"), Some(ResponseCode::Alert));
        assert_eq!(code("* OK hello [ALERT]"), None);
        assert_eq!(code("* OK [ALERT"), None);
        assert_eq!(
            code("* OK [PERMANENTFLAGS (\\Seen \\*)] x"),
            Some(ResponseCode::PermanentFlags(vec![
                "\\Seen".into(),
                "\\*".into()
            ]))
        );
        assert_eq!(code("* OK [UIDVALIDITY 0] x"), Some(ResponseCode::Other));
        assert_eq!(
            code("* NO [REFERRAL imap://;AUTH=*@evil.example/] x"),
            Some(ResponseCode::Other)
        );
        assert_eq!(
            code("* OK [BADCHARSET (\"]\")] x"),
            Some(ResponseCode::Other)
        );
    }

    #[test]
    fn words_may_end_like_a_literal() {
        assert!(!may_hold_literals(b"* OK see {12}"));
        assert!(!may_hold_literals(b"a1 NO see {12}"));
        assert!(!may_hold_literals(b"+ {12}"));
        assert!(may_hold_literals(b"* LIST () \"/\" {12}"));
        assert!(may_hold_literals(b"* OKAY {12}"));
    }
}
