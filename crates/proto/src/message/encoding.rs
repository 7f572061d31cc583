//! The stored form of an [`Index`]: compact, versioned, checked when read.
//!
//! ```text
//! index  = version:u8(1) octets:varint part
//! part   = kind:u8 gap:varint header:varint body:varint lines:varint
//!          count:varint *(field:u8 length:varint octets) [children:varint] *part
//! ```
//! `gap` is what lies between the end of what stood before (the parent's header, or the part before) and
//! this header. Parts follow in the order of their headers. Varints are LEB128 in their shortest form.

use super::fields::{Field, Fields};
use super::index::{Index, Kind, Part};
use super::indexer::IndexLimits;

const VERSION: u8 = 1;

const LEAF: u8 = 0;
const OPAQUE: u8 = 1;
const MULTIPART: u8 = 2;
const MESSAGE: u8 = 3;

/// Why stored octets are no index. The message can always be indexed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadIndex {
    /// Written by a version this one does not know. Index the message again.
    #[error("message index of unknown version {0}; index the message again")]
    Version(u8),
    /// It ends too early. Index the message again.
    #[error("message index is cut off; index the message again")]
    CutOff,
    /// Something in it cannot be.
    #[error("message index is damaged ({0}); index the message again")]
    Damaged(&'static str),
}

impl Index {
    /// The stored form. With [`super::IndexLimits::default`] it is under 512 KiB, and for an ordinary message
    /// a few hundred octets.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        varint(&mut out, self.octets);
        if !self.parts.is_empty() {
            self.write_part(&mut out, 0, 0);
        }
        out
    }

    /// Writes a part and what is inside; `from` is where what stood before it ended.
    fn write_part(&self, out: &mut Vec<u8>, at: usize, from: u64) {
        let Some(part) = self.parts.get(at) else {
            return;
        };
        out.push(match part.kind {
            Kind::Leaf => LEAF,
            Kind::Opaque => OPAQUE,
            Kind::Multipart(_) => MULTIPART,
            Kind::Message(_) => MESSAGE,
        });
        varint(out, part.header.start - from);
        varint(out, part.header.end - part.header.start);
        varint(out, part.body_end - part.header.end);
        varint(out, part.lines);
        varint(out, part.fields.iter().len() as u64);
        for (field, value) in part.fields.iter() {
            out.push(field as u8);
            varint(out, value.len() as u64);
            out.extend_from_slice(value);
        }
        match &part.kind {
            Kind::Leaf | Kind::Opaque => {}
            Kind::Message(inside) => self.write_part(out, *inside, part.header.end),
            Kind::Multipart(children) => {
                varint(out, children.len() as u64);
                let mut from = part.header.end;
                for child in children {
                    self.write_part(out, *child, from);
                    from = self.parts.get(*child).map_or(from, |child| child.body_end);
                }
            }
        }
    }

    /// Reads the stored form back. Needs no more memory than a small multiple of `bytes`.
    ///
    /// # Errors
    /// See [`BadIndex`]. Whatever the octets are, an index that is returned is sound: its ranges are within
    /// the message, parts are within their parent and in order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadIndex> {
        let mut reader = Reader {
            rest: bytes,
            parts: Vec::new(),
        };
        match reader.octet()? {
            VERSION => {}
            other => return Err(BadIndex::Version(other)),
        }
        let octets = reader.varint()?;
        reader.part(0, octets, 1)?;
        if !reader.rest.is_empty() {
            return Err(BadIndex::Damaged("octets after the end"));
        }
        match reader.parts.first() {
            Some(message) if message.header.start == 0 && message.body_end == octets => Ok(Self {
                parts: reader.parts,
                octets,
            }),
            _ => Err(BadIndex::Damaged("the message is not the whole")),
        }
    }
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

struct Reader<'a> {
    rest: &'a [u8],
    parts: Vec<Part>,
}

impl Reader<'_> {
    fn octet(&mut self) -> Result<u8, BadIndex> {
        let (first, rest) = self.rest.split_first().ok_or(BadIndex::CutOff)?;
        self.rest = rest;
        Ok(*first)
    }

    fn varint(&mut self) -> Result<u64, BadIndex> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if octet < 0x80 {
                if octet == 0 && shift > 0 {
                    return Err(BadIndex::Damaged("a number is not in its shortest form"));
                }
                return Ok(number);
            }
        }
        Err(BadIndex::Damaged("a number is too large"))
    }

    /// Reads a part that begins at or after `from` and ends at or before `limit`; returns its position.
    fn part(&mut self, from: u64, limit: u64, depth: usize) -> Result<usize, BadIndex> {
        if depth > IndexLimits::MOST_DEPTH {
            return Err(BadIndex::Damaged("parts are nested too deeply"));
        }
        let kind = self.octet()?;
        let mut end = from;
        let mut forward = |length: u64| {
            end = end
                .checked_add(length)
                .filter(|end| *end <= limit)
                .ok_or(BadIndex::Damaged("a part goes past its parent"))?;
            Ok(end)
        };
        let header_start = forward(self.varint()?)?;
        let header_end = forward(self.varint()?)?;
        let body_end = forward(self.varint()?)?;
        let lines = self.varint()?;
        if lines > body_end - header_end {
            return Err(BadIndex::Damaged("more lines than octets"));
        }
        let fields = self.fields()?;
        let at = self.parts.len();
        self.parts.push(Part {
            header: header_start..header_end,
            body_end,
            lines,
            kind: Kind::Leaf,
            fields,
        });
        let kind = match kind {
            LEAF => Kind::Leaf,
            OPAQUE => Kind::Opaque,
            MESSAGE => Kind::Message(self.part(header_end, body_end, depth + 1)?),
            MULTIPART => {
                let count = self.varint()?;
                if count == 0 {
                    return Err(BadIndex::Damaged("a multipart without parts"));
                }
                let mut children = Vec::new();
                let mut from = header_end;
                // Each part takes octets, so a false count ends soon.
                for _ in 0..count {
                    let child = self.part(from, body_end, depth + 1)?;
                    from = self.parts.get(child).map_or(from, |child| child.body_end);
                    children.push(child);
                }
                Kind::Multipart(children)
            }
            _ => return Err(BadIndex::Damaged("a part of unknown kind")),
        };
        if let Some(part) = self.parts.get_mut(at) {
            part.kind = kind;
        }
        Ok(at)
    }

    fn fields(&mut self) -> Result<Fields, BadIndex> {
        let count = self.varint()?;
        let mut fields = Fields::default();
        for _ in 0..count {
            let field = Field::from_code(self.octet()?)
                .ok_or(BadIndex::Damaged("a header field of unknown code"))?;
            if fields.get(field).is_some() {
                return Err(BadIndex::Damaged("a header field twice"));
            }
            let length = usize::try_from(self.varint()?).map_err(|_| BadIndex::CutOff)?;
            let (value, rest) = self.rest.split_at_checked(length).ok_or(BadIndex::CutOff)?;
            if value.iter().any(|octet| matches!(octet, 0 | b'\r' | b'\n')) {
                return Err(BadIndex::Damaged("a line end or NUL in a header field"));
            }
            self.rest = rest;
            fields.add(field, value);
        }
        Ok(fields)
    }
}
