//! ENVELOPE and BODYSTRUCTURE on the wire (RFC 3501 §7.4.2, §9).

use super::{put_nstring, put_string};
use crate::message::{Address, BodyStructure, Content, Disposition, Envelope, Parameter};

/// How much of a structure is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::imap::server) enum Form {
    /// `BODY`.
    Basic,
    /// `BODYSTRUCTURE`, with extension data.
    Extended,
}

/// A space, and what follows it.
fn spaced(out: &mut Vec<u8>) -> &mut Vec<u8> {
    out.push(b' ');
    out
}

pub(in crate::imap::server) fn put_envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    out.push(b'(');
    put_nstring(out, envelope.date.as_deref());
    put_nstring(spaced(out), envelope.subject.as_deref());
    for list in [
        &envelope.from,
        &envelope.sender,
        &envelope.reply_to,
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ] {
        put_addresses(spaced(out), list);
    }
    put_nstring(spaced(out), envelope.in_reply_to.as_deref());
    put_nstring(spaced(out), envelope.message_id.as_deref());
    out.push(b')');
}

fn put_addresses(out: &mut Vec<u8>, addresses: &[Address]) {
    if addresses.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for address in addresses {
        match address {
            Address::Mailbox {
                name,
                route,
                local_part,
                domain,
            } => {
                out.push(b'(');
                put_nstring(out, name.as_deref());
                put_nstring(spaced(out), route.as_deref());
                put_string(spaced(out), local_part);
                put_string(spaced(out), domain);
                out.push(b')');
            }
            Address::Group(name) => {
                out.extend_from_slice(b"(NIL NIL ");
                put_string(out, name);
                out.extend_from_slice(b" NIL)");
            }
            Address::GroupEnd => out.extend_from_slice(b"(NIL NIL NIL NIL)"),
        }
    }
    out.push(b')');
}

/// The structure's depth, and so this function's, is bounded by the index it was made from.
pub(in crate::imap::server) fn put_body(out: &mut Vec<u8>, body: &BodyStructure, form: Form) {
    out.push(b'(');
    if let Content::Multipart(parts) = &body.content {
        for part in parts {
            put_body(out, part, form);
        }
        put_string(spaced(out), &body.media.subtype);
        if form == Form::Extended {
            put_parameters(spaced(out), &body.media.parameters);
            put_extension(out, body);
        }
    } else {
        put_single(out, body, form);
    }
    out.push(b')');
}

fn put_single(out: &mut Vec<u8>, body: &BodyStructure, form: Form) {
    put_string(out, &body.media.kind);
    put_string(spaced(out), &body.media.subtype);
    put_parameters(spaced(out), &body.media.parameters);
    put_nstring(spaced(out), body.id.as_deref());
    put_nstring(spaced(out), body.description.as_deref());
    put_string(spaced(out), &body.encoding);
    put_number(out, body.octets);
    match &body.content {
        Content::Message {
            envelope,
            body: inside,
            lines,
        } => {
            put_envelope(spaced(out), envelope);
            put_body(spaced(out), inside, form);
            put_number(out, *lines);
        }
        Content::Text { lines } => put_number(out, *lines),
        Content::Basic | Content::Multipart(_) => {}
    }
    if form == Form::Extended {
        put_nstring(spaced(out), body.md5.as_deref());
        put_extension(out, body);
    }
}

/// Disposition, language and location.
fn put_extension(out: &mut Vec<u8>, body: &BodyStructure) {
    out.push(b' ');
    match &body.disposition {
        Some(Disposition { kind, parameters }) => {
            out.push(b'(');
            put_string(out, kind);
            put_parameters(spaced(out), parameters);
            out.push(b')');
        }
        None => out.extend_from_slice(b"NIL"),
    }
    out.push(b' ');
    match body.language.as_slice() {
        [] => out.extend_from_slice(b"NIL"),
        [one] => put_string(out, one),
        many => {
            for (at, tag) in many.iter().enumerate() {
                out.push(if at == 0 { b'(' } else { b' ' });
                put_string(out, tag);
            }
            out.push(b')');
        }
    }
    put_nstring(spaced(out), body.location.as_deref());
}

fn put_parameters(out: &mut Vec<u8>, parameters: &[Parameter]) {
    if parameters.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    for (at, parameter) in parameters.iter().enumerate() {
        out.push(if at == 0 { b'(' } else { b' ' });
        put_string(out, &parameter.name);
        put_string(spaced(out), &parameter.value);
    }
    out.push(b')');
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(format!(" {number}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Index, IndexLimits, Indexer};

    fn index(message: &str) -> Index {
        let mut indexer = Indexer::new(IndexLimits::default());
        indexer.push(message.replace('\n', "\r\n").as_bytes());
        indexer.finish()
    }

    fn body(message: &str, form: Form) -> String {
        let mut out = Vec::new();
        put_body(&mut out, &index(message).body_structure(), form);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn envelope_with_group_and_absent_fields() {
        let mut out = Vec::new();
        let message = "From: \"A \\\"B\\\"\" <a@example.org>\nTo: team: b@x, c@y;\nSubject: =?utf-8?q?h=C3=BC?=\n\n";
        put_envelope(&mut out, &index(message).envelope());
        let from = "((\"A \\\"B\\\"\" NIL \"a\" \"example.org\"))";
        assert_eq!(
            String::from_utf8(out).unwrap(),
            format!(
                "(NIL \"=?utf-8?q?h=C3=BC?=\" {from} {from} {from} ((NIL NIL \"team\" NIL)\
                 (NIL NIL \"b\" \"x\")(NIL NIL \"c\" \"y\")(NIL NIL NIL NIL)) NIL NIL NIL NIL)"
            )
        );
    }

    #[test]
    fn a_plain_text() {
        assert_eq!(
            body("Subject: x\n\none\ntwo\n", Form::Basic),
            "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2)"
        );
    }

    #[test]
    fn a_multipart_with_a_message_inside() {
        let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>\n--b\n\
                       Content-Type: message/rfc822\nContent-Disposition: attachment; filename=x\n\nSubject: in\n\nhi\n--b--\n";
        assert_eq!(
            body(message, Form::Extended),
            "((\"text\" \"html\" NIL NIL NIL \"7bit\" 3 0 NIL NIL NIL NIL)\
             (\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 17 \
             (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) \
             (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 2 0 NIL NIL NIL NIL) 2 \
             NIL (\"attachment\" (\"filename\" \"x\")) NIL NIL) \
             \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"
        );
    }
}
