//! FETCH (RFC 3501 §6.4.5, §7.4.2), with MODSEQ and CHANGEDSINCE (RFC 7162 §3.1.4).

use std::fmt::Write as _;

use super::{
    Command, Completion, Cursor, DateTime, Extension, Forms, Messages, Naming, Output, Reading,
    Refusal, Responses, State, SyntaxError, When, put_astring,
};
use crate::message::{self, BodyStructure, Envelope};

use super::structure::{self, Form};

/// The most items one FETCH may have.
const ITEMS: usize = 128;
/// The deepest part a section may name.
const DEPTH: usize = 64;

/// FETCH: [`Responses::fetch_open`] and so on for each message, then complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Which messages.
    pub messages: Messages,
    /// What to tell of each.
    pub items: Vec<FetchItem>,
    /// Only messages that changed since.
    pub changed_since: Option<u64>,
}

/// One thing to tell of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchItem {
    /// `UID`.
    Uid,
    /// `FLAGS`.
    Flags,
    /// `INTERNALDATE`.
    InternalDate,
    /// `RFC822.SIZE`.
    Size,
    /// `ENVELOPE`.
    Envelope,
    /// `BODY`, without extension data.
    Body,
    /// `BODYSTRUCTURE`.
    BodyStructure,
    /// `MODSEQ`.
    Modseq,
    /// Octets of the message.
    Section(Octets),
}

impl FetchItem {
    /// Whether telling it sets `\Seen` (RFC 3501 §6.4.5).
    #[must_use]
    pub fn sets_seen(&self) -> bool {
        match self {
            Self::Section(Octets { label, .. }) => {
                matches!(label, Label::Body | Label::Rfc822 | Label::Rfc822Text)
            }
            _ => false,
        }
    }
}

/// Octets of a message, as they were asked for: `BODY[1.2.HEADER]<0.100>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Octets {
    /// Which.
    pub section: Section,
    /// Only this many from there.
    pub partial: Option<Partial>,
    /// The name they were asked for by.
    pub label: Label,
}

impl Octets {
    /// What is wanted of a range.
    #[must_use]
    pub fn part_of(&self, range: std::ops::Range<u64>) -> std::ops::Range<u64> {
        let Some(partial) = self.partial else {
            return range;
        };
        let start = range.start.saturating_add(partial.origin).min(range.end);
        start..start.saturating_add(partial.count).min(range.end)
    }
}

/// By what name octets were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// `BODY[...]`.
    Body,
    /// `BODY.PEEK[...]`, told as `BODY[...]`.
    BodyPeek,
    /// `RFC822`.
    Rfc822,
    /// `RFC822.HEADER`, which sets no flag.
    Rfc822Header,
    /// `RFC822.TEXT`.
    Rfc822Text,
}

/// Which octets: `1.2.HEADER.FIELDS (FROM TO)`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// Part numbers; none for the message itself.
    pub path: Vec<u32>,
    /// What of it; all of it, where there is nothing.
    pub text: Option<SectionText>,
}

/// What of a message or part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SectionText {
    /// `HEADER`.
    Header,
    /// `HEADER.FIELDS`: the fields with these names.
    HeaderFields(Vec<Vec<u8>>),
    /// `HEADER.FIELDS.NOT`: all but the fields with these names.
    HeaderFieldsNot(Vec<Vec<u8>>),
    /// `TEXT`.
    Text,
    /// `MIME`.
    Mime,
}

impl Section {
    /// The range of a message's octets it is made of, or chosen from where it is a selection of header
    /// fields. `None` where the message has no such section.
    #[must_use]
    pub fn range(&self, index: &message::Index) -> Option<std::ops::Range<u64>> {
        let section = match self.text {
            None => message::Section::Body,
            Some(
                SectionText::Header
                | SectionText::HeaderFields(_)
                | SectionText::HeaderFieldsNot(_),
            ) => message::Section::Header,
            Some(SectionText::Text) => message::Section::Text,
            Some(SectionText::Mime) => message::Section::Mime,
        };
        index.section(&self.path, section)
    }

    fn put(&self, out: &mut Output) {
        let mut parted = false;
        for number in &self.path {
            out.text(&format!("{}{number}", if parted { "." } else { "" }));
            parted = true;
        }
        let Some(text) = &self.text else { return };
        if parted {
            out.text(".");
        }
        let (name, fields) = match text {
            SectionText::Header => ("HEADER", None),
            SectionText::HeaderFields(fields) => ("HEADER.FIELDS", Some(fields)),
            SectionText::HeaderFieldsNot(fields) => ("HEADER.FIELDS.NOT", Some(fields)),
            SectionText::Text => ("TEXT", None),
            SectionText::Mime => ("MIME", None),
        };
        out.text(name);
        if let Some(fields) = fields {
            for (at, field) in fields.iter().enumerate() {
                out.text(if at == 0 { " (" } else { " " });
                put_astring(out.buffer(), field);
            }
            out.text(")");
        }
    }
}

/// `<origin.count>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partial {
    /// The first octet, counted from 0.
    pub origin: u64,
    /// The most octets.
    pub count: u64,
}

impl Command for Fetch {
    const NAME: &'static str = "FETCH";
    const WHEN: When = When::Selected;
    const FORMS: Forms = Forms::PlainAndUid;
    const EXAMPLES: &'static [&'static str] = &[
        "FETCH 1:* ALL",
        "FETCH 1 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE) (CHANGEDSINCE 1)",
        "UID FETCH 2 (BODY[] BODY.PEEK[HEADER.FIELDS (FROM {2+}\r\nTO)]<0.5> BODY[1.2.MIME] RFC822.TEXT)",
    ];

    fn read(cursor: &mut Cursor<'_>, reading: Reading<'_>) -> Result<Self, Refusal> {
        let messages = Messages::read(cursor, reading)?;
        cursor.space()?;
        let mut items = Vec::new();
        if cursor.peek() == Some(b'(') {
            cursor.list("items in parentheses", ITEMS, |cursor| {
                item(cursor, &mut items)
            })?;
        } else if !macros(cursor, &mut items) {
            item(cursor, &mut items)?;
        }
        let mut changed_since = None;
        if cursor.eat_text(" (CHANGEDSINCE ") {
            changed_since = Some(cursor.number64()?);
            cursor.expect(b')', "a closing parenthesis")?;
            if !items.contains(&FetchItem::Modseq) {
                items.push(FetchItem::Modseq);
            }
        }
        // RFC 3501 §6.4.8: a UID FETCH always tells the UID.
        if reading.naming == Naming::Uid && !items.contains(&FetchItem::Uid) {
            items.insert(0, FetchItem::Uid);
        }
        Ok(Self {
            messages,
            items,
            changed_since,
        })
    }

    fn begin(self, state: &mut State) -> Result<Self, Completion> {
        if self.items.contains(&FetchItem::Modseq) {
            state.enable(Extension::Condstore);
        }
        Ok(self)
    }
}

fn macros(cursor: &mut Cursor<'_>, items: &mut Vec<FetchItem>) -> bool {
    use FetchItem::{Body, Envelope, Flags, InternalDate, Size};
    let rest = cursor.rest();
    let word = rest.split(|byte| *byte == b' ').next().unwrap_or(rest);
    let wanted: &[FetchItem] = match word.to_ascii_uppercase().as_slice() {
        b"ALL" => &[Flags, InternalDate, Size, Envelope],
        b"FAST" => &[Flags, InternalDate, Size],
        b"FULL" => &[Flags, InternalDate, Size, Envelope, Body],
        _ => return false,
    };
    items.extend_from_slice(wanted);
    cursor.take_while(|byte| byte != b' ');
    true
}

fn item(cursor: &mut Cursor<'_>, items: &mut Vec<FetchItem>) -> Result<(), SyntaxError> {
    let error = cursor.error("a fetch item");
    let whole = |text, label| {
        let path = Vec::new();
        FetchItem::Section(Octets {
            section: Section { path, text },
            partial: None,
            label,
        })
    };
    let item = match cursor.word()?.to_ascii_uppercase().as_str() {
        "UID" => FetchItem::Uid,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "ENVELOPE" => FetchItem::Envelope,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "MODSEQ" => FetchItem::Modseq,
        "RFC822.SIZE" => FetchItem::Size,
        "RFC822" => whole(None, Label::Rfc822),
        "RFC822.HEADER" => whole(Some(SectionText::Header), Label::Rfc822Header),
        "RFC822.TEXT" => whole(Some(SectionText::Text), Label::Rfc822Text),
        "BODY" if cursor.peek() != Some(b'[') => FetchItem::Body,
        "BODY" => octets(cursor, Label::Body)?,
        "BODY.PEEK" => octets(cursor, Label::BodyPeek)?,
        _ => return Err(error),
    };
    if !items.contains(&item) {
        items.push(item);
    }
    Ok(())
}

fn octets(cursor: &mut Cursor<'_>, label: Label) -> Result<FetchItem, SyntaxError> {
    cursor.expect(b'[', "a section in brackets")?;
    let section = section(cursor)?;
    cursor.expect(b']', "the end of a section")?;
    let mut partial = None;
    if cursor.eat(b'<') {
        let origin = cursor.number64()?;
        cursor.expect(b'.', "a count")?;
        let error = cursor.error("a count above 0");
        let count = cursor.number64()?;
        cursor.expect(b'>', "the end of a partial range")?;
        if count == 0 {
            return Err(error);
        }
        partial = Some(Partial { origin, count });
    }
    Ok(FetchItem::Section(Octets {
        section,
        partial,
        label,
    }))
}

fn section(cursor: &mut Cursor<'_>) -> Result<Section, SyntaxError> {
    let mut path = Vec::new();
    while cursor.peek().is_some_and(|byte| byte.is_ascii_digit()) {
        if path.len() == DEPTH {
            return Err(cursor.error("a section less deep"));
        }
        path.push(cursor.nz_number()?.get());
        if !cursor.eat(b'.') {
            return Ok(Section { path, text: None });
        }
    }
    if path.is_empty() && cursor.peek() == Some(b']') {
        return Ok(Section::default());
    }
    let error = cursor.error("HEADER, TEXT or MIME");
    let text = match cursor.word()?.to_ascii_uppercase().as_str() {
        "HEADER" => SectionText::Header,
        "HEADER.FIELDS" => SectionText::HeaderFields(field_names(cursor)?),
        "HEADER.FIELDS.NOT" => SectionText::HeaderFieldsNot(field_names(cursor)?),
        "TEXT" => SectionText::Text,
        "MIME" if !path.is_empty() => SectionText::Mime,
        _ => return Err(error),
    };
    Ok(Section {
        path,
        text: Some(text),
    })
}

fn field_names(cursor: &mut Cursor<'_>) -> Result<Vec<Vec<u8>>, SyntaxError> {
    cursor.space()?;
    let mut names = Vec::new();
    cursor.list("field names in parentheses", usize::MAX, |cursor| {
        names.push(cursor.astring()?.into_owned());
        Ok(())
    })?;
    Ok(names)
}

/// One FETCH response is written by [`Responses::fetch_open`], any of the others, [`Responses::fetch_close`].
impl Responses {
    /// Begins the response for the message with this number.
    pub fn fetch_open(&mut self, number: u32) {
        self.output().text(&format!("* {number} FETCH ("));
        self.first_item();
    }

    /// Tells the UID.
    pub fn fetch_uid(&mut self, uid: u32) {
        self.item(&format!("UID {uid}"));
    }

    /// Tells the flags.
    pub fn fetch_flags<'a>(&mut self, flags: impl IntoIterator<Item = &'a str>) {
        let mut list = String::new();
        for flag in flags {
            // Writing into a String cannot fail.
            let _ = write!(list, " {flag}");
        }
        self.item(&format!("FLAGS ({})", list.trim_start()));
    }

    /// Tells when the message was received.
    pub fn fetch_internal_date(&mut self, date: DateTime) {
        self.item(&format!("INTERNALDATE {date}"));
    }

    /// Tells its size in octets.
    pub fn fetch_size(&mut self, octets: u64) {
        self.item(&format!("RFC822.SIZE {octets}"));
    }

    /// Tells its modification sequence.
    pub fn fetch_modseq(&mut self, modseq: u64) {
        self.item(&format!("MODSEQ ({modseq})"));
    }

    /// Tells its envelope.
    pub fn fetch_envelope(&mut self, envelope: &Envelope) {
        let out = self.item("ENVELOPE ");
        structure::put_envelope(out.buffer(), envelope);
    }

    /// Tells its structure without extension data: `BODY`.
    pub fn fetch_body(&mut self, body: &BodyStructure) {
        let out = self.item("BODY ");
        structure::put_body(out.buffer(), body, Form::Basic);
    }

    /// Tells its structure: `BODYSTRUCTURE`.
    pub fn fetch_body_structure(&mut self, body: &BodyStructure) {
        let out = self.item("BODYSTRUCTURE ");
        structure::put_body(out.buffer(), body, Form::Extended);
    }

    /// Announces octets; exactly `length` of them have to follow by [`Responses::fetch_piece`].
    pub fn fetch_octets(&mut self, octets: &Octets, length: u64) {
        self.put_label(octets);
        self.output().text(&format!(" {{{length}}}\r\n"));
    }

    /// Says that the message has no such section.
    pub fn fetch_nothing(&mut self, octets: &Octets) {
        self.put_label(octets);
        self.output().text(" NIL");
    }

    fn put_label(&mut self, octets: &Octets) {
        let out = match octets.label {
            Label::Rfc822 => self.item("RFC822"),
            Label::Rfc822Header => self.item("RFC822.HEADER"),
            Label::Rfc822Text => self.item("RFC822.TEXT"),
            Label::Body | Label::BodyPeek => {
                let out = self.item("BODY[");
                octets.section.put(out);
                out.text("]");
                out
            }
        };
        if let Some(partial) = octets.partial {
            out.text(&format!("<{}>", partial.origin));
        }
    }

    /// Octets that were announced. Write what is out before the next piece, once
    /// [`crate::imap::server::Dialogue::is_full`].
    pub fn fetch_piece(&mut self, piece: &[u8]) {
        self.output().octets(piece);
    }

    /// Ends the response.
    pub fn fetch_close(&mut self) {
        self.output().line(")");
    }

    /// One whole response: the flags of a message are these now. The UID is told where the command was a UID
    /// command, the modification sequence where the session has enabled CONDSTORE.
    pub fn flags<'a>(
        &mut self,
        number: u32,
        uid: Option<u32>,
        flags: impl IntoIterator<Item = &'a str>,
        modseq: u64,
    ) {
        self.fetch_open(number);
        if let Some(uid) = uid {
            self.fetch_uid(uid);
        }
        self.fetch_flags(flags);
        if self.enabled.has(Extension::Condstore) {
            self.fetch_modseq(modseq);
        }
        self.fetch_close();
    }
}
