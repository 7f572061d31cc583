//! [`BodyStructure`]: what BODYSTRUCTURE says about a message.

use super::content::{Disposition, MediaType};
use super::envelope::Envelope;
use super::fields::Field;
use super::index::{Index, Kind, Part};
use super::lexer::{Lexer, is_blank, is_token};

/// A part and what is inside it (RFC 9051 §7.5.2). Values are raw octets, as they stand on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyStructure {
    /// Media type and parameters. What the header leaves out or garbles is `text/plain; charset=us-ascii`
    /// (RFC 2045 §5.2), or `message/rfc822` in a digest.
    pub media: MediaType,
    /// Content-ID.
    pub id: Option<Vec<u8>>,
    /// Content-Description.
    pub description: Option<Vec<u8>>,
    /// Content-Transfer-Encoding; `7bit` where there is none.
    pub encoding: Vec<u8>,
    /// Octets of the body, in its transfer encoding.
    pub octets: u64,
    /// Content-MD5.
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition.
    pub disposition: Option<Disposition>,
    /// The tags of Content-Language; none where it is absent.
    pub language: Vec<Vec<u8>>,
    /// Content-Location.
    pub location: Option<Vec<u8>>,
    /// What is inside.
    pub content: Content,
}

/// What is inside a part, with the numbers BODYSTRUCTURE gives for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Parts; at least one.
    Multipart(Vec<BodyStructure>),
    /// A message.
    Message {
        /// Its envelope.
        envelope: Box<Envelope>,
        /// Its structure.
        body: Box<BodyStructure>,
        /// Line ends in the part that contains it.
        lines: u64,
    },
    /// Text.
    Text {
        /// Line ends in it.
        lines: u64,
    },
    /// Anything else.
    Basic,
}

impl Index {
    /// The message's structure. Reads nothing but the index. No deeper than [`super::IndexLimits::depth`].
    #[must_use]
    pub fn body_structure(&self) -> BodyStructure {
        self.structure_at(0).unwrap_or_else(|| BodyStructure {
            media: MediaType::default_text(),
            id: None,
            description: None,
            encoding: SEVEN_BIT.to_vec(),
            octets: 0,
            md5: None,
            disposition: None,
            language: Vec::new(),
            location: None,
            content: Content::Text { lines: 0 },
        })
    }

    fn structure_at(&self, at: usize) -> Option<BodyStructure> {
        let part = self.parts.get(at)?;
        let media = media_type(part);
        let content = match &part.kind {
            Kind::Multipart(children) => Content::Multipart(
                children
                    .iter()
                    .filter_map(|child| self.structure_at(*child))
                    .collect(),
            ),
            Kind::Message(inside) => Content::Message {
                envelope: Box::new(self.envelope_inside(part)?),
                body: Box::new(self.structure_at(*inside)?),
                lines: part.lines,
            },
            Kind::Leaf | Kind::Opaque if media.is_kind("text") => {
                Content::Text { lines: part.lines }
            }
            Kind::Leaf | Kind::Opaque => Content::Basic,
        };
        let text = |field| part.fields.get(field).map(<[u8]>::to_vec);
        Some(BodyStructure {
            media,
            id: text(Field::ContentId),
            description: text(Field::ContentDescription),
            encoding: part
                .fields
                .get(Field::ContentTransferEncoding)
                .map_or(SEVEN_BIT, encoding)
                .to_vec(),
            octets: part.body_end - part.header.end,
            md5: text(Field::ContentMd5),
            disposition: part
                .fields
                .get(Field::ContentDisposition)
                .and_then(Disposition::parse),
            language: part
                .fields
                .get(Field::ContentLanguage)
                .map(languages)
                .unwrap_or_default(),
            location: text(Field::ContentLocation),
            content,
        })
    }
}

const SEVEN_BIT: &[u8] = b"7bit";

/// The media type a part is described as, which always fits its [`Kind`].
fn media_type(part: &Part) -> MediaType {
    let declared = part.declared_type();
    match &part.kind {
        Kind::Opaque => MediaType::plain("application", "octet-stream"),
        Kind::Message(_) => declared.unwrap_or_else(|| MediaType::plain("message", "rfc822")),
        Kind::Multipart(_) => declared.unwrap_or_else(|| MediaType::plain("multipart", "mixed")),
        Kind::Leaf => declared
            .filter(|media| {
                !media.is_kind("multipart")
                    && !media.is("message", "rfc822")
                    && !media.is("message", "global")
            })
            .unwrap_or_else(MediaType::default_text),
    }
}

/// The word of a Content-Transfer-Encoding value.
pub(super) fn encoding(value: &[u8]) -> &[u8] {
    let mut lexer = Lexer::new(value);
    lexer.skip_cfws();
    let word = lexer.until(|octet| is_blank(octet) || !is_token(octet));
    if word.is_empty() { SEVEN_BIT } else { word }
}

/// The tags of a Content-Language value (RFC 3282).
fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    let mut lexer = Lexer::new(value);
    let mut tags = Vec::new();
    loop {
        lexer.skip_cfws();
        match lexer.peek() {
            None => return tags,
            Some(octet) if is_token(octet) => {
                tags.push(lexer.until(|octet| !is_token(octet)).to_vec());
            }
            Some(_) => lexer.skip(1),
        }
    }
}
