//! [`Mail`] for the embedded engine: each operation by what plans it or what reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::EmbeddedStore;
use crate::embedded::disk::spool::{self, Content, EmbeddedSpool, Measure};
use crate::embedded::index::Index;
use crate::embedded::log::entry::DeliveredMessage;
use crate::embedded::names::{self, INBOX};
use crate::embedded::operations::{Originals, Which};
use crate::{
    AccountId, Appended, Body, Changes, ContentId, FlagChange, FlagsChanged, Mail, Mailbox,
    MailboxId, Message, ModSeq, Moved, NewDelivery, NewMessage, OpenMailbox, Recipient, Snapshot,
    Spool, StoreError, Uid, UidRange,
};

/// Messages that an operation changes before others get in between.
const SLICE: usize = 1024;

impl EmbeddedStore {
    /// The contents of messages, ready to be stored, and what is planned with.
    async fn measure(
        &self,
        messages: Vec<NewMessage<Box<dyn Spool>>>,
    ) -> Result<(Vec<Arc<Content>>, Vec<NewMessage<Measure>>), StoreError> {
        let mut bodies = Vec::with_capacity(messages.len());
        let mut measured = Vec::with_capacity(messages.len());
        for message in messages {
            let body = spool::finish(message.body, &self.spools).await?;
            measured.push(NewMessage {
                mailbox: message.mailbox,
                flags: message.flags,
                internal_date: message.internal_date,
                internal_offset: message.internal_offset,
                index: message.index,
                body: body.measure(),
            });
            bodies.push(Arc::new(body));
        }
        Ok((bodies, measured))
    }

    /// Copies one slice.
    async fn copy_slice(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: Vec<Uid>,
        to: MailboxId,
        originals: Originals,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        let copy = move |index: Index<'_>| index.copy(from, &uids, to, originals);
        self.change(account, copy).await
    }

    async fn expunge_slices(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
        which: Which,
    ) -> Result<Vec<Uid>, StoreError> {
        let mut answers = Vec::new();
        for slice in slices(uids) {
            let expunge = move |index: Index<'_>| index.expunge(mailbox, &slice, which);
            answers.extend(self.change(account, expunge).await?);
        }
        Ok(answers)
    }

    async fn uids(&self, account: AccountId, mailbox: MailboxId) -> Result<Vec<Uid>, StoreError> {
        let snapshot = self.snapshot(account, mailbox).await?;
        Ok(snapshot.uids.from(0).collect())
    }

    /// Removes the messages of a mailbox whose account is to be deleted, if they are more than a slice.
    pub(super) async fn empty_in_slices(
        &self,
        account: AccountId,
        mailbox: &Mailbox,
    ) -> Result<(), StoreError> {
        if mailbox.messages as usize > SLICE {
            let uids = self.uids(account, mailbox.id).await?;
            self.expunge(account, mailbox.id, &uids).await?;
        }
        Ok(())
    }
}

/// UIDs in ascending slices; one that is empty if there are none, so that the mailbox is looked for.
fn slices(uids: &[Uid]) -> Vec<Vec<Uid>> {
    let mut ordered = uids.to_vec();
    ordered.sort_unstable();
    ordered.dedup();
    if ordered.is_empty() {
        return vec![ordered];
    }
    ordered.chunks(SLICE).map(<[Uid]>::to_vec).collect()
}

#[async_trait]
impl Mail for EmbeddedStore {
    async fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>, StoreError> {
        self.read(account, |index| index.mailboxes()).await
    }

    async fn mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        let name = name.to_owned();
        self.read(account, move |index| index.named(&name)).await
    }

    async fn open_mailbox(
        &self,
        account: AccountId,
        name: &str,
    ) -> Result<OpenMailbox, StoreError> {
        let name = name.to_owned();
        let read = self.read(account, move |index| {
            let mailbox = index.named(&name)?;
            let keywords = index.keywords(mailbox.id)?;
            let first_unseen = index.first_unseen(mailbox.id)?;
            Ok((mailbox, keywords, first_unseen))
        });
        let (mut mailbox, keywords, first_unseen) = read.await?;
        let snapshot = self.snapshot(account, mailbox.id).await?;
        // What came between the two reads.
        if let Some(next) = snapshot.uids.last().and_then(|uid| uid.0.checked_add(1)) {
            mailbox.uid_next = mailbox.uid_next.max(next);
        }
        Ok(OpenMailbox {
            mailbox,
            keywords,
            first_unseen,
            snapshot,
        })
    }

    async fn snapshot(
        &self,
        account: AccountId,
        mailbox: MailboxId,
    ) -> Result<Snapshot, StoreError> {
        self.check_open()?;
        self.shard(account)?.snapshot(account, mailbox).await
    }

    async fn create_mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        let name = name.to_owned();
        self.change(account, move |index| index.create_mailbox(&name))
            .await
    }

    async fn rename_mailbox(
        &self,
        account: AccountId,
        from: &str,
        to: &str,
    ) -> Result<(), StoreError> {
        if names::spelled(from) == INBOX {
            let inbox = self.mailbox(account, INBOX).await?.id;
            let made = self.create_mailbox(account, to).await?.id;
            let uids = self.uids(account, inbox).await?;
            let moved = self.move_messages(account, inbox, &uids, made).await?;
            return moved.failed.map_or(Ok(()), Err);
        }
        let (from, to) = (from.to_owned(), to.to_owned());
        self.change(account, move |index| index.rename_mailbox(&from, &to))
            .await
    }

    async fn delete_mailbox(&self, account: AccountId, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        let delete = move |index: Index<'_>| index.delete_mailbox(&name, SLICE);
        let Some(nameless) = self.change(account, delete).await? else {
            return Ok(());
        };
        let uids = self.uids(account, nameless).await?;
        self.expunge(account, nameless, &uids).await?;
        self.change(account, move |index| index.delete_nameless(nameless))
            .await
    }

    async fn set_subscribed(
        &self,
        account: AccountId,
        name: &str,
        subscribed: bool,
    ) -> Result<(), StoreError> {
        let name = name.to_owned();
        let set = move |index: Index<'_>| index.set_subscribed(&name, subscribed);
        self.change(account, set).await
    }

    async fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        self.check_open()?;
        Ok(Box::new(EmbeddedSpool::new(self.spools.clone())))
    }

    async fn append(
        &self,
        account: AccountId,
        messages: Vec<NewMessage<Box<dyn Spool>>>,
    ) -> Result<Vec<Appended>, StoreError> {
        let (bodies, measured) = self.measure(messages).await?;
        let append = move |index: Index<'_>| index.append(measured);
        self.shard(account)?.submit(account, bodies, append).await
    }

    async fn replace(
        &self,
        account: AccountId,
        from: MailboxId,
        old: Uid,
        message: NewMessage<Box<dyn Spool>>,
    ) -> Result<Option<Appended>, StoreError> {
        let (bodies, measured) = self.measure(vec![message]).await?;
        let replace = move |index: Index<'_>| index.replace(from, old, measured);
        self.shard(account)?.submit(account, bodies, replace).await
    }

    async fn deliver(
        &self,
        delivery: NewDelivery,
    ) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
        let body = Arc::new(spool::finish(delivery.body, &self.spools).await?);
        let message = DeliveredMessage {
            delivery: delivery.id,
            internal_date: delivery.internal_date,
            internal_offset: delivery.internal_offset,
            structure: delivery.index,
            body: body.measure(),
            to: Vec::new(),
        };
        let mut shards: BTreeMap<usize, Vec<(usize, Recipient)>> = BTreeMap::new();
        for recipient in delivery.recipients.into_iter().enumerate() {
            let shard = self.shard_of(recipient.1.account);
            shards.entry(shard).or_default().push(recipient);
        }
        // All shards begin before the first has answered.
        let mut begun = Vec::with_capacity(shards.len());
        for recipients in shards.into_values() {
            let (places, recipients): (Vec<usize>, Vec<Recipient>) = recipients.into_iter().unzip();
            let Some(first) = recipients.first().map(|recipient| recipient.account) else {
                continue;
            };
            let message = message.clone();
            let deliver = move |index: Index<'_>| index.deliver(message, &recipients);
            let shard = self.shard(first)?;
            let answer = shard.begin(first, vec![Arc::clone(&body)], deliver).await;
            begun.push((places, answer));
        }
        let mut answers = BTreeMap::new();
        for (places, answer) in begun {
            let answered = match answer {
                Ok(answer) => answer.await.map_err(|_| StoreError::Closed).flatten(),
                Err(error) => Err(error),
            };
            match answered {
                Ok(said) => answers.extend(places.into_iter().zip(said)),
                Err(error) => {
                    answers.extend(places.into_iter().map(|place| (place, Err(error.clone()))));
                }
            }
        }
        Ok(answers.into_values().collect())
    }

    async fn messages(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        ranges: &[UidRange],
    ) -> Result<Vec<Message>, StoreError> {
        let ranges = ranges.to_vec();
        self.read(account, move |index| index.messages_in(mailbox, &ranges))
            .await
    }

    async fn marked_deleted(
        &self,
        account: AccountId,
        mailbox: MailboxId,
    ) -> Result<Vec<Uid>, StoreError> {
        self.read(account, move |index| index.marked_deleted(mailbox))
            .await
    }

    async fn index(&self, account: AccountId, content: ContentId) -> Result<Vec<u8>, StoreError> {
        self.read(account, move |index| index.structure(content))
            .await
    }

    async fn body(
        &self,
        account: AccountId,
        content: ContentId,
    ) -> Result<Box<dyn Body>, StoreError> {
        let find = move |index: Index<'_>| index.content(content);
        self.shard(account)?.body(account, find).await
    }

    async fn set_flags(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Vec<FlagsChanged>, StoreError> {
        let mut answers = Vec::new();
        for slice in slices(uids) {
            let change = change.clone();
            let changed = self.change(account, move |index| {
                index.set_flags(mailbox, &slice, &change, unchanged_since)
            });
            answers.extend(changed.await?);
        }
        Ok(answers)
    }

    async fn expunge_deleted(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<Uid>, StoreError> {
        self.expunge_slices(account, mailbox, uids, Which::Deleted)
            .await
    }

    async fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<Uid>, StoreError> {
        self.expunge_slices(account, mailbox, uids, Which::All)
            .await
    }

    async fn copy(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        let mut answers: Vec<(Uid, Appended)> = Vec::new();
        for slice in slices(uids) {
            let copied = self.copy_slice(account, from, slice, to, Originals::Stay);
            match copied.await {
                Ok(copied) => answers.extend(copied),
                Err(error) => {
                    // RFC 9051 section 6.4.7: the target is as it was before.
                    let made: Vec<Uid> = answers.iter().map(|(_, copy)| copy.uid).collect();
                    if let Err(error) = self.expunge(account, to, &made).await {
                        tracing::error!(%error, "part of a copy that failed could not be removed");
                    }
                    return Err(error);
                }
            }
        }
        Ok(answers)
    }

    async fn move_messages(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Moved, StoreError> {
        let mut pairs = Vec::new();
        for slice in slices(uids) {
            let moved = self.copy_slice(account, from, slice, to, Originals::Go);
            match moved.await {
                Ok(moved) => pairs.extend(moved),
                Err(error) if pairs.is_empty() => return Err(error),
                Err(error) => {
                    let failed = Some(error);
                    return Ok(Moved { pairs, failed });
                }
            }
        }
        let failed = None;
        Ok(Moved { pairs, failed })
    }

    async fn changes_since(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        since: ModSeq,
        limit: u32,
    ) -> Result<Changes, StoreError> {
        let read = move |index: Index<'_>| index.changes_since(mailbox, since, limit);
        self.read(account, read).await
    }
}
