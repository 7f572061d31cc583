//! What an MSA adds to a message (RFC 6409 §8): Date and Message-ID where they are missing. Nothing else of
//! the message changes.
//!
//! Missing fields go to the end of the header section, so that the message streams through unheld.

/// The longest field name that is looked for, and two more.
const LONGEST_NAME: usize = 12;

/// Finds the end of the header section in a message that streams by, and adds what was missing in it.
#[derive(Debug)]
pub(super) struct HeaderStamp {
    /// The Date field to add, unless one is found.
    date: Option<String>,
    /// The Message-ID field to add, unless one is found.
    message_id: Option<String>,
    at: At,
    /// The name of the field being read, in lower case, as far as it matters.
    name: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    /// A CR at the start of a line, held back: what is missing goes before it if an LF follows.
    LineStartCr,
    Name,
    /// Behind a name, or in a line that has none.
    Line,
    Body,
}

impl HeaderStamp {
    /// Fields to add where missing, each with its CRLF.
    pub(super) fn new(date: String, message_id: String) -> Self {
        Self {
            date: Some(date),
            message_id: Some(message_id),
            at: At::LineStart,
            name: Vec::new(),
        }
    }

    /// Passes a piece of the message on.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len() + 16);
        let mut rest = piece;
        while self.at != At::Body
            && let Some((&octet, behind)) = rest.split_first()
        {
            self.header_octet(octet, &mut out);
            rest = behind;
        }
        out.extend_from_slice(rest);
        out
    }

    /// What is still to come when the message is over: a message may be all header.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let mut out = Vec::new();
        match self.at {
            At::Body => return out,
            At::LineStart => {}
            At::LineStartCr => out.push(b'\r'),
            At::Name | At::Line if self.is_complete() => return out,
            At::Name | At::Line => out.extend_from_slice(b"\r\n"),
        }
        self.add_missing(&mut out);
        out
    }

    fn is_complete(&self) -> bool {
        self.date.is_none() && self.message_id.is_none()
    }

    fn header_octet(&mut self, octet: u8, out: &mut Vec<u8>) {
        if self.at == At::LineStartCr {
            if octet == b'\n' {
                self.add_missing(out);
                self.at = At::Body;
            } else {
                self.at = At::Line;
            }
            out.push(b'\r');
            if self.at == At::Body {
                out.push(octet);
                return;
            }
        }
        self.at = match (self.at, octet) {
            (_, b'\n') => At::LineStart,
            (At::LineStart, b'\r') => {
                self.at = At::LineStartCr;
                return;
            }
            (At::LineStart, b' ' | b'\t') => At::Line,
            (At::LineStart, octet) => {
                self.name.clear();
                self.name.push(octet.to_ascii_lowercase());
                At::Name
            }
            (At::Name, b':') => {
                self.found();
                At::Line
            }
            (At::Name, octet) if self.name.len() < LONGEST_NAME => {
                self.name.push(octet.to_ascii_lowercase());
                At::Name
            }
            (at, _) => {
                debug_assert!(at != At::Body);
                At::Line
            }
        };
        out.push(octet);
    }

    fn found(&mut self) {
        // Spaces before the colon are obsolete syntax (RFC 5322 §4.5).
        match self.name.trim_ascii_end() {
            b"date" => self.date = None,
            b"message-id" => self.message_id = None,
            _ => {}
        }
    }

    fn add_missing(&mut self, out: &mut Vec<u8>) {
        for field in [self.date.take(), self.message_id.take()]
            .into_iter()
            .flatten()
        {
            out.extend_from_slice(field.as_bytes());
        }
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
            proptest::prop_assert!(without == message || without == with_end);
        }
    }
}
