//! FETCH. Bodies go from the store to the socket in pieces of at most 16 KiB.

use std::ops::Range;

use pillarbox_proto::imap::grammar::DateTime;
use pillarbox_proto::imap::server::{
    Access, Completion, Extension, Fetch, FetchItem, FieldFilter, Naming, Octets, ResponseCode,
    Section,
};
use pillarbox_proto::message::{Index, IndexLimits, Indexer};
use pillarbox_store::{
    AccountId, Body, ContentId, FlagChange, Flags, FlagsChanged, Mail, Message, StoreError, Uid,
};

use super::select::messages_of;
use crate::imap::session::{Ended, Failure, Handled, Session};
use crate::imap::updates::Own;

/// Octets read at once.
const PIECE: usize = 16 * 1024;
/// Messages looked up at once.
const CHUNK: usize = 256;
/// Messages whose `\Seen` is set in one commit, before their bodies are sent.
const SEEN_CHUNK: usize = 32;

/// What is known of a message beside its metadata, where it is needed.
struct Content {
    index: Option<Index>,
    body: Option<Box<dyn Body>>,
}

impl Session {
    /// Tells of all messages that are named. The flags it sets are told in `own`.
    pub(in crate::imap) async fn fetch(&mut self, fetch: &Fetch, own: &mut Own) -> Handled {
        let selected = self.selected()?;
        let named = selected.named(&fetch.messages)?;
        let seen =
            selected.access == Access::ReadWrite && fetch.items.iter().any(FetchItem::sets_seen);
        let mut missing = false;
        for chunk in named.chunks(if seen { SEEN_CHUNK } else { CHUNK }) {
            let own = seen.then_some(&mut *own);
            let found = self.fetch_chunk(fetch, chunk, own).await?;
            missing |= found < chunk.len();
        }
        // A UID that is gone is passed over (RFC 3501 §6.4.8).
        let by_number = fetch.messages.naming == Naming::Sequence && fetch.changed_since.is_none();
        match missing && by_number {
            true => Ok(Completion::no(
                ResponseCode::ExpungeIssued,
                "Some of the messages are gone",
            )),
            false => Ok(Completion::DONE),
        }
    }

    /// Tells of some messages; answers how many of them are still there. Where `own` is given, `\Seen` is set
    /// on them.
    async fn fetch_chunk(
        &mut self,
        fetch: &Fetch,
        named: &[(u32, u32)],
        mut own: Option<&mut Own>,
    ) -> Result<usize, Failure> {
        let (store, account) = self.mail()?;
        let selected = self.selected()?;
        let uids: Vec<u32> = named.iter().map(|(_, uid)| *uid).collect();
        let mut messages = messages_of(&*store, account, selected, &uids).await?;
        if let Some(since) = fetch.changed_since {
            messages.retain(|message| message.modseq.0 > since);
        }
        let mailbox = selected.id;
        let mut newly_seen: Vec<Uid> = Vec::new();
        if own.is_some() {
            newly_seen = messages
                .iter()
                .filter(|message| !message.flags.contains("\\Seen"))
                .map(|message| message.uid)
                .collect();
        }
        if !newly_seen.is_empty() {
            let change = FlagChange::Add(Flags::new(["\\Seen"]));
            let changed = store
                .set_flags(account, mailbox, &newly_seen, &change, None)
                .await?;
            for FlagsChanged { message, .. } in changed {
                // The client is told these flags with the message.
                if let Some(own) = &mut own {
                    own.insert(message.uid, message.modseq);
                }
                if let Ok(at) = messages.binary_search_by_key(&message.uid, |old| old.uid)
                    && let Some(old) = messages.get_mut(at)
                {
                    *old = message;
                }
            }
        }
        for message in &messages {
            let number = named
                .binary_search_by_key(&message.uid.0.get(), |(_, uid)| *uid)
                .ok()
                .and_then(|at| named.get(at));
            if let Some((number, _)) = number {
                let flags_are_new = newly_seen.contains(&message.uid);
                self.fetch_message(&*store, account, fetch, *number, message, flags_are_new)
                    .await?;
            }
        }
        Ok(messages.len())
    }

    async fn fetch_message(
        &mut self,
        store: &dyn Mail,
        account: AccountId,
        fetch: &Fetch,
        number: u32,
        message: &Message,
        flags_are_new: bool,
    ) -> Result<(), Failure> {
        // Everything that can fail is fetched before the response begins.
        let content = Content {
            index: match fetch.items.iter().any(needs_index) {
                true => Some(index_of(store, account, message.content).await?),
                false => None,
            },
            body: match fetch.items.iter().any(needs_body) {
                true => Some(store.body(account, message.content).await?),
                false => None,
            },
        };
        self.responses().fetch_open(number);
        for item in &fetch.items {
            self.fetch_item(item, message, &content).await?;
        }
        if flags_are_new && !fetch.items.contains(&FetchItem::Flags) {
            self.responses().fetch_flags(message.flags.iter());
        }
        if flags_are_new
            && self.dialogue().enabled().has(Extension::Condstore)
            && !fetch.items.contains(&FetchItem::Modseq)
        {
            self.responses().fetch_modseq(message.modseq.0);
        }
        self.responses().fetch_close();
        self.flush_when_full().await?;
        Ok(())
    }

    async fn fetch_item(
        &mut self,
        item: &FetchItem,
        message: &Message,
        content: &Content,
    ) -> Result<(), Failure> {
        let responses = self.responses();
        match (item, &content.index) {
            (FetchItem::Uid, _) => responses.fetch_uid(message.uid.0.get()),
            (FetchItem::Flags, _) => responses.fetch_flags(message.flags.iter()),
            (FetchItem::InternalDate, _) => responses.fetch_internal_date(DateTime {
                seconds: message.internal_date.0,
                offset_minutes: message.internal_offset,
            }),
            (FetchItem::Size, _) => responses.fetch_size(message.size),
            (FetchItem::Modseq, _) => responses.fetch_modseq(message.modseq.0),
            (FetchItem::Envelope, Some(index)) => responses.fetch_envelope(&index.envelope()),
            (FetchItem::Body, Some(index)) => responses.fetch_body(&index.body_structure()),
            (FetchItem::BodyStructure, Some(index)) => {
                responses.fetch_body_structure(&index.body_structure());
            }
            // The index is there: see `needs_index`.
            (FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure, None) => {}
            (FetchItem::Section(octets), _) => self.fetch_octets(octets, message, content).await?,
        }
        self.flush_when_full().await?;
        Ok(())
    }

    async fn fetch_octets(
        &mut self,
        octets: &Octets,
        message: &Message,
        content: &Content,
    ) -> Result<(), Failure> {
        let range = match &content.index {
            Some(index) => octets.section.range(index),
            None => Some(0..message.size),
        };
        let (Some(range), Some(body)) = (range, &content.body) else {
            self.responses().fetch_nothing(octets);
            return Ok(());
        };
        if octets
            .section
            .text
            .as_ref()
            .and_then(FieldFilter::new)
            .is_some()
        {
            return self.fetch_fields(octets, &**body, range).await;
        }
        let range = octets.part_of(range);
        let length = range.end.saturating_sub(range.start);
        self.responses().fetch_octets(octets, length);
        let mut pieces = Pieces::new(&**body, range);
        while let Some(piece) = pieces.next().await.map_err(cut_off)? {
            self.responses().fetch_piece(&piece);
            self.flush_when_full().await?;
        }
        Ok(())
    }

    /// HEADER.FIELDS: the header is read twice, first to know how much of it is kept.
    async fn fetch_fields(
        &mut self,
        octets: &Octets,
        body: &dyn Body,
        header: Range<u64>,
    ) -> Result<(), Failure> {
        let filter = || octets.section.text.as_ref().and_then(FieldFilter::new);
        let (Some(mut first), Some(mut second)) = (filter(), filter()) else {
            return Ok(());
        };
        let mut kept = 0;
        let mut pieces = Pieces::new(body, header.clone());
        while let Some(piece) = pieces.next().await.map_err(cut_off)? {
            kept += length_of(&first.push(&piece));
        }
        kept += length_of(&first.finish());
        let wanted = octets.part_of(0..kept);
        let length = wanted.end.saturating_sub(wanted.start);
        self.responses().fetch_octets(octets, length);
        let mut passed = 0;
        let mut pieces = Pieces::new(body, header);
        while let Some(piece) = pieces.next().await.map_err(cut_off)? {
            self.put_wanted(&second.push(&piece), &mut passed, &wanted);
            self.flush_when_full().await?;
        }
        self.put_wanted(&second.finish(), &mut passed, &wanted);
        Ok(())
    }

    /// Puts out the part of a piece that lies in `wanted`; `passed` octets came before it.
    fn put_wanted(&mut self, piece: &[u8], passed: &mut u64, wanted: &Range<u64>) {
        let here = *passed..*passed + length_of(piece);
        let from = wanted.start.clamp(here.start, here.end) - here.start;
        let to = wanted.end.clamp(here.start, here.end) - here.start;
        if let (Ok(from), Ok(to)) = (usize::try_from(from), usize::try_from(to))
            && let Some(part) = piece.get(from..to)
        {
            self.responses().fetch_piece(part);
        }
        *passed = here.end;
    }
}

/// The index that was stored with the message, or, where this version cannot read it, a new one.
pub(in crate::imap) async fn index_of(
    store: &dyn Mail,
    account: AccountId,
    id: ContentId,
) -> Result<Index, StoreError> {
    if let Ok(index) = Index::from_bytes(&store.index(account, id).await?) {
        return Ok(index);
    }
    let body = store.body(account, id).await?;
    let mut indexer = Indexer::new(IndexLimits::default());
    let mut pieces = Pieces::new(&*body, 0..body.len());
    while let Some(piece) = pieces.next().await? {
        indexer.push(&piece);
    }
    Ok(indexer.finish())
}

/// The index is needed for everything but the whole message and its metadata.
fn needs_index(item: &FetchItem) -> bool {
    match item {
        FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure => true,
        FetchItem::Section(octets) => octets.section != Section::default(),
        _ => false,
    }
}

fn needs_body(item: &FetchItem) -> bool {
    matches!(item, FetchItem::Section(_))
}

/// A range of a body, read piece by piece.
pub(in crate::imap) struct Pieces<'a> {
    body: &'a dyn Body,
    left: Range<u64>,
}

impl<'a> Pieces<'a> {
    pub(in crate::imap) fn new(body: &'a dyn Body, range: Range<u64>) -> Self {
        Self { body, left: range }
    }

    /// The next piece; nothing at the end of the range.
    pub(in crate::imap) async fn next(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let length = usize::try_from(self.left.end - self.left.start).unwrap_or(PIECE);
        let piece = self
            .body
            .read_at(self.left.start, length.min(PIECE))
            .await?;
        if piece.is_empty() {
            return Err(StoreError::Engine(format!(
                "a message ends at octet {} although {} were stored",
                self.left.start, self.left.end
            )));
        }
        self.left.start += length_of(&piece);
        Ok(Some(piece))
    }
}

/// A response has begun whose octets cannot be had: no answer is left but to cut the connection off.
fn cut_off(error: StoreError) -> Ended {
    tracing::error!(%error, "a message could not be read to its end");
    Ended::CutOff
}

fn length_of(piece: &[u8]) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}
