//! [`Index`]: the tree of a message's parts, and the octet range of any section of it.

use std::ops::Range;

use super::content::MediaType;
use super::fields::{Field, Fields};

/// What a part's body is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Content without structure.
    Leaf,
    /// Content whose structure was not looked into: it lies beyond a limit, or is a message inside an
    /// encoding. Described as `application/octet-stream`.
    Opaque,
    /// A multipart with these parts (positions in [`Index::parts`]); at least one.
    Multipart(Vec<usize>),
    /// `message/rfc822` or `message/global`: the position of the message inside.
    Message(usize),
}

/// One part of a message, or a message itself (the root, and what lies inside `message/rfc822`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub(super) header: Range<u64>,
    pub(super) body_end: u64,
    pub(super) lines: u64,
    pub(super) kind: Kind,
    pub(super) fields: Fields,
}

impl Part {
    /// The octets of its header, with the empty line that ends it where there is one.
    #[must_use]
    pub fn header(&self) -> Range<u64> {
        self.header.clone()
    }

    /// The octets of its body; it begins where the header ends. The line end before the next boundary is
    /// not part of it (RFC 2046 §5.1.1).
    #[must_use]
    pub fn body(&self) -> Range<u64> {
        self.header.end..self.body_end
    }

    /// Line ends (LF octets) in its body.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// What its body is made of.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What the header says the body is, if it says so in a way that can be read.
    pub(super) fn declared_type(&self) -> Option<MediaType> {
        MediaType::parse(self.fields.get(Field::ContentType)?)
    }
}

/// Which octets of a message or part are meant by `BODY[section]` (RFC 9051 §6.4.5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// `BODY[1.2]`: the part's body, still in its transfer encoding. With an empty path `BODY[]`, the whole
    /// message.
    Body,
    /// `BODY[HEADER]`, `BODY[1.2.HEADER]`: the header of the message, or of the message inside a part; with
    /// the empty line that ends it.
    Header,
    /// `BODY[TEXT]`, `BODY[1.2.TEXT]`: that message without its header.
    Text,
    /// `BODY[1.2.MIME]`: the part's own header. Needs a path.
    Mime,
}

/// The structure of one message. See the [module](super).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// In the order of their headers: a part stands before what it contains. The first is the message.
    pub(super) parts: Vec<Part>,
    pub(super) octets: u64,
}

/// Where a section path leads.
#[derive(Clone, Copy)]
enum At {
    /// To a message, whose numbers are those of its body's parts.
    Message(usize),
    /// To a part, or to the only body of a message that is no multipart.
    Part(usize),
}

impl Index {
    /// Octets of the whole message (RFC822.SIZE).
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// All parts, a part before what it contains. The first is the message itself.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The part a section path such as `1.2` leads to; an empty path leads to the message.
    #[must_use]
    pub fn part(&self, path: &[u32]) -> Option<&Part> {
        match self.walk(path)? {
            At::Message(at) | At::Part(at) => self.parts.get(at),
        }
    }

    /// The octets `BODY[path.section]` is made of. `None` where the message has no such section: FETCH then
    /// answers NIL.
    #[must_use]
    pub fn section(&self, path: &[u32], section: Section) -> Option<Range<u64>> {
        match (self.walk(path)?, section) {
            (At::Message(_), Section::Body) => Some(0..self.octets),
            (At::Part(at), Section::Body) => Some(self.parts.get(at)?.body()),
            (At::Message(_), Section::Mime) => None,
            (At::Part(at), Section::Mime) => Some(self.parts.get(at)?.header()),
            (At::Message(at), Section::Header) => Some(self.parts.get(at)?.header()),
            (At::Message(at), Section::Text) => Some(self.parts.get(at)?.body()),
            (At::Part(at), Section::Header) => Some(self.message_inside(at)?.header()),
            (At::Part(at), Section::Text) => Some(self.message_inside(at)?.body()),
        }
    }

    fn message_inside(&self, at: usize) -> Option<&Part> {
        match self.parts.get(at)?.kind {
            Kind::Message(inside) => self.parts.get(inside),
            _ => None,
        }
    }

    fn walk(&self, path: &[u32]) -> Option<At> {
        let mut at = At::Message(0);
        for &number in path {
            let child = usize::try_from(number).ok()?.checked_sub(1)?;
            at = match at {
                At::Message(message) => self.body_part(message, child)?,
                At::Part(part) => match &self.parts.get(part)?.kind {
                    Kind::Multipart(children) => At::Part(*children.get(child)?),
                    Kind::Message(message) => self.body_part(*message, child)?,
                    Kind::Leaf | Kind::Opaque => return None,
                },
            };
        }
        Some(at)
    }

    /// Part `child` (from 0) of a message's body. A body that is no multipart is its own part 1.
    fn body_part(&self, message: usize, child: usize) -> Option<At> {
        match &self.parts.get(message)?.kind {
            Kind::Multipart(children) => children.get(child).copied().map(At::Part),
            _ => (child == 0).then_some(At::Part(message)),
        }
    }
}
