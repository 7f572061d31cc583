//! FETCH. Bodies go from the store to the socket in pieces of at most 16 KiB.

use std::collections::HashMap;
use std::ops::Range;

use pillarbox_proto::imap::grammar::DateTime;
use pillarbox_proto::imap::server::{
    Access, Code, Completion, Extension, Fetch, FetchItem, FieldFilter, Label, Naming, Partial,
    Section,
};
use pillarbox_proto::message::{Index, IndexLimits, Indexer};
use pillarbox_store::{
    AccountId, Body, ContentId, FlagChange, Flags, FlagsChanged, Mail, Message, ModSeq, StoreError,
    Uid,
};

use super::allowed_by;
use super::select::messages_of;
use crate::imap::session::{Ended, Handled, NO_SUCH_MESSAGE, Session, failed};

/// Octets read at once.
const PIECE: usize = 16 * 1024;
/// Messages looked up at once.
const CHUNK: usize = 256;
/// Messages whose `\Seen` is set in one commit, before their bodies are sent.
const SEEN_CHUNK: usize = 32;

/// What is known of a message beside its metadata, looked up once it is needed.
pub(in crate::imap) struct Content {
    account: AccountId,
    id: ContentId,
    pub(in crate::imap) index: Option<Index>,
    pub(in crate::imap) body: Option<Box<dyn Body>>,
}

/// Why a message could not be told.
enum Fault {
    Session(Ended),
    Store(StoreError),
}

impl From<Ended> for Fault {
    fn from(ended: Ended) -> Self {
        Self::Session(ended)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Session {
    pub(in crate::imap) async fn fetch(&mut self, fetch: &Fetch) -> Result<(), Ended> {
        let mut own = HashMap::new();
        let completion = self.fetch_all(fetch, &mut own).await?;
        self.updates(allowed_by(fetch.naming), &own).await?;
        self.dialogue().complete(completion);
        Ok(())
    }

    /// Tells of all messages that are named. The flags it sets are told in `own`.
    async fn fetch_all(&mut self, fetch: &Fetch, own: &mut HashMap<Uid, ModSeq>) -> Handled {
        let selected = match self.selected() {
            Ok(selected) => selected,
            Err(completion) => return Ok(completion),
        };
        let Ok(named) = selected.view.resolve(&fetch.set, fetch.naming) else {
            return Ok(NO_SUCH_MESSAGE);
        };
        let seen =
            selected.access == Access::ReadWrite && fetch.items.iter().any(FetchItem::sets_seen);
        let mut missing = false;
        for chunk in named.chunks(if seen { SEEN_CHUNK } else { CHUNK }) {
            let own = seen.then_some(&mut *own);
            match self.fetch_chunk(fetch, chunk, own).await {
                Ok(found) => missing |= found < chunk.len(),
                Err(Fault::Session(ended)) => return Err(ended),
                Err(Fault::Store(error)) => return Ok(failed(&error)),
            }
        }
        // A UID that is gone is passed over (RFC 3501 §6.4.8).
        let by_number = fetch.naming == Naming::Sequence && fetch.changed_since.is_none();
        Ok(if missing && by_number {
            Completion::no(Code::ExpungeIssued, "Some of the messages are gone")
        } else {
            Completion::DONE
        })
    }

    /// Tells of some messages; answers how many of them are still there. Where `own` is given, `\Seen` is set
    /// on them.
    async fn fetch_chunk(
        &mut self,
        fetch: &Fetch,
        named: &[(u32, u32)],
        mut own: Option<&mut HashMap<Uid, ModSeq>>,
    ) -> Result<usize, Fault> {
        let (Ok((store, account)), Ok(selected)) = (self.mail(), self.selected()) else {
            return Ok(named.len());
        };
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
    ) -> Result<(), Fault> {
        let mut content = Content::new(account, message.content);
        // Everything that can fail is fetched before the response begins.
        if fetch.items.iter().any(needs_index) {
            content.load_index(store).await?;
        }
        if fetch
            .items
            .iter()
            .any(|item| matches!(item, FetchItem::Section { .. }))
        {
            content.load_body(store).await?;
        }
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
    ) -> Result<(), Fault> {
        match item {
            FetchItem::Uid => self.responses().fetch_uid(message.uid.0.get()),
            FetchItem::Flags => self.responses().fetch_flags(message.flags.iter()),
            FetchItem::InternalDate => self.responses().fetch_internal_date(DateTime {
                seconds: message.internal_date.0,
                offset_minutes: message.internal_offset,
            }),
            FetchItem::Size => self.responses().fetch_size(message.size),
            FetchItem::Modseq => self.responses().fetch_modseq(message.modseq.0),
            FetchItem::Envelope => {
                if let Some(index) = &content.index {
                    self.responses().fetch_envelope(&index.envelope());
                }
            }
            FetchItem::Body => {
                if let Some(index) = &content.index {
                    self.responses().fetch_body(&index.body_structure());
                }
            }
            FetchItem::BodyStructure => {
                if let Some(index) = &content.index {
                    self.responses()
                        .fetch_body_structure(&index.body_structure());
                }
            }
            FetchItem::Section {
                section,
                partial,
                label,
            } => {
                self.fetch_section(section, *partial, *label, message, content)
                    .await?;
            }
        }
        self.flush_when_full().await?;
        Ok(())
    }

    async fn fetch_section(
        &mut self,
        section: &Section,
        partial: Option<Partial>,
        label: Label,
        message: &Message,
        content: &Content,
    ) -> Result<(), Fault> {
        let range = match &content.index {
            Some(index) => section.range(index),
            None => Some(0..message.size),
        };
        let (Some(range), Some(body)) = (range, &content.body) else {
            self.responses().fetch_nothing(section, partial, label);
            return Ok(());
        };
        let filter = section.text.as_ref().and_then(FieldFilter::new);
        if filter.is_some() {
            return self
                .fetch_fields(section, partial, label, &**body, range)
                .await;
        }
        let range = partial.map_or(range.clone(), |partial| partial.of(range));
        let length = range.end.saturating_sub(range.start);
        self.responses()
            .fetch_octets(section, partial, label, length);
        let mut at = range.start;
        while at < range.end {
            let piece = read(&**body, at..range.end).await.map_err(cut_off)?;
            at += length_of(&piece);
            self.responses().fetch_piece(&piece);
            self.flush_when_full().await?;
        }
        Ok(())
    }

    /// HEADER.FIELDS: the header is read twice, first to know how much of it is kept.
    async fn fetch_fields(
        &mut self,
        section: &Section,
        partial: Option<Partial>,
        label: Label,
        body: &dyn Body,
        header: Range<u64>,
    ) -> Result<(), Fault> {
        let mut kept = 0;
        let mut filter = section.text.as_ref().and_then(FieldFilter::new);
        let mut at = header.start;
        while at < header.end {
            let piece = read(body, at..header.end).await?;
            at += length_of(&piece);
            kept += filter
                .as_mut()
                .map_or(0, |filter| length_of(&filter.push(&piece)));
        }
        kept += filter.map_or(0, |filter| length_of(&filter.finish()));
        let wanted = partial.map_or(0..kept, |partial| partial.of(0..kept));
        let length = wanted.end.saturating_sub(wanted.start);
        self.responses()
            .fetch_octets(section, partial, label, length);
        let mut filter = section.text.as_ref().and_then(FieldFilter::new);
        let (mut at, mut passed) = (header.start, 0);
        while at < header.end {
            let piece = read(body, at..header.end).await.map_err(cut_off)?;
            at += length_of(&piece);
            if let Some(filter) = &mut filter {
                self.put_wanted(&filter.push(&piece), &mut passed, &wanted);
            }
            self.flush_when_full().await?;
        }
        if let Some(filter) = filter {
            self.put_wanted(&filter.finish(), &mut passed, &wanted);
        }
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

impl Content {
    pub(in crate::imap) fn new(account: AccountId, id: ContentId) -> Self {
        Self {
            account,
            id,
            index: None,
            body: None,
        }
    }

    pub(in crate::imap) async fn load_body(&mut self, store: &dyn Mail) -> Result<(), StoreError> {
        if self.body.is_none() {
            self.body = Some(store.body(self.account, self.id).await?);
        }
        Ok(())
    }

    /// The index that was stored with the message, or, where this version cannot read it, a new one.
    pub(in crate::imap) async fn load_index(&mut self, store: &dyn Mail) -> Result<(), StoreError> {
        let stored = store.index(self.account, self.id).await?;
        if let Ok(index) = Index::from_bytes(&stored) {
            self.index = Some(index);
            return Ok(());
        }
        self.load_body(store).await?;
        let mut indexer = Indexer::new(IndexLimits::default());
        if let Some(body) = &self.body {
            let mut at = 0;
            while at < body.len() {
                let piece = read(&**body, at..body.len()).await?;
                at += length_of(&piece);
                indexer.push(&piece);
            }
        }
        self.index = Some(indexer.finish());
        Ok(())
    }
}

/// The index is needed for everything but the whole message and its metadata.
fn needs_index(item: &FetchItem) -> bool {
    match item {
        FetchItem::Envelope | FetchItem::Body | FetchItem::BodyStructure => true,
        FetchItem::Section { section, .. } => *section != Section::default(),
        _ => false,
    }
}

/// Reads the next piece of a range.
pub(in crate::imap) async fn read(
    body: &dyn Body,
    range: Range<u64>,
) -> Result<Vec<u8>, StoreError> {
    let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(PIECE);
    let piece = body.read_at(range.start, length.min(PIECE)).await?;
    if piece.is_empty() {
        return Err(StoreError::Engine(format!(
            "a message ends at octet {} although {} were stored",
            range.start, range.end
        )));
    }
    Ok(piece)
}

/// Octets were announced and cannot be had: no answer is left but to cut the connection off.
fn cut_off(error: StoreError) -> Fault {
    tracing::error!(%error, "a message could not be read to its end");
    Fault::Session(Ended::CutOff)
}

fn length_of(piece: &[u8]) -> u64 {
    u64::try_from(piece.len()).unwrap_or(u64::MAX)
}
