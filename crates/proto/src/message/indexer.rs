//! [`Indexer`]: finds the structure of a message in one pass.

use super::content::MediaType;
use super::fields::{Field, HeaderReader};
use super::index::{Index, Kind, Part};
use super::lexer::trim_end_blanks;

/// A delimiter line is looked for in lines up to this long. RFC 2046 §5.1.1 allows boundaries of 70 octets.
const DELIMITER_LINE: usize = 512;

/// The longest boundary that is honoured, so that its delimiter lines with some padding stay findable.
const BOUNDARY: usize = 250;

/// What an [`Indexer`] spends on one message at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexLimits {
    /// Parts, the message itself and messages inside messages included; less than 2 is taken for 2. What
    /// comes after is one opaque part.
    pub parts: usize,
    /// Parts within parts; more than [`IndexLimits::MOST_DEPTH`] is taken for that. A deeper multipart or
    /// message is an opaque part.
    pub depth: usize,
    /// Octets of one header that are looked at for fields. Fields beyond are not kept; the end of the header
    /// is still found.
    pub header: usize,
    /// Octets of field values that are kept for the whole message.
    pub kept: usize,
}

impl IndexLimits {
    /// No index is deeper than this, whatever the limits say.
    pub const MOST_DEPTH: usize = 200;
}

impl Default for IndexLimits {
    /// 1,000 parts, 50 deep, 64 KiB of each header, 256 KiB kept: an index stays under half a MiB.
    fn default() -> Self {
        Self {
            parts: 1_000,
            depth: 50,
            header: 64 * 1024,
            kept: 256 * 1024,
        }
    }
}

/// A part that has not ended yet.
#[derive(Debug)]
struct Open {
    part: usize,
    /// While its delimiters are looked for.
    boundary: Option<Vec<u8>>,
    /// LF octets before its body.
    lines_before: u64,
    /// Whether its parts are messages unless they say otherwise (RFC 2046 §5.1.5).
    is_digest: bool,
}

/// Takes a message in pieces and yields its [`Index`]. How the message is cut into pieces never matters.
#[derive(Debug)]
pub struct Indexer {
    limits: IndexLimits,
    parts: Vec<Part>,
    /// From the message down to the innermost part.
    open: Vec<Open>,
    /// How many of `open` have a boundary.
    boundaries: usize,
    /// The header being read, which is that of the innermost part.
    header: Option<HeaderReader>,
    /// Octets of values that may still be kept.
    budget: usize,
    /// The beginning of the current line, as far as it is wanted.
    line: Vec<u8>,
    line_start: u64,
    /// Whether the last octet was a CR.
    after_cr: bool,
    /// Octets of the line end before the current line.
    line_end_before: u64,
    offset: u64,
    /// LF octets so far.
    lines: u64,
    /// LF octets before the current line.
    lines_before: u64,
    #[cfg(test)]
    comparisons: u64,
}

impl Indexer {
    /// Ready for the first octet of a message.
    #[must_use]
    pub fn new(limits: IndexLimits) -> Self {
        let limits = IndexLimits {
            parts: limits.parts.max(2),
            depth: limits.depth.min(IndexLimits::MOST_DEPTH),
            ..limits
        };
        let mut indexer = Self {
            limits,
            parts: Vec::new(),
            open: Vec::new(),
            boundaries: 0,
            header: None,
            budget: limits.kept,
            line: Vec::new(),
            line_start: 0,
            after_cr: false,
            line_end_before: 0,
            offset: 0,
            lines: 0,
            lines_before: 0,
            #[cfg(test)]
            comparisons: 0,
        };
        indexer.begin_part(0, true);
        indexer
    }

    /// Takes the next octets of the message.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.header.is_none() && self.boundaries == 0 {
                // Nothing can end this part but the end of the message.
                self.lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
                self.offset += bytes.len() as u64;
                return;
            }
            let Some(at) = memchr::memchr(b'\n', bytes) else {
                self.collect(bytes);
                return;
            };
            let (head, tail) = bytes.split_at(at);
            self.collect(head);
            self.offset += 1;
            self.lines += 1;
            let line_end = if self.after_cr { 2 } else { 1 };
            self.end_line(line_end);
            bytes = tail.get(1..).unwrap_or_default();
        }
    }

    /// The message is over.
    #[must_use]
    pub fn finish(mut self) -> Index {
        let unfinished = self.line_start < self.offset;
        if unfinished && (self.header.is_some() || self.boundaries > 0) {
            self.end_line(0);
        }
        self.line_end_before = 0;
        self.line_start = self.offset;
        self.lines_before = self.lines;
        self.close_down_to(0);
        Index {
            parts: self.parts,
            octets: self.offset,
        }
    }

    /// Octets of the current line, no LF among them.
    fn collect(&mut self, bytes: &[u8]) {
        let wanted = match &self.header {
            Some(header) => header.wants().max(DELIMITER_LINE),
            None => DELIMITER_LINE,
        };
        // One more than wanted, to tell a line that fits from one that does not.
        let room = (wanted + 1).saturating_sub(self.line.len());
        self.line
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.offset += bytes.len() as u64;
        if let Some(last) = bytes.last() {
            self.after_cr = *last == b'\r';
        }
    }

    /// The current line is over, with a line end of 0 (end of message), 1 or 2 octets.
    fn end_line(&mut self, line_end: u64) {
        let mut line = std::mem::take(&mut self.line);
        if line_end == 2 && self.offset - self.line_start == line.len() as u64 + 1 {
            line.pop();
        }
        match self.delimiter(&line) {
            Some((level, Delimiter::Next)) => self.next_part(level),
            Some((level, Delimiter::Close)) => {
                self.close_down_to(level + 1);
                self.forget_boundary(level);
            }
            None => {
                if let Some(header) = &mut self.header {
                    if self.offset - self.line_start == line_end {
                        self.end_header(self.offset, self.lines);
                    } else {
                        header.line(&line);
                    }
                }
            }
        }
        line.clear();
        self.line = line;
        self.line_start = self.offset;
        self.lines_before = self.lines;
        self.line_end_before = line_end;
        self.after_cr = false;
    }

    /// Whether this line is a delimiter of an open multipart, and of which. The longest boundary wins, since
    /// one can be the beginning of another; then the innermost.
    fn delimiter(&mut self, line: &[u8]) -> Option<(usize, Delimiter)> {
        if self.boundaries == 0 || line.len() > DELIMITER_LINE {
            return None;
        }
        let text = line.strip_prefix(b"--")?;
        let mut best: Option<(usize, usize, Delimiter)> = None;
        for (level, open) in self.open.iter().enumerate() {
            let Some(boundary) = &open.boundary else {
                continue;
            };
            #[cfg(test)]
            {
                self.comparisons += 1;
            }
            let Some(padding) = text.strip_prefix(boundary.as_slice()) else {
                continue;
            };
            let kind = match trim_end_blanks(padding) {
                b"" => Delimiter::Next,
                b"--" => Delimiter::Close,
                _ => continue,
            };
            if best.is_none_or(|(length, ..)| length <= boundary.len()) {
                best = Some((boundary.len(), level, kind));
            }
        }
        best.map(|(_, level, kind)| (level, kind))
    }

    fn next_part(&mut self, level: usize) {
        self.close_down_to(level + 1);
        let Some(open) = self.open.get(level) else {
            return;
        };
        let parent = open.part;
        let child = self.parts.len();
        if let Some(Part {
            kind: Kind::Multipart(children),
            ..
        }) = self.parts.get_mut(parent)
        {
            children.push(child);
        }
        self.begin_part(self.offset, false);
        if self.parts.len() >= self.limits.parts {
            // The last part there is room for: all the rest, without structure.
            self.header = None;
            self.boundaries = 0;
            for open in &mut self.open {
                open.boundary = None;
            }
            if let Some(part) = self.parts.get_mut(child) {
                part.kind = Kind::Opaque;
            }
        }
    }

    /// A part, or a message, begins with its header at `start`.
    fn begin_part(&mut self, start: u64, whole_message: bool) {
        self.open.push(Open {
            part: self.parts.len(),
            boundary: None,
            lines_before: self.lines,
            is_digest: false,
        });
        self.parts.push(Part {
            header: start..start,
            body_end: start,
            lines: 0,
            kind: Kind::Leaf,
            fields: Default::default(),
        });
        self.header = Some(HeaderReader::new(
            whole_message,
            self.limits.header,
            self.budget,
        ));
    }

    /// The header of the innermost part ends before octet `end`, with `lines` LF octets before that.
    fn end_header(&mut self, end: u64, lines: u64) {
        let Some(header) = self.header.take() else {
            return;
        };
        let (fields, budget) = header.finish();
        self.budget = budget;
        let in_digest = self
            .open
            .len()
            .checked_sub(2)
            .and_then(|parent| self.open.get(parent))
            .is_some_and(|parent| parent.is_digest);
        let room = self.open.len() < self.limits.depth;
        // The last part there is room for is kept for all the rest of a multipart.
        let room_inside = room && self.parts.len() + 1 < self.limits.parts;
        let inside = self.parts.len();
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let Some(part) = self.parts.get_mut(open.part) else {
            return;
        };
        part.header.end = end;
        part.body_end = end;
        part.fields = fields;
        open.lines_before = lines;
        let media = match part.fields.get(Field::ContentType) {
            Some(value) => MediaType::parse(value),
            None if in_digest => Some(MediaType::plain("message", "rfc822")),
            None => None,
        };
        let Some(media) = media else {
            return;
        };
        if media.is_kind("multipart") {
            let Some(boundary) = boundary_of(&media) else {
                return;
            };
            if room {
                part.kind = Kind::Multipart(Vec::new());
                open.is_digest = media.is("multipart", "digest");
                open.boundary = Some(boundary);
                self.boundaries += 1;
            } else {
                part.kind = Kind::Opaque;
            }
        } else if media.is("message", "rfc822") || media.is("message", "global") {
            if room_inside && has_identity_encoding(part) {
                part.kind = Kind::Message(inside);
                self.begin_part(end, true);
            } else {
                part.kind = Kind::Opaque;
            }
        }
    }

    fn forget_boundary(&mut self, level: usize) {
        if let Some(open) = self.open.get_mut(level)
            && open.boundary.take().is_some()
        {
            self.boundaries -= 1;
        }
    }

    /// Ends every open part from the innermost up to and including `level`, before the current line. The
    /// line end in front of that line belongs to the delimiter (RFC 2046 §5.1.1), unless it is a header's.
    fn close_down_to(&mut self, level: usize) {
        let end = self.line_start - self.line_end_before;
        let lines_at_end = self.lines_before - u64::from(self.line_end_before > 0);
        let mut inner_end = 0;
        while self.open.len() > level {
            if self.header.is_some() {
                // May open the message inside a message/rfc822 part, whose header then ends here as well.
                self.end_header(self.line_start, self.lines_before);
                continue;
            }
            self.forget_boundary(self.open.len() - 1);
            let Some(open) = self.open.pop() else {
                return;
            };
            let Some(part) = self.parts.get_mut(open.part) else {
                return;
            };
            part.body_end = end.max(part.header.end).max(inner_end);
            inner_end = part.body_end;
            let lines = if part.body_end == self.line_start {
                self.lines_before
            } else {
                lines_at_end
            };
            part.lines = lines.saturating_sub(open.lines_before);
            if matches!(&part.kind, Kind::Multipart(children) if children.is_empty()) {
                // Not one delimiter: the body is what it would be without a Content-Type.
                part.kind = Kind::Leaf;
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Delimiter {
    Next,
    Close,
}

/// The boundary of a multipart, if it is one that can be looked for.
fn boundary_of(media: &MediaType) -> Option<Vec<u8>> {
    let boundary = media.parameter("boundary")?;
    let boundary = trim_end_blanks(&boundary);
    (!boundary.is_empty() && boundary.len() <= BOUNDARY).then(|| boundary.to_vec())
}

/// Whether the body stands as it is, so that a message inside can be looked into (RFC 2046 §5.2.1).
fn has_identity_encoding(part: &Part) -> bool {
    part.fields
        .get(Field::ContentTransferEncoding)
        .is_none_or(|value| {
            let encoding = super::body_structure::encoding(value);
            ["7bit", "8bit", "binary"]
                .iter()
                .any(|identity| encoding.eq_ignore_ascii_case(identity.as_bytes()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5 MB in which every line could be a delimiter of each of 49 open multiparts.
    #[test]
    fn work_is_linear_in_a_message_of_nothing_but_boundaries() {
        let boundary = |level: usize| format!("{}{level}", "b".repeat(60));
        let mut message = String::new();
        for level in 0..60 {
            let boundary = boundary(level);
            message += &format!(
                "Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n"
            );
        }
        message += "\r\n";
        let line = format!("--{}x\r\n", "b".repeat(60));
        let lines = 5_000_000 / line.len();
        message += &line.repeat(lines);

        let mut indexer = Indexer::new(IndexLimits::default());
        let mut most_held = 0;
        for piece in message.as_bytes().chunks(4096) {
            indexer.push(piece);
            most_held = most_held.max(indexer.line.capacity());
        }
        assert_eq!(indexer.boundaries, 49);
        assert!(indexer.comparisons <= 49 * (lines as u64 + 60));
        assert!(most_held <= 2 * 64 * 1024);
        assert_eq!(indexer.finish().octets(), message.len() as u64);
    }

    /// 5 MB of delimiters: parts end at their limit, and after it nothing is compared any more.
    #[test]
    fn no_work_beyond_the_limit_of_parts() {
        let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
            .iter()
            .chain(b"--b\r\n".iter().cycle().take(5_000_000))
            .copied()
            .collect::<Vec<u8>>();
        let mut indexer = Indexer::new(IndexLimits::default());
        indexer.push(&message);
        assert_eq!(indexer.parts.len(), 1_000);
        assert!(indexer.comparisons <= 1_000);
        assert_eq!(indexer.finish().octets(), message.len() as u64);
    }
}
