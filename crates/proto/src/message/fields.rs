//! Which header fields are kept, and how they are picked out of a header that streams by.

use super::header::Line;
use super::lexer::trim_blanks;

macro_rules! fields {
    ($($variant:ident = $code:literal, $name:literal, $repeats:expr;)*) => {
        /// A header field an index keeps. The number is its code in the stored form and never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Field { $($variant = $code,)* }

        impl Field {
            pub(super) fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            fn from_name(name: &[u8]) -> Option<Self> {
                $(if name.eq_ignore_ascii_case($name) { return Some(Self::$variant); })*
                None
            }

            /// What joins the values of a repeated field; `None` where the first one counts.
            ///
            /// Address fields are joined: if only one counted, a filter could judge one From while the
            /// reader is shown the other.
            fn joined_by(self) -> Option<&'static [u8]> {
                match self { $(Self::$variant => $repeats,)* }
            }
        }
    };
}

const LIST: Option<&[u8]> = Some(b", ");

fields! {
    Date = 1, b"Date", None;
    Subject = 2, b"Subject", None;
    From = 3, b"From", LIST;
    Sender = 4, b"Sender", LIST;
    ReplyTo = 5, b"Reply-To", LIST;
    To = 6, b"To", LIST;
    Cc = 7, b"Cc", LIST;
    Bcc = 8, b"Bcc", LIST;
    InReplyTo = 9, b"In-Reply-To", None;
    MessageId = 10, b"Message-ID", None;
    ContentType = 16, b"Content-Type", None;
    ContentTransferEncoding = 17, b"Content-Transfer-Encoding", None;
    ContentId = 18, b"Content-ID", None;
    ContentDescription = 19, b"Content-Description", None;
    ContentDisposition = 20, b"Content-Disposition", None;
    ContentMd5 = 21, b"Content-MD5", None;
    ContentLanguage = 22, b"Content-Language", None;
    ContentLocation = 23, b"Content-Location", None;
}

impl Field {
    /// Whether it describes a message as a whole (RFC 5322) and not a body part (RFC 2045).
    fn of_message(self) -> bool {
        (self as u8) < Self::ContentType as u8
    }
}

/// The kept fields of one part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(Field, Vec<u8>)>);

impl Fields {
    pub(super) fn get(&self, field: Field) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(have, _)| *have == field)
            .map(|(_, value)| value.as_slice())
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Field, &[u8])> {
        self.0
            .iter()
            .map(|(field, value)| (*field, value.as_slice()))
    }

    /// Adds a field, joined to or hidden by an earlier one of its name.
    pub(super) fn add(&mut self, field: Field, value: &[u8]) {
        match self.0.iter_mut().find(|(have, _)| *have == field) {
            None => self.0.push((field, value.to_vec())),
            Some((_, have)) => {
                if let Some(joint) = field.joined_by() {
                    have.extend_from_slice(joint);
                    have.extend_from_slice(value);
                }
            }
        }
    }
}

/// Picks the kept fields out of one header, line by line.
#[derive(Debug)]
pub(super) struct HeaderReader {
    whole_message: bool,
    fields: Fields,
    /// The field whose lines are being read, if it is one to keep.
    current: Option<Field>,
    value: Vec<u8>,
    /// Octets of this header that may still be looked at.
    patience: usize,
    /// Octets of values that may still be kept.
    budget: usize,
}

impl HeaderReader {
    /// `whole_message`: a message's header, not a body part's. At most `patience` octets of lines are looked
    /// at and at most `budget` octets of values kept.
    pub(super) fn new(whole_message: bool, patience: usize, budget: usize) -> Self {
        Self {
            whole_message,
            fields: Fields::default(),
            current: None,
            value: Vec::new(),
            patience,
            budget,
        }
    }

    /// How many octets of the next line are wanted.
    pub(super) fn wants(&self) -> usize {
        self.patience
    }

    /// Takes the next line, without its line end; possibly cut to what was wanted.
    pub(super) fn line(&mut self, line: &[u8]) {
        let line = line.get(..self.patience).unwrap_or(line);
        // The line end counts too, so that empty continuation lines cannot go on for ever.
        self.patience = self.patience.saturating_sub(line.len() + 1);
        let (name, value) = match Line::read(line) {
            Line::Continuation(text) => {
                if self.current.is_some() {
                    self.append(text);
                }
                return;
            }
            Line::Field { name, value } => (name, value),
            Line::Nameless => return self.end_field(),
        };
        self.end_field();
        self.current =
            Field::from_name(name).filter(|field| self.whole_message || !field.of_message());
        if self.current.is_some() {
            self.append(value);
        }
    }

    fn append(&mut self, text: &[u8]) {
        self.value.extend(
            text.iter()
                .filter(|octet| !matches!(octet, 0 | b'\r' | b'\n')),
        );
    }

    fn end_field(&mut self) {
        if let Some(field) = self.current.take()
            && self.budget > 0
        {
            let value = trim_blanks(&self.value);
            let value = value.get(..self.budget).unwrap_or(value);
            // A field costs its code and length as well, so that many empty ones are bounded too.
            self.budget = self.budget.saturating_sub(value.len() + 8);
            self.fields.add(field, value);
        }
        self.value.clear();
    }

    /// The fields, and what is left of the budget.
    pub(super) fn finish(mut self) -> (Fields, usize) {
        self.end_field();
        (self.fields, self.budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(whole_message: bool, lines: &[&str]) -> Fields {
        let mut reader = HeaderReader::new(whole_message, 1000, 1000);
        for line in lines {
            reader.line(line.as_bytes());
        }
        reader.finish().0
    }

    #[test]
    fn repeated_addresses_are_joined_and_other_repeats_ignored() {
        let fields = read(
            true,
            &["To: a@x", "subject : 1", "to:b@x", "Subject: 2", "\tfolded"],
        );
        assert_eq!(fields.get(Field::To), Some(&b"a@x, b@x"[..]));
        assert_eq!(fields.get(Field::Subject), Some(&b"1"[..]));
    }

    #[test]
    fn a_body_part_has_no_message_fields() {
        let fields = read(false, &["Subject: x", "Content-ID: <1>"]);
        assert_eq!(fields.get(Field::Subject), None);
        assert_eq!(fields.get(Field::ContentId), Some(&b"<1>"[..]));
    }

    #[test]
    fn folding_is_undone_and_rubbish_skipped() {
        let fields = read(
            true,
            &[
                "From nobody Thu Jan  1 00:00:00 1970",
                " stray",
                "Subject: a\0b",
                "  c",
            ],
        );
        assert_eq!(fields.iter().len(), 1);
        assert_eq!(fields.get(Field::Subject), Some(&b"ab  c"[..]));
    }

    #[test]
    fn patience_and_budget_end() {
        let mut reader = HeaderReader::new(true, 19, 100);
        reader.line(b"Subject: 12345");
        reader.line(b" 6789");
        assert_eq!(reader.wants(), 0);
        reader.line(b"");
        assert_eq!(
            reader.finish().0.get(Field::Subject),
            Some(&b"12345 678"[..])
        );

        let mut reader = HeaderReader::new(true, 1000, 3);
        reader.line(b"Subject: 12345");
        reader.line(b"Date: x");
        let (fields, left) = reader.finish();
        assert_eq!(fields.get(Field::Subject), Some(&b"123"[..]));
        assert_eq!(fields.get(Field::Date), None);
        assert_eq!(left, 0);
    }
}
