//! SEARCH. Metadata decides where it can; bodies are streamed once for all texts that are looked for.
//!
//! Header fields are compared as they stand and as people read them (RFC 2047); bodies as they are stored, octet
//! by octet, without regard to ASCII case.

use pillarbox_proto::imap::grammar::{Cursor, Date};
use pillarbox_proto::imap::server::{Completion, Naming, Search, SearchKey, SearchOutcome};
use pillarbox_proto::message;
use pillarbox_store::{AccountId, Mail, Message, StoreError};

use super::fetch::{Content, read};
use super::select::messages_of;
use crate::imap::encoded_word::holds;
use crate::imap::finder::Finder;
use crate::imap::session::{Handled, Session, failed};
use crate::imap::view::View;

/// Messages looked up at once.
const CHUNK: usize = 1_024;
/// The most octets of a header that are looked at.
const HEADER: u64 = 256 * 1024;

impl Session {
    pub(in crate::imap) async fn search(&mut self, search: &Search) -> Handled {
        match self.find(search).await {
            Ok(found) => {
                self.responses().found(search, &found);
                Ok(Completion::DONE)
            }
            Err(completion) => Ok(completion),
        }
    }

    async fn find(&mut self, search: &Search) -> Result<Vec<SearchOutcome>, Completion> {
        let (store, account) = self.mail()?;
        let selected = self.selected()?;
        let uids: Vec<u32> = selected.view.uids().map(|uid| uid.0.get()).collect();
        let mut found = Vec::new();
        for chunk in uids.chunks(CHUNK) {
            let messages = messages_of(&*store, account, selected, chunk)
                .await
                .map_err(|error| failed(&error))?;
            for message in messages {
                let uid = message.uid.0.get();
                let Some(number) = selected.view.number_of(uid) else {
                    continue;
                };
                let matches = matches(
                    &*store,
                    account,
                    &search.key,
                    &message,
                    number,
                    &selected.view,
                )
                .await
                .map_err(|error| failed(&error))?;
                if matches {
                    found.push(SearchOutcome {
                        number: match search.naming {
                            Naming::Sequence => number,
                            Naming::Uid => uid,
                        },
                        modseq: message.modseq.0,
                    });
                }
            }
        }
        Ok(found)
    }
}

async fn matches(
    store: &dyn Mail,
    account: AccountId,
    key: &SearchKey,
    message: &Message,
    number: u32,
    view: &View,
) -> Result<bool, StoreError> {
    let facts = Facts {
        message,
        number,
        view,
    };
    if let Some(decided) = facts.decide(key, None) {
        return Ok(decided);
    }
    let inside = match Inside::look(store, account, key, message).await {
        Ok(inside) => inside,
        // Expunged meanwhile: it is not found.
        Err(StoreError::NotFound { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(facts.decide(key, Some(&inside)).unwrap_or(false))
}

/// What is known of a message without looking into it.
struct Facts<'a> {
    message: &'a Message,
    number: u32,
    view: &'a View,
}

impl Facts<'_> {
    /// Whether the key is met; `None` where only the content can tell and was not looked at.
    fn decide(&self, key: &SearchKey, inside: Option<&Inside<'_>>) -> Option<bool> {
        let message = self.message;
        let received = Date::of(message.internal_date.0, message.internal_offset);
        let sent =
            |compare: &dyn Fn(Date) -> bool| inside.map(|inside| inside.sent.is_some_and(compare));
        match key {
            SearchKey::All => Some(true),
            SearchKey::And(keys) => self.all(keys.iter(), inside),
            // A or B is not (not A and not B).
            SearchKey::Or(both) => {
                match (self.decide(&both.0, inside), self.decide(&both.1, inside)) {
                    (Some(true), _) | (_, Some(true)) => Some(true),
                    (Some(false), Some(false)) => Some(false),
                    _ => None,
                }
            }
            SearchKey::Not(key) => self.decide(key, inside).map(|met| !met),
            SearchKey::Messages(set) => {
                Some(set.contains(self.number, self.view.largest(Naming::Sequence)))
            }
            SearchKey::Uids(set) => {
                Some(set.contains(message.uid.0.get(), self.view.largest(Naming::Uid)))
            }
            SearchKey::Flag(flag) => Some(message.flags.contains(flag)),
            SearchKey::Before(date) => Some(received < *date),
            SearchKey::On(date) => Some(received == *date),
            SearchKey::Since(date) => Some(received >= *date),
            SearchKey::SentBefore(date) => sent(&|sent| sent < *date),
            SearchKey::SentOn(date) => sent(&|sent| sent == *date),
            SearchKey::SentSince(date) => sent(&|sent| sent >= *date),
            SearchKey::Larger(size) => Some(message.size > *size),
            SearchKey::Smaller(size) => Some(message.size < *size),
            SearchKey::Modseq(modseq) => Some(message.modseq.0 >= *modseq),
            SearchKey::Header { name, text } => {
                inside.map(|inside| has_field(&inside.header, name, text))
            }
            SearchKey::Body(_) | SearchKey::Text(_) => inside.map(|inside| inside.has(key)),
        }
    }

    fn all<'k>(
        &self,
        keys: impl Iterator<Item = &'k SearchKey>,
        inside: Option<&Inside<'_>>,
    ) -> Option<bool> {
        let mut undecided = false;
        for key in keys {
            match self.decide(key, inside) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => undecided = true,
            }
        }
        (!undecided).then_some(true)
    }
}

/// What a look into a message has shown.
struct Inside<'k> {
    header: Vec<u8>,
    /// The day of its Date field, as written there.
    sent: Option<Date>,
    /// The keys BODY and TEXT, and whether each was met.
    texts: Vec<(&'k SearchKey, bool)>,
}

impl<'k> Inside<'k> {
    async fn look(
        store: &dyn Mail,
        account: AccountId,
        key: &'k SearchKey,
        message: &Message,
    ) -> Result<Self, StoreError> {
        let mut content = Content::new(account, message.content);
        content.load_index(store).await?;
        content.load_body(store).await?;
        let (Some(index), Some(body)) = (&content.index, &content.body) else {
            return Err(StoreError::NotFound {
                what: "the message".to_owned(),
            });
        };
        let header_range = index.section(&[], message::Section::Header).unwrap_or(0..0);
        let header_end = header_range.end.min(HEADER);
        let mut header = Vec::new();
        let mut at = 0;
        while at < header_end {
            let piece = read(&**body, at..header_end).await?;
            at += piece.len() as u64;
            header.extend_from_slice(&piece);
        }
        let mut finders = Vec::new();
        collect(key, &mut finders);
        let mut at = if finders
            .iter()
            .any(|(key, _)| matches!(key, SearchKey::Text(_)))
        {
            0
        } else {
            header_range.end
        };
        while at < body.len() && finders.iter().any(|(_, finder)| !finder.found()) {
            // Header and body are read apart, so that BODY sees the one and not the other.
            let end = if at < header_range.end {
                header_range.end
            } else {
                body.len()
            };
            let piece = read(&**body, at..end).await?;
            for (key, finder) in &mut finders {
                if matches!(key, SearchKey::Text(_)) || at >= header_range.end {
                    finder.push(&piece);
                }
            }
            at += piece.len() as u64;
        }
        let sent = index.envelope().date.as_deref().and_then(sent_date);
        let texts = finders
            .into_iter()
            .map(|(key, finder)| (key, finder.found()))
            .collect();
        Ok(Self {
            header,
            sent,
            texts,
        })
    }

    fn has(&self, key: &SearchKey) -> bool {
        self.texts
            .iter()
            .any(|(looked, met)| *looked == key && *met)
    }
}

/// The BODY and TEXT keys in a key, each with its finder.
fn collect<'k>(key: &'k SearchKey, finders: &mut Vec<(&'k SearchKey, Finder)>) {
    match key {
        SearchKey::Body(text) | SearchKey::Text(text) => finders.push((key, Finder::new(text))),
        SearchKey::And(keys) => keys.iter().for_each(|key| collect(key, finders)),
        SearchKey::Or(both) => {
            collect(&both.0, finders);
            collect(&both.1, finders);
        }
        SearchKey::Not(key) => collect(key, finders),
        _ => {}
    }
}

/// Whether a header has a field of this name that holds this text. Folded lines are joined.
fn has_field(header: &[u8], name: &[u8], text: &[u8]) -> bool {
    let mut value: Option<Vec<u8>> = None;
    for line in header.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if matches!(line.first(), Some(b' ' | b'\t')) {
            if let Some(value) = &mut value {
                value.extend_from_slice(line);
            }
            continue;
        }
        if value.take().is_some_and(|value| holds(&value, text)) {
            return true;
        }
        let colon = line.iter().position(|octet| *octet == b':');
        value = colon.and_then(|colon| {
            let (field, rest) = line.split_at_checked(colon)?;
            field.trim_ascii_end().eq_ignore_ascii_case(name).then(|| {
                rest.strip_prefix(b":")
                    .unwrap_or(rest)
                    .trim_ascii_start()
                    .to_vec()
            })
        });
    }
    value.is_some_and(|value| holds(&value, text))
}

/// The day in a Date field (RFC 5322 §3.3), time and zone left aside (RFC 3501 §6.4.4).
fn sent_date(value: &[u8]) -> Option<Date> {
    let text = String::from_utf8_lossy(value);
    let after_weekday = text.split_once(',').map_or(text.as_ref(), |(_, rest)| rest);
    let mut words = after_weekday.split_ascii_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let year: u16 = year.parse().ok()?;
    // RFC 5322 §4.3.
    let year = match year {
        0..=49 => year + 2000,
        50..=999 => year + 1900,
        year => year,
    };
    let month = month.get(..3)?;
    let written = format!("{day}-{month}-{year:04}");
    Date::read(&mut Cursor::new(written.as_bytes())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_many_ages() {
        let day = |text: &str| sent_date(text.as_bytes()).map(|date| date.to_string());
        assert_eq!(
            day("Mon, 23 Nov 2026 18:30:00 +0000").as_deref(),
            Some("23-Nov-2026")
        );
        assert_eq!(day("1 jan 99 00:00 EST").as_deref(), Some("1-Jan-1999"));
        assert_eq!(day("01 January 05 00:00 Z").as_deref(), Some("1-Jan-2005"));
        for bad in ["", "Mon,", "31 Feb 2026 1:1", "x y z", "1 ä 2026"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }

    #[test]
    fn fields() {
        let header = b"Subject: one\r\n  two\r\nX: subject: no\r\nto:a@b\r\nTo: C@d\r\n\r\n";
        assert!(has_field(header, b"subject", b"ONE  Two"));
        assert!(!has_field(header, b"subject", b"no"));
        assert!(has_field(header, b"TO", b"c@d"));
        assert!(has_field(header, b"x", b""));
        assert!(!has_field(header, b"cc", b""));
    }
}
