//! What an MSA adds to a message (RFC 6409 §8): Date and Message-ID where they are missing. Nothing else of
//! the message changes.
//!
//! Missing fields go to the end of the header section, so that the message streams through unheld.

use super::header::{HeaderScanner, Scanned};

/// Finds the end of the header section in a message that streams by, and adds what was missing in it.
#[derive(Debug)]
pub struct HeaderStamp {
    /// The Date field to add, unless one is found.
    date: Option<String>,
    /// The Message-ID field to add, unless one is found.
    message_id: Option<String>,
    scanner: HeaderScanner,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    LineStart,
    InLine,
    Body,
}

impl HeaderStamp {
    /// Fields to add where missing, each with its CRLF.
    #[must_use]
    pub fn new(date: String, message_id: String) -> Self {
        Self {
            date: Some(date),
            message_id: Some(message_id),
            scanner: HeaderScanner::default(),
            place: Place::Start,
        }
    }

    /// Passes a piece of the message on.
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len() + 16);
        let mut rest = piece;
        if self.place == Place::Start
            && let Some(first) = piece.first()
        {
            self.place = Place::LineStart;
            if matches!(first, b' ' | b'\t') {
                // A line that folds nothing is no field. Behind the fields that were written before, such as
                // Received, it would go on with the last of them, so the text begins here.
                add(self.date.take(), self.message_id.take(), &mut out);
                out.extend_from_slice(b"\r\n");
                self.place = Place::Body;
            }
        }
        while self.place != Place::Body
            && let Some((&octet, behind)) = rest.split_first()
        {
            rest = behind;
            match self.scanner.push(octet) {
                Scanned::Held | Scanned::Over => continue,
                Scanned::Inside => out.push(octet),
                Scanned::Begins { name, held } => {
                    out.extend_from_slice(held);
                    match name {
                        Some(name) if name.eq_ignore_ascii_case(b"Date") => self.date = None,
                        Some(name) if name.eq_ignore_ascii_case(b"Message-ID") => {
                            self.message_id = None;
                        }
                        _ => {}
                    }
                }
                Scanned::End(line) => {
                    add(self.date.take(), self.message_id.take(), &mut out);
                    out.extend_from_slice(line);
                    self.place = Place::Body;
                    continue;
                }
            }
            self.place = if octet == b'\n' {
                Place::LineStart
            } else {
                Place::InLine
            };
        }
        out.extend_from_slice(rest);
        out
    }

    /// What is still to come when the message is over: a message may be all header.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        let mut out = self.scanner.held().to_vec();
        let is_complete = self.date.is_none() && self.message_id.is_none();
        if self.place != Place::Body && !is_complete {
            if self.place == Place::InLine || !out.is_empty() {
                out.extend_from_slice(b"\r\n");
            }
            add(self.date, self.message_id, &mut out);
        }
        out
    }
}

fn add(date: Option<String>, message_id: Option<String>, out: &mut Vec<u8>) {
    for field in [date, message_id].into_iter().flatten() {
        out.extend_from_slice(field.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(message: &[u8], cuts: &[usize]) -> String {
        let mut stamp = HeaderStamp::new("Date: D\r\n".to_owned(), "Message-ID: M\r\n".to_owned());
        let mut out = Vec::new();
        let mut rest = message;
        for &cut in cuts {
            let (piece, tail) = rest.split_at(cut.min(rest.len()));
            out.extend(stamp.push(piece));
            rest = tail;
        }
        out.extend(stamp.push(rest));
        out.extend(stamp.finish());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_is_missing_is_added() {
        for (message, stamped) in [
            (
                "A: b\r\n\r\nx\r\n",
                "A: b\r\nDate: D\r\nMessage-ID: M\r\n\r\nx\r\n",
            ),
            (
                "dAte : b\r\n\r\nDate: x",
                "dAte : b\r\nMessage-ID: M\r\n\r\nDate: x",
            ),
            (
                "Message-Id:\r\n x\r\nDate: y\r\n\r\n",
                "Message-Id:\r\n x\r\nDate: y\r\n\r\n",
            ),
            (
                "A: b\r\n Date: c\r\n\r\n",
                "A: b\r\n Date: c\r\nDate: D\r\nMessage-ID: M\r\n\r\n",
            ),
            (
                "Resent-Date: b\r\n\r\n",
                "Resent-Date: b\r\nDate: D\r\nMessage-ID: M\r\n\r\n",
            ),
            (
                "Message-IDs: b\r\n\r\n",
                "Message-IDs: b\r\nDate: D\r\nMessage-ID: M\r\n\r\n",
            ),
            (
                " x\r\nA: b\r\n\r\nc",
                "Date: D\r\nMessage-ID: M\r\n\r\n x\r\nA: b\r\n\r\nc",
            ),
            ("\r\nx", "Date: D\r\nMessage-ID: M\r\n\r\nx"),
            ("", "Date: D\r\nMessage-ID: M\r\n"),
            ("A: b\r\n", "A: b\r\nDate: D\r\nMessage-ID: M\r\n"),
            ("A: b", "A: b\r\nDate: D\r\nMessage-ID: M\r\n"),
            ("Date: b\r\nMessage-ID: c", "Date: b\r\nMessage-ID: c"),
        ] {
            assert_eq!(stamp(message.as_bytes(), &[]), stamped);
        }
    }

    proptest::proptest! {
        #[test]
        fn splitting_changes_nothing_and_the_message_stays(
            lines in proptest::collection::vec("(Date|Message-ID|X|Da)?:? ?[a-z]{0,4}", 0..6),
            cuts in proptest::collection::vec(1usize..6, 0..40),
        ) {
            let message = lines.join("\r\n");
            let stamped = stamp(message.as_bytes(), &[]);
            proptest::prop_assert_eq!(&stamp(message.as_bytes(), &cuts), &stamped);
            let without = stamped.replacen("Date: D\r\n", "", 1).replacen("Message-ID: M\r\n", "", 1);
            let with_end = format!("{message}\r\n");
            let as_text = format!("\r\n{message}");
            let is_right = match message.starts_with(' ') {
                true => without == as_text,
                false => without == message || without == with_end,
            };
            proptest::prop_assert!(is_right, "{without:?}");
        }
    }
}
