//! FETCH responses (RFC 9051 §7.5.2).

use std::num::NonZeroU32;

use super::values::{flags, skip_value};
use crate::imap::grammar::{Cursor, DateTime, SyntaxError};
use crate::message::{Address, Envelope};

/// What a FETCH response says about one message. What it does not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageData {
    /// Its sequence number now.
    pub number: u32,
    /// Its UID.
    pub uid: Option<NonZeroU32>,
    /// Its flags.
    pub flags: Option<Vec<String>>,
    /// When it was received.
    pub internal_date: Option<DateTime>,
    /// Its octets.
    pub size: Option<u64>,
    /// Its envelope; raw values (encoded words not decoded, 8-bit octets possible).
    pub envelope: Option<Box<Envelope>>,
    /// Its modification sequence (RFC 7162).
    pub modseq: Option<u64>,
    /// The body, where it came as a quoted string or small literal.
    pub(super) body: Option<Vec<u8>>,
}

/// Reads `(item value item value)`.
pub(super) fn message_data(
    number: u32,
    cursor: &mut Cursor<'_>,
) -> Result<MessageData, SyntaxError> {
    let mut data = MessageData {
        number,
        ..MessageData::default()
    };
    cursor.expect(b'(', "a list of items")?;
    rest_of_items(&mut data, cursor)?;
    Ok(data)
}

/// Reads items up to the closing parenthesis.
pub(super) fn rest_of_items(
    data: &mut MessageData,
    cursor: &mut Cursor<'_>,
) -> Result<(), SyntaxError> {
    while !cursor.eat(b')') {
        item(data, cursor)?;
        let _ = cursor.eat(b' ');
    }
    Ok(())
}

/// If `text`, which ends in a literal's announcement, is a FETCH response up to the literal of a whole body,
/// what it says before.
pub(super) fn before_body(text: &[u8]) -> Option<MessageData> {
    let mut cursor = Cursor::new(text);
    if !cursor.eat_text("* ") {
        return None;
    }
    let mut data = MessageData {
        number: cursor.number().ok()?,
        ..MessageData::default()
    };
    if !cursor.eat_text(" FETCH (") {
        return None;
    }
    loop {
        if cursor.eat_text("BODY[] ") {
            let _ = cursor.eat(b'~');
            return (cursor.peek() == Some(b'{')
                && memchr::memchr(b'}', cursor.rest()) == Some(cursor.rest().len() - 1))
            .then_some(data);
        }
        item(&mut data, &mut cursor).ok()?;
        cursor.space().ok()?;
    }
}

fn item(data: &mut MessageData, cursor: &mut Cursor<'_>) -> Result<(), SyntaxError> {
    let name = cursor.take_while(|octet| !matches!(octet, b' ' | b'(' | b')' | b'[' | b'"' | b'{'));
    if name.is_empty() {
        return Err(cursor.error("a data item"));
    }
    let is = |text: &str| name.eq_ignore_ascii_case(text.as_bytes());
    let mut whole_body = false;
    if cursor.eat(b'[') {
        // `HEADER.FIELDS ("a" "b")` may stand inside.
        let section = cursor.take_while(|octet| octet != b']');
        cursor.expect(b']', "the end of a section")?;
        let partial = cursor.take_while(|octet| octet != b' ');
        whole_body = section.is_empty() && partial.is_empty();
    }
    cursor.space()?;
    if is("UID") {
        data.uid = Some(cursor.nz_number()?);
    } else if is("FLAGS") {
        data.flags = Some(flags(cursor)?);
    } else if is("INTERNALDATE") {
        data.internal_date = Some(DateTime::read(cursor)?);
    } else if is("RFC822.SIZE") {
        data.size = Some(cursor.number64()?);
    } else if is("ENVELOPE") {
        data.envelope = Some(Box::new(envelope(cursor)?));
    } else if is("MODSEQ") {
        cursor.expect(b'(', "a modification sequence")?;
        data.modseq = Some(cursor.number64()?);
        cursor.expect(b')', "the end of a modification sequence")?;
    } else if is("BODY") && whole_body {
        let _ = cursor.eat(b'~');
        data.body = cursor.nstring()?.map(std::borrow::Cow::into_owned);
    } else {
        skip_value(cursor)?;
    }
    Ok(())
}

fn envelope(cursor: &mut Cursor<'_>) -> Result<Envelope, SyntaxError> {
    cursor.expect(b'(', "an envelope")?;
    let mut envelope = Envelope {
        date: text(cursor)?,
        subject: text(cursor)?,
        from: addresses(cursor)?,
        sender: addresses(cursor)?,
        reply_to: addresses(cursor)?,
        to: addresses(cursor)?,
        cc: addresses(cursor)?,
        bcc: addresses(cursor)?,
        in_reply_to: text(cursor)?,
        message_id: None,
    };
    envelope.message_id = nstring(cursor)?;
    cursor.expect(b')', "the end of an envelope")?;
    Ok(envelope)
}

fn nstring(cursor: &mut Cursor<'_>) -> Result<Option<Vec<u8>>, SyntaxError> {
    Ok(cursor.nstring()?.map(std::borrow::Cow::into_owned))
}

/// An `nstring` and the space behind it.
fn text(cursor: &mut Cursor<'_>) -> Result<Option<Vec<u8>>, SyntaxError> {
    let text = nstring(cursor)?;
    cursor.space()?;
    Ok(text)
}

/// A list of addresses, or NIL, and the space behind it.
fn addresses(cursor: &mut Cursor<'_>) -> Result<Vec<Address>, SyntaxError> {
    let mut all = Vec::new();
    if !cursor.eat_text("NIL") {
        cursor.expect(b'(', "a list of addresses")?;
        while !cursor.eat(b')') {
            all.push(address(cursor)?);
            let _ = cursor.eat(b' ');
        }
    }
    cursor.space()?;
    Ok(all)
}

fn address(cursor: &mut Cursor<'_>) -> Result<Address, SyntaxError> {
    cursor.expect(b'(', "an address")?;
    let name = text(cursor)?;
    let route = text(cursor)?;
    let mailbox = text(cursor)?;
    let host = nstring(cursor)?;
    cursor.expect(b')', "the end of an address")?;
    Ok(match (mailbox, host) {
        (None, None) => Address::GroupEnd,
        (Some(group), None) => Address::Group(group),
        (mailbox, Some(domain)) => Address::Mailbox {
            name,
            route,
            local_part: mailbox.unwrap_or_default(),
            domain,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MessageData, SyntaxError> {
        message_data(7, &mut Cursor::new(text.as_bytes()))
    }

    #[test]
    fn the_example_of_rfc_3501() {
        let data = read(
            "(FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" RFC822.SIZE 4286 ENVELOPE \
             (\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev1 WG mtg summary and minutes\" \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) \
             ((NIL NIL \"imap\" \"cac.washington.edu\")) \
             ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL \
             \"<B27397-0100000@cac.washington.edu>\") \
             BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92) UID 9 MODSEQ (12))",
        )
        .unwrap();
        assert_eq!(data.uid, NonZeroU32::new(9));
        assert_eq!(data.flags, Some(vec!["\\Seen".to_owned()]));
        assert_eq!(data.size, Some(4286));
        assert_eq!(data.modseq, Some(12));
        assert_eq!(data.internal_date.unwrap().offset_minutes, -420);
        let envelope = data.envelope.unwrap();
        assert_eq!(envelope.cc.len(), 2);
        assert_eq!(envelope.bcc, []);
        assert_eq!(
            envelope.message_id.as_deref(),
            Some(&b"<B27397-0100000@cac.washington.edu>"[..])
        );
    }

    #[test]
    fn groups_and_literals() {
        let data = read(
            "(ENVELOPE (NIL {3}\r\na)b NIL NIL NIL ((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"x\")(NIL NIL NIL NIL)) NIL NIL NIL NIL))",
        )
        .unwrap();
        let envelope = data.envelope.unwrap();
        assert_eq!(envelope.subject.as_deref(), Some(&b"a)b"[..]));
        assert_eq!(envelope.to[0], Address::Group(b"g".to_vec()));
        assert_eq!(envelope.to[2], Address::GroupEnd);
    }

    #[test]
    fn where_a_body_begins() {
        assert_eq!(
            before_body(b"* 7 FETCH (UID 9 FLAGS () BODY[] {12}")
                .unwrap()
                .uid,
            NonZeroU32::new(9)
        );
        assert!(before_body(b"* 7 FETCH (BODY[] {12}").is_some());
        for other in [
            "* 7 FETCH (BODY[1] {12}",
            "* 7 FETCH (BODY[]<0> {12}",
            "* 7 FETCH (ENVELOPE (\"BODY[] {12}",
            "* 7 EXISTS {12}",
            "* OK BODY[] {12}",
        ] {
            assert_eq!(before_body(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for bad in [
            "",
            "(",
            "(UID)",
            "(UID 0)",
            "(UID x)",
            "(ENVELOPE (NIL))",
            "(FLAGS (\\Seen)",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
