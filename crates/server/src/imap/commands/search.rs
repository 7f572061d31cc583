//! SEARCH. Metadata decides where it can; bodies are streamed once for all texts that are looked for.
//!
//! Header fields are compared as they stand and as people read them (RFC 2047); bodies as they are stored, octet
//! by octet, without regard to ASCII case.

use pillarbox_proto::imap::grammar::Date;
use pillarbox_proto::imap::server::{Completion, Naming, Search, SearchKey, SearchOutcome};
use pillarbox_proto::message::{self, Finder, Needle};
use pillarbox_store::{AccountId, Mail, Message, StoreError};

use super::fetch::{Content, read};
use super::select::messages_of;
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
        let needles = Needles::of(&search.key);
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
                    &needles,
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
    needles: &Needles<'_>,
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
    let inside = match Inside::look(store, account, needles, message).await {
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
            SearchKey::Header { name, .. } => inside.map(|inside| {
                let text = inside.needles.of_key(key);
                text.is_some_and(|text| has_field(&inside.header, name, text))
            }),
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
    needles: &'k Needles<'k>,
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
        needles: &'k Needles<'k>,
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
        let mut finders: Vec<(&SearchKey, Finder<'_>)> = needles
            .0
            .iter()
            .filter(|(key, _)| !matches!(key, SearchKey::Header { .. }))
            .map(|(key, needle)| (*key, needle.finder()))
            .collect();
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
            needles,
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

/// The texts that a key looks for, each made ready once for all messages.
struct Needles<'k>(Vec<(&'k SearchKey, Needle)>);

impl<'k> Needles<'k> {
    fn of(key: &'k SearchKey) -> Self {
        let mut needles = Self(Vec::new());
        needles.collect(key);
        needles
    }

    fn collect(&mut self, key: &'k SearchKey) {
        match key {
            SearchKey::Body(text) | SearchKey::Text(text) | SearchKey::Header { text, .. } => {
                self.0.push((key, Needle::new(text)));
            }
            SearchKey::And(keys) => keys.iter().for_each(|key| self.collect(key)),
            SearchKey::Or(both) => {
                self.collect(&both.0);
                self.collect(&both.1);
            }
            SearchKey::Not(key) => self.collect(key),
            _ => {}
        }
    }

    fn of_key(&self, key: &SearchKey) -> Option<&Needle> {
        self.0
            .iter()
            .find(|(looked, _)| *looked == key)
            .map(|(_, needle)| needle)
    }
}

/// Whether a header has a field of this name that holds this text. Folded lines are joined.
fn has_field(header: &[u8], name: &[u8], text: &Needle) -> bool {
    message::header_fields(header)
        .any(|(field, value)| field.eq_ignore_ascii_case(name) && text.is_in_header(&value))
}

/// The day in a Date field, time and zone left aside (RFC 9051 §6.4.4).
fn sent_date(value: &[u8]) -> Option<Date> {
    message::day_of(value).map(Date::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields() {
        let header = b"Subject: one\r\n  two\r\nX: subject: no\r\nto:a@b\r\nTo: C@d\r\n\r\n";
        let has = |name: &[u8], text: &[u8]| has_field(header, name, &Needle::new(text));
        assert!(has(b"subject", b"ONE  Two"));
        assert!(!has(b"subject", b"no"));
        assert!(has(b"TO", b"c@d"));
        assert!(has(b"x", b""));
        assert!(!has(b"cc", b""));
    }
}
