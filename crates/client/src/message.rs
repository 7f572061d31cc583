//! Messages as a person reads them: decoded, and with nothing in them that could steer a terminal.

use mail_parser::{Address, MessageParser, MimeHeaders};

use crate::text::{for_terminal, on_one_line};

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Summary {
    /// Sequence number.
    pub number: u32,
    /// UID by IMAP, UIDL by POP3, where the server told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Octets.
    pub size: u64,
    /// Whether it has been read; POP3 does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<bool>,
    /// The date its sender wrote, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Its sender, fit for a terminal.
    pub from: String,
    /// Its subject, fit for a terminal.
    pub subject: String,
}

/// A message to be shown.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Message {
    /// Header fields worth showing, decoded and on one line each.
    pub header: Vec<(String, String)>,
    /// The text; a message that is HTML alone comes as its text.
    pub text: String,
    /// Files that came along: name, media type and octets.
    pub attachments: Vec<(String, String, usize)>,
}

/// The largest message that is taken whole, in octets: 100 MiB.
pub(crate) const MAX_MESSAGE: u64 = 100 * 1024 * 1024;
/// The longest value of a header field that is shown, in characters.
const MAX_FIELD: usize = 1000;

impl Message {
    /// Reads a message. Anything at all gives something to show.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Self {
        let Some(message) = MessageParser::default().parse(octets) else {
            return Self {
                header: Vec::new(),
                text: for_terminal(&String::from_utf8_lossy(octets)),
                attachments: Vec::new(),
            };
        };
        let mut header = Vec::new();
        let mut field = |name: &str, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                header.push((name.to_owned(), on_one_line(&value, MAX_FIELD)));
            }
        };
        field("From", message.from().map(addresses));
        field("To", message.to().map(addresses));
        field("Cc", message.cc().map(addresses));
        field("Date", message.date().map(mail_parser::DateTime::to_rfc822));
        field("Subject", message.subject().map(str::to_owned));
        // the topmost, which the reader's own server wrote, with its tls and group clauses (S4.3-1)
        let received = message
            .headers_raw()
            .find(|(name, _)| name.eq_ignore_ascii_case("Received"));
        field(
            "Received",
            received.map(|(_, value)| value.split_whitespace().collect::<Vec<_>>().join(" ")),
        );
        let text: Vec<String> = (0..message.text_body_count())
            .filter_map(|at| message.body_text(at))
            .map(|text| for_terminal(&text))
            .collect();
        let attachments = message
            .attachments()
            .map(|part| {
                let media_type = part.content_type().map_or_else(
                    || "application/octet-stream".to_owned(),
                    |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("*")),
                );
                (
                    on_one_line(part.attachment_name().unwrap_or("(no name)"), 200),
                    on_one_line(&media_type, 100),
                    part.len(),
                )
            })
            .collect();
        Self {
            header,
            text: text.join("\n"),
            attachments,
        }
    }
}

/// What a list shows of a message, from its header.
pub(crate) fn summary(
    number: u32,
    uid: Option<String>,
    size: u64,
    seen: Option<bool>,
    header: &[u8],
) -> Summary {
    let message = MessageParser::default().parse_headers(header);
    let message = message.as_ref();
    Summary {
        number,
        uid,
        size,
        seen,
        date: message
            .and_then(|message| message.date())
            .map(mail_parser::DateTime::to_rfc3339),
        from: on_one_line(
            &message
                .and_then(|message| message.from())
                .map(addresses)
                .unwrap_or_default(),
            200,
        ),
        subject: on_one_line(
            message
                .and_then(|message| message.subject())
                .unwrap_or_default(),
            500,
        ),
    }
}

/// `Name <address>`, comma-separated. The address is always shown: a name alone can be anybody's.
fn addresses(list: &Address<'_>) -> String {
    let one = |address: &mail_parser::Addr<'_>| {
        let mailbox = address.address().unwrap_or("?");
        match address.name() {
            Some(name) => format!("{name} <{mailbox}>"),
            None => mailbox.to_owned(),
        }
    };
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NASTY: &[u8] = b"From: =?utf-8?q?Bank=1B=5B31m_=E2=80=AE?= <evil@example.net>\r\n\
        To: a@example.org\r\nSubject: =?utf-8?b?G10wO3RpdGxlBw==?= hello\r\n\
        Received: from x by mail.example.org with ESMTPS\r\n\ttls TLS_AES_128_GCM_SHA256;\r\n Mon, 1 Jan 2026 00:00:00 +0000\r\n\
        Content-Type: text/plain; charset=utf-8\r\n\r\nhi\x1b[2J\xe2\x80\xaethere\r\n";

    #[test]
    fn nothing_a_stranger_wrote_steers_the_terminal() {
        let message = Message::parse(NASTY);
        assert_eq!(message.text, "hi[2Jthere\n");
        let shown = format!("{message:?}");
        assert!(
            !shown.contains("\\u{1b}") && !shown.contains("\\u{202e}"),
            "{shown}"
        );
        let field = |name: &str| {
            message
                .header
                .iter()
                .find(|(n, _)| n == name)
                .unwrap()
                .1
                .clone()
        };
        assert!(
            field("From").contains("<evil@example.net>"),
            "{}",
            field("From")
        );
        assert!(field("Received").contains("tls TLS_AES_128_GCM_SHA256;"));
        assert_eq!(field("Subject"), "]0;title hello");
    }

    #[test]
    fn html_alone_becomes_text() {
        let message = Message::parse(
            b"Content-Type: text/html\r\n\r\n<p>Hello <b>you</b></p><script>x()</script>",
        );
        assert!(
            message.text.contains("Hello") && !message.text.contains('<'),
            "{}",
            message.text
        );
    }

    #[test]
    fn a_summary_line() {
        let line = summary(3, Some("9".to_owned()), 77, Some(false), NASTY);
        assert_eq!((line.number, line.subject.as_str()), (3, "]0;title hello"));
    }

    proptest! {
        #[test]
        fn anything_can_be_shown(octets in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let message = Message::parse(&octets);
            prop_assert!(message.text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
            let _ = summary(1, None, 0, None, &octets);
        }
    }
}
