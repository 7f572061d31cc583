//! SEARCH. Metadata decides where it can; bodies are streamed once for all texts that are looked for.
//!
//! Header fields are compared as they stand and as people read them (RFC 2047); bodies as they are stored, octet
//! by octet, without regard to ASCII case.

use pillarbox_proto::imap::grammar::Date;
use pillarbox_proto::imap::server::{Completion, Naming, Search, SearchKey, SearchOutcome};
use pillarbox_proto::message::{self, Finder, Needle};
use pillarbox_store::{AccountId, Mail, Message, StoreError};

use super::fetch::{Pieces, index_of};
use super::select::messages_of;
use crate::imap::session::{Handled, Session};
use crate::imap::view::View;

/// Messages looked up at once.
const CHUNK: usize = 1_024;
/// The most octets of a header that are looked at.
const HEADER: u64 = 256 * 1024;

impl Session {
    pub(in crate::imap) async fn search(&mut self, search: &Search) -> Handled {
        let (store, account) = self.mail()?;
        let selected = self.selected()?;
        let view = &selected.view;
        let uids: Vec<u32> = view.uids().map(|uid| uid.0.get()).collect();
        let needles = Needles::of(&search.key);
        let mut found = Vec::new();
        for chunk in uids.chunks(CHUNK) {
            for message in messages_of(&*store, account, selected, chunk).await? {
                let uid = message.uid.0.get();
                let Some(number) = view.number_of(uid) else {
                    continue;
                };
                let facts = Facts {
                    message: &message,
                    number,
                    view,
                };
                let met = match facts.decide(&search.key, None) {
                    Some(decided) => decided,
                    None => match Inside::look(&*store, account, &needles, &message).await {
                        Ok(inside) => facts.decide(&search.key, Some(&inside)) == Some(true),
                        // Expunged meanwhile: it is not found.
                        Err(StoreError::NotFound { .. }) => false,
                        Err(error) => return Err(error.into()),
                    },
                };
                if met {
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
        self.responses().found(search, &found);
        Ok(Completion::DONE)
    }
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
        let index = index_of(store, account, message.content).await?;
        let body = store.body(account, message.content).await?;
        let header_end = index
            .section(&[], message::Section::Header)
            .map_or(0, |range| range.end);
        let mut header = Vec::new();
        let mut pieces = Pieces::new(&*body, 0..header_end.min(HEADER));
        while let Some(piece) = pieces.next().await? {
            header.extend_from_slice(&piece);
        }
        let mut finders: Vec<(&SearchKey, Finder<'_>)> = needles
            .0
            .iter()
            .filter(|(key, _)| !matches!(key, SearchKey::Header { .. }))
            .map(|(key, needle)| (*key, needle.finder()))
            .collect();
        // Header and body are read apart: BODY sees the one and not the other.
        for (part, is_body) in [(0..header_end, false), (header_end..body.len(), true)] {
            let sees = |key: &SearchKey| is_body || matches!(key, SearchKey::Text(_));
            let mut pieces = Pieces::new(&*body, part);
            while finders
                .iter()
                .any(|(key, finder)| sees(key) && !finder.found())
                && let Some(piece) = pieces.next().await?
            {
                for (_, finder) in finders.iter_mut().filter(|(key, _)| sees(key)) {
                    finder.push(&piece);
                }
            }
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
