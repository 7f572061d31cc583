//! [`Queue`] for the embedded engine: records of the log like all others, in the shard that a message's
//! identity says. Who works on what is in memory: it ends with the process, and so does whoever did.

use std::sync::Arc;

use async_trait::async_trait;
use pillarbox_policy::Timestamp;

use super::EmbeddedStore;
use crate::embedded::disk::{blocking, spool};
use crate::embedded::index::query::{all, no_content, one};
use crate::embedded::index::unsigned;
use crate::embedded::log::body::Place;
use crate::embedded::log::body::SegmentBody;
use crate::embedded::log::entry::QueuedMessage;
use crate::embedded::operations::done;
use crate::embedded::operations::queue;
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
        self.shards
            .get(usize::from(first) % count)
            .ok_or(StoreError::Closed)
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
            size: body.len(),
            crc: body.crc(),
        };
        let shard = self.shard_of_queued(queued.id)?;
        shard
            .submit(NO_ACCOUNT, vec![Arc::new(body)], move |index| {
                queue::enqueue(index, queued)
            })
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
            let found = shard.readers.read(move |index| {
                let mut items = queue::waiting(index, limit, &jobs)?;
                items.retain(|(item, due)| {
                    due.0 <= now.0 && jobs.end(item).is_none_or(|end| end <= now)
                });
                Ok(items)
            });
            due.extend(found.await?.iter().map(|(_, due)| (*due, number)));
        }
        due.sort_by_key(|(due, _)| due.0);
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut leased = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            let wanted = due.iter().filter(|(_, of)| *of == number).count();
            if wanted == 0 {
                continue;
            }
            let jobs = Arc::clone(&self.jobs);
            // By the writer, so that what it is about to record as done is not leased once more.
            let taken = shard.submit(NO_ACCOUNT, Vec::new(), move |index| {
                queue::lease(index, &jobs, now, deadline, wanted)
            });
            leased.extend(taken.await?);
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
        let settled = shard.submit(NO_ACCOUNT, Vec::new(), move |index| {
            if !jobs.holds(&asked.item, asked.token, now) {
                return done(Vec::new(), Settled::TooLate);
            }
            queue::settle(index, asked.item, outcome, now)
        });
        let settled = settled.await?;
        if settled == Settled::Recorded {
            self.jobs.give_back(&job.item, job.token);
        }
        Ok(settled)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let (_, mut next) = self.jobs.earliest();
        for shard in &self.shards {
            let jobs = Arc::clone(&self.jobs);
            let found = shard.readers.read(move |index| {
                let mut items = queue::waiting(index, 1, &jobs)?;
                items.retain(|(item, _)| jobs.end(item).is_none());
                Ok(items)
            });
            let first = found.await?.first().map(|(_, due)| *due);
            next = next.into_iter().chain(first).min_by_key(|due| due.0);
        }
        Ok(next)
    }

    async fn queued_body(&self, message: QueueId) -> Result<Box<dyn Body>, StoreError> {
        let shard = self.shard_of_queued(message)?;
        let place = shard.readers.read(move |index| {
            let sql = "SELECT segment, offset, size, crc FROM queue_message WHERE id = ?1";
            let place = one(index, sql, [message.0], |row| {
                Ok(Place {
                    segment: unsigned(row, 0)?,
                    offset: unsigned(row, 1)?,
                    size: unsigned(row, 2)?,
                    crc: row.get(3)?,
                })
            });
            place?.ok_or_else(no_content)
        });
        let (place, folder) = (place.await?, shard.folder.clone());
        let body = blocking(move || SegmentBody::open(&folder, place)).await?;
        Ok(Box::new(body))
    }

    async fn items(&self, after: Option<ItemId>, limit: u32) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        for shard in &self.shards {
            let found = shard.readers.read(move |index| {
                let (message, number) =
                    after.map_or(([0; 16], -1), |id| (id.message.0, i64::from(id.number)));
                all(
                    index,
                    "SELECT message, number, recipient, attempts, state, due, why FROM queue_item \
                     WHERE (message, number) > (?1, ?2) ORDER BY message, number LIMIT ?3",
                    (message, number, limit),
                    queue::read_item,
                )
            });
            items.extend(found.await?);
        }
        items.sort_by_key(|item| item.id);
        items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(items)
    }
}
