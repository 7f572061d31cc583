//! [`Queue`] for the embedded engine: records of the log like all others, in the shard that a message's
//! identity says. Who works on what is in memory: it ends with the process, and so does whoever did.

use std::sync::Arc;

use async_trait::async_trait;
use pillarbox_policy::Timestamp;

use super::EmbeddedStore;
use crate::embedded::disk::spool;
use crate::embedded::index::Index;
use crate::embedded::log::entry::QueuedMessage;
use crate::embedded::shard::Shard;
use crate::{
    AccountId, Body, Enqueued, Item, ItemId, Job, NewQueued, Outcome, Queue, QueueId, Settled,
    StoreError,
};

/// The queue belongs to no account.
const NO_ACCOUNT: AccountId = AccountId(0);

impl EmbeddedStore {
    /// The shard that a message of the queue belongs to.
    fn shard_of_queued(&self, message: QueueId) -> Result<&Shard, StoreError> {
        let [first, ..] = message.0;
        let count = self.shards.len().max(1);
        let shard = self.shards.get(usize::from(first) % count);
        shard.ok_or(StoreError::Closed)
    }
}

#[async_trait]
impl Queue for EmbeddedStore {
    async fn enqueue(&self, message: NewQueued) -> Result<Enqueued, StoreError> {
        let body = spool::finish(message.body, &self.spools).await?;
        let queued = QueuedMessage {
            id: message.id,
            sender: message.sender,
            recipients: message.recipients,
            about: message.about,
            queued: message.queued,
            body: body.measure(),
        };
        let shard = self.shard_of_queued(queued.id)?;
        let enqueue = move |index: Index<'_>| index.enqueue(queued);
        shard
            .submit(NO_ACCOUNT, vec![Arc::new(body)], enqueue)
            .await
    }

    async fn lease(
        &self,
        now: Timestamp,
        deadline: Timestamp,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError> {
        // Which shards have the items that are due longest; each of them then gives as many.
        let mut due: Vec<(Timestamp, usize)> = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            let jobs = Arc::clone(&self.jobs);
            let found = shard.read(NO_ACCOUNT, move |index| {
                let mut items = index.waiting(limit, &jobs)?;
                let is_free = |item: &ItemId| jobs.end(item).is_none_or(|end| end <= now);
                items.retain(|(item, due)| *due <= now && is_free(item));
                Ok(items)
            });
            due.extend(found.await?.iter().map(|(_, due)| (*due, number)));
        }
        due.sort_by_key(|(due, _)| *due);
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut leased = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            let wanted = due.iter().filter(|(_, of)| *of == number).count();
            if wanted == 0 {
                continue;
            }
            let jobs = Arc::clone(&self.jobs);
            // By the writer, so that what it is about to record as done is not leased once more.
            let lease = move |index: Index<'_>| index.lease(&jobs, now, deadline, wanted);
            leased.extend(shard.submit(NO_ACCOUNT, Vec::new(), lease).await?);
        }
        Ok(leased)
    }

    async fn settle(
        &self,
        job: &Job,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Settled, StoreError> {
        let shard = self.shard_of_queued(job.item.message)?;
        let (jobs, asked) = (Arc::clone(&self.jobs), job.clone());
        let settle = move |index: Index<'_>| index.settle(&jobs, &asked, outcome, now);
        let settled = shard.submit(NO_ACCOUNT, Vec::new(), settle).await?;
        if settled == Settled::Recorded {
            self.jobs.give_back(&job.item, job.token);
        }
        Ok(settled)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let (_, mut next) = self.jobs.earliest();
        for shard in &self.shards {
            let jobs = Arc::clone(&self.jobs);
            let found = shard.read(NO_ACCOUNT, move |index| {
                let items = index.waiting(1, &jobs)?;
                let free = items.iter().find(|(item, _)| jobs.end(item).is_none());
                Ok(free.map(|(_, due)| *due))
            });
            next = next.into_iter().chain(found.await?).min();
        }
        Ok(next)
    }

    async fn queued_body(&self, message: QueueId) -> Result<Box<dyn Body>, StoreError> {
        let shard = self.shard_of_queued(message)?;
        let find = move |index: Index<'_>| index.queued_content(message);
        shard.body(NO_ACCOUNT, find).await
    }

    async fn items(&self, after: Option<ItemId>, limit: u32) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for shard in &self.shards {
            let found = shard.read(NO_ACCOUNT, move |index| index.items(after, limit));
            items.extend(found.await?);
        }
        items.sort_by_key(|item| item.id);
        items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(items)
    }
}
