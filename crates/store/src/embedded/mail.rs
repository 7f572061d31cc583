//! [`Mail`] for the embedded engine: each operation by what plans it or what reads it.

use async_trait::async_trait;

use super::body::SegmentBody;
use super::plan::{self, Measure, Originals};
use super::spool::{self, EmbeddedSpool};
use super::{EmbeddedStore, blocking, query};
use crate::{
    AccountId, Appended, Body, Changes, ContentId, FlagChange, Mail, Mailbox, MailboxId, Message,
    ModSeq, NewMessage, Spool, StoreError, Uid, UidRange,
};

impl EmbeddedStore {
    async fn copy_or_move(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
        originals: Originals,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        let uids = uids.to_vec();
        self.submit(account, Vec::new(), move |index| {
            plan::copy(index, account, from, &uids, to, originals)
        })
        .await
    }
}

#[async_trait]
impl Mail for EmbeddedStore {
    async fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>, StoreError> {
        self.read(account, move |index| query::mailboxes(index, account))
            .await
    }

    async fn mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        let name = name.to_owned();
        self.read(account, move |index| plan::named(index, account, &name))
            .await
    }

    async fn create_mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        let name = name.to_owned();
        self.submit(account, Vec::new(), move |index| {
            plan::create_mailbox(index, account, &name)
        })
        .await
    }

    async fn rename_mailbox(
        &self,
        account: AccountId,
        from: &str,
        to: &str,
    ) -> Result<(), StoreError> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.submit(account, Vec::new(), move |index| {
            plan::rename_mailbox(index, account, &from, &to)
        })
        .await
    }

    async fn delete_mailbox(&self, account: AccountId, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.submit(account, Vec::new(), move |index| {
            plan::delete_mailbox(index, account, &name)
        })
        .await
    }

    async fn set_subscribed(
        &self,
        account: AccountId,
        name: &str,
        subscribed: bool,
    ) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.submit(account, Vec::new(), move |index| {
            plan::set_subscribed(index, account, &name, subscribed)
        })
        .await
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
                body: Measure {
                    size: body.len(),
                    crc: body.crc(),
                },
            });
            bodies.push(body);
        }
        self.submit(account, bodies, move |index| {
            plan::append(index, account, measured)
        })
        .await
    }

    async fn messages(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        ranges: &[UidRange],
    ) -> Result<Vec<Message>, StoreError> {
        let ranges = ranges.to_vec();
        self.read(account, move |index| {
            query::messages_in(index, account, mailbox, &ranges)
        })
        .await
    }

    async fn index(&self, account: AccountId, content: ContentId) -> Result<Vec<u8>, StoreError> {
        self.read(account, move |index| {
            query::structure(index, account, content)
        })
        .await
    }

    async fn body(
        &self,
        account: AccountId,
        content: ContentId,
    ) -> Result<Box<dyn Body>, StoreError> {
        let folder = self.shard(account)?.folder.clone();
        let place = self
            .read(account, move |index| {
                query::content(index, account, content)
            })
            .await?;
        let body = blocking(move || SegmentBody::open(&folder, place)).await?;
        Ok(Box::new(body))
    }

    async fn set_flags(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Vec<Message>, StoreError> {
        let (uids, change) = (uids.to_vec(), change.clone());
        self.submit(account, Vec::new(), move |index| {
            plan::set_flags(index, account, mailbox, &uids, &change, unchanged_since)
        })
        .await
    }

    async fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<Uid>, StoreError> {
        let uids = uids.to_vec();
        self.submit(account, Vec::new(), move |index| {
            plan::expunge(index, account, mailbox, &uids)
        })
        .await
    }

    async fn copy(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        self.copy_or_move(account, from, uids, to, Originals::Stay)
            .await
    }

    async fn move_messages(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        self.copy_or_move(account, from, uids, to, Originals::Go)
            .await
    }

    async fn changes_since(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        since: ModSeq,
    ) -> Result<Changes, StoreError> {
        self.read(account, move |index| {
            query::changes_since(index, account, mailbox, since)
        })
        .await
    }
}
