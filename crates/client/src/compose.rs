//! [`Draft`]: a message to be sent, as text that can travel.

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as HeaderAddress;
use pillarbox_names::Address;
use pillarbox_proto::smtp::{Body, ReversePath};
use pillarbox_transport::random;

use crate::Account;

/// A file that goes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, without folders.
    pub name: String,
    /// Its media type, such as `application/pdf`.
    pub media_type: String,
    /// Its octets.
    pub content: Vec<u8>,
}

/// A message cannot be made or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// Nobody to send it to.
    #[error("the message has no recipient; name one with --to")]
    NoRecipient,
    /// It could not be put together.
    #[error("the message cannot be put together: {0}")]
    Build(String),
    /// The session cannot take it.
    #[error("the message cannot be sent: {0}")]
    Unsendable(String),
}

/// A message ready to be sent: RFC 5322 text with CRLF line ends, and its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    from: Address,
    to: Vec<Address>,
    content: Vec<u8>,
}

/// What a person wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Letter {
    /// Recipients in `To`.
    pub to: Vec<Address>,
    /// Recipients in `Cc`.
    pub cc: Vec<Address>,
    /// Recipients that no header names.
    pub bcc: Vec<Address>,
    /// The subject, in any script.
    pub subject: String,
    /// The text, in any script, with any line ends.
    pub text: String,
    /// Files that go along.
    pub attachments: Vec<Attachment>,
}

impl Draft {
    /// Puts a letter from an account's person into the form it travels in. Header text and content beyond
    /// ASCII are encoded, so that any server can take it; the Message-ID names the mail domain and not this
    /// computer.
    ///
    /// # Errors
    /// There is no recipient, or the message cannot be put together.
    pub fn new(account: &Account, letter: &Letter) -> Result<Self, ComposeError> {
        let to: Vec<Address> = [&letter.to, &letter.cc, &letter.bcc]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        if to.is_empty() {
            return Err(ComposeError::NoRecipient);
        }
        let id = random::unique_name().map_err(|why| ComposeError::Build(why.to_string()))?;
        let from = account.address();
        let list = |addresses: &[Address]| {
            let one =
                |address: &Address| HeaderAddress::new_address(None::<String>, address.to_string());
            HeaderAddress::new_list(addresses.iter().map(one).collect())
        };
        // a subject is one line, whatever was pasted into it
        let subject = crate::text::on_one_line(&letter.subject, 1000);
        let mut builder = MessageBuilder::new()
            .from(HeaderAddress::new_address(
                account
                    .name()
                    .map(|name| crate::text::on_one_line(name, 200)),
                from.to_string(),
            ))
            .message_id(format!("{id}@{}", from.domain()))
            .subject(subject)
            .text_body(letter.text.replace("\r\n", "\n").replace('\r', "\n"));
        if !letter.to.is_empty() {
            builder = builder.to(list(&letter.to));
        }
        if !letter.cc.is_empty() {
            builder = builder.cc(list(&letter.cc));
        }
        for Attachment {
            name,
            media_type,
            content,
        } in &letter.attachments
        {
            builder = builder.attachment(media_type.clone(), name.clone(), content.clone());
        }
        let content = builder
            .write_to_vec()
            .map_err(|why| ComposeError::Build(why.to_string()))?;
        Ok(Self {
            from: from.clone().into(),
            to,
            content: with_crlf(&content),
        })
    }

    /// The message.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    pub(crate) fn sender(&self) -> ReversePath {
        ReversePath::Address(self.from.clone())
    }

    pub(crate) fn recipients(&self) -> Vec<Address> {
        self.to.clone()
    }

    pub(crate) fn body(&self) -> Body {
        if self.content.is_ascii() {
            Body::SevenBit
        } else {
            Body::EightBitMime
        }
    }

    pub(crate) fn has_utf8_header(&self) -> bool {
        let end = self.content.windows(4).position(|at| at == b"\r\n\r\n");
        self.content
            .get(..end.unwrap_or(self.content.len()))
            .is_some_and(|header| !header.is_ascii())
    }
}

/// Every line end as CRLF.
fn with_crlf(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 40);
    let mut before = 0;
    for &octet in content {
        if octet == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(octet);
        before = octet;
    }
    out
}

#[cfg(test)]
mod tests {
    use mail_parser::MessageParser;

    use super::*;
    use crate::account::tests::account;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_written_comes_back() {
        let letter = Letter {
            to: vec![address("bob@example.net")],
            bcc: vec![address("secret@example.com")],
            subject: "Grüße\r\nBcc: evil@example.com".to_owned(),
            text: "Zeile eins\r\n.Punkt\rdrei ä\n".to_owned(),
            attachments: vec![Attachment {
                name: "a.bin".to_owned(),
                media_type: "application/octet-stream".to_owned(),
                content: vec![0, 13, 10, 255],
            }],
            ..Letter::default()
        };
        let draft = Draft::new(&account(), &letter).unwrap();
        let text = String::from_utf8(draft.content().to_vec()).unwrap();
        assert!(text.is_ascii() && !text.contains("secret@"), "{text}");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
        let message = MessageParser::default().parse(draft.content()).unwrap();
        assert_eq!(message.subject(), Some("Grüße Bcc: evil@example.com"));
        assert_eq!(message.header_values("Bcc").count(), 0);
        assert!(message.message_id().unwrap().ends_with("@example.org"));
        assert_eq!(
            message.attachments().next().unwrap().contents(),
            [0, 13, 10, 255]
        );
        let body = message.body_text(0).unwrap().replace("\r\n", "\n");
        assert_eq!(body, "Zeile eins\n.Punkt\ndrei ä\n");
        assert_eq!(draft.recipients().len(), 2);
        assert_eq!(
            (draft.body(), draft.has_utf8_header()),
            (Body::SevenBit, false)
        );
    }

    #[test]
    fn somebody_has_to_get_it() {
        assert_eq!(
            Draft::new(&account(), &Letter::default()),
            Err(ComposeError::NoRecipient)
        );
    }

    #[test]
    fn line_ends() {
        assert_eq!(with_crlf(b"a\nb\r\nc\n\n"), b"a\r\nb\r\nc\r\n\r\n");
    }
}
