//! [`Queue`] for the embedded engine: records of the log like all others, in the shard that a message's
//! identity says. Who works on what is in memory: it ends with the process, and so does whoever did.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pillarbox_policy::Timestamp;
use rusqlite::{Connection, Row};

use super::body::SegmentBody;
use super::entry::{Effect, QueuedMessage};
use super::index::unsigned;
use super::plan::{Planned, done, limit};
use super::query::{Place, all, no_content, one};
use super::{EmbeddedStore, Shard, blocking, spool};
use crate::{
    AccountId, Body, Enqueued, Item, ItemId, ItemState, Job, NewQueued, Outcome, Queue, QueueId,
    Settled, StoreError,
};

/// The queue belongs to no account.
const NO_ACCOUNT: AccountId = AccountId(0);
/// Recipients of a message.
const MOST_RECIPIENTS: u64 = 100_000;
/// Octets of an address.
const LONGEST_ADDRESS: u64 = 1000;
/// Octets of what the worker wants to know.
const LARGEST_ABOUT: u64 = 1 << 20;
/// Octets of a reason that are kept.
const LONGEST_REASON: usize = 1000;

/// How an item stands, in the index.
pub(super) const WAITING: u8 = 0;
pub(super) const DONE: u8 = 1;
pub(super) const FAILED: u8 = 2;

/// The items that workers have, each with its token and its deadline.
#[derive(Debug, Default)]
pub(super) struct Jobs(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    leased: HashMap<ItemId, (u64, Timestamp)>,
    last_token: u64,
}

impl Jobs {
    /// Leases an item, unless somebody has it.
    fn take(&self, item: ItemId, now: Timestamp, deadline: Timestamp) -> Option<u64> {
        let mut table = self.table();
        if table.leased.get(&item).is_some_and(|(_, end)| now < *end) {
            return None;
        }
        table.last_token += 1;
        let token = table.last_token;
        table.leased.insert(item, (token, deadline));
        Some(token)
    }

    fn holds(&self, job: &Job, now: Timestamp) -> bool {
        let table = self.table();
        let held = table.leased.get(&job.item);
        held.is_some_and(|(token, end)| *token == job.token && now < *end)
    }

    fn give_back(&self, job: &Job) {
        let mut table = self.table();
        let held = table.leased.get(&job.item);
        if held.is_some_and(|(token, _)| *token == job.token) {
            table.leased.remove(&job.item);
        }
    }

    fn is_taken(&self, item: ItemId, now: Timestamp) -> bool {
        let table = self.table();
        table.leased.get(&item).is_some_and(|(_, end)| now < *end)
    }

    /// How many items are leased, and the earliest deadline.
    fn earliest(&self) -> (usize, Option<Timestamp>) {
        let table = self.table();
        let ends = table.leased.values().map(|(_, end)| *end);
        (table.leased.len(), ends.min_by_key(|end| end.0))
    }

    /// A panic elsewhere cannot leave the table half changed, so a poisoned lock is as good as any.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

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
                enqueue(index, queued)
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
                let mut items = waiting(index, limit, &jobs)?;
                items.retain(|(item, due)| due.0 <= now.0 && !jobs.is_taken(*item, now));
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
                lease(index, &jobs, now, deadline, wanted)
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
            if !jobs.holds(&asked, now) {
                return done(Vec::new(), Settled::TooLate);
            }
            settle(index, asked.item, outcome, now)
        });
        let settled = settled.await?;
        if settled == Settled::Recorded {
            self.jobs.give_back(job);
        }
        Ok(settled)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let (_, mut next) = self.jobs.earliest();
        for shard in &self.shards {
            let jobs = Arc::clone(&self.jobs);
            let found = shard.readers.read(move |index| {
                let mut items = waiting(index, 1, &jobs)?;
                let taken = jobs.table();
                items.retain(|(item, _)| !taken.leased.contains_key(item));
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
                    read_item,
                )
            });
            items.extend(found.await?);
        }
        items.sort_by_key(|item| item.id);
        items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(items)
    }
}

fn enqueue(index: &Connection, message: QueuedMessage) -> Planned<Enqueued> {
    let sql = "SELECT 1 FROM queue_message WHERE id = ?1";
    if one(index, sql, [message.id.0], |_| Ok(()))?.is_some() {
        return done(Vec::new(), Enqueued::Known);
    }
    let count = message.recipients.len() as u64;
    limit("the number of recipients", count, MOST_RECIPIENTS)?;
    if count == 0 {
        return Err(StoreError::NotFound {
            what: "a recipient".to_owned(),
        });
    }
    for address in message.recipients.iter().chain([&message.sender]) {
        limit("an address", address.len() as u64, LONGEST_ADDRESS)?;
    }
    let about = message.about.len() as u64;
    limit("what is remembered about a message", about, LARGEST_ABOUT)?;
    done(vec![Effect::Queued(Box::new(message))], Enqueued::New)
}

/// The items that wait, the first due first: `limit` beside those that are leased.
fn waiting(
    index: &Connection,
    limit: u32,
    jobs: &Jobs,
) -> Result<Vec<(ItemId, Timestamp)>, StoreError> {
    let (leased, _) = jobs.earliest();
    let wanted = limit.saturating_add(u32::try_from(leased).unwrap_or(u32::MAX));
    all(
        index,
        "SELECT message, number, due FROM queue_item WHERE state = 0 ORDER BY due LIMIT ?1",
        [wanted],
        |row| Ok((read_id(row)?, Timestamp(row.get(2)?))),
    )
}

fn lease(
    index: &Connection,
    jobs: &Jobs,
    now: Timestamp,
    deadline: Timestamp,
    wanted: usize,
) -> Planned<Vec<Job>> {
    let mut leased = Vec::new();
    for (item, due) in waiting(index, u32::try_from(wanted).unwrap_or(u32::MAX), jobs)? {
        if leased.len() == wanted || due.0 > now.0 {
            break;
        }
        let Some(token) = jobs.take(item, now, deadline) else {
            continue;
        };
        let job = one(
            index,
            "SELECT sender, recipient, about, queued, attempts, size FROM queue_item \
             JOIN queue_message ON id = message WHERE message = ?1 AND number = ?2",
            (item.message.0, item.number),
            |row| {
                Ok(Job {
                    item,
                    token,
                    sender: row.get(0)?,
                    recipient: row.get(1)?,
                    about: row.get(2)?,
                    queued: Timestamp(row.get(3)?),
                    attempts: row.get(4)?,
                    size: unsigned(row, 5)?,
                })
            },
        )?;
        leased.extend(job);
    }
    done(Vec::new(), leased)
}

fn settle(index: &Connection, item: ItemId, outcome: Outcome, at: Timestamp) -> Planned<Settled> {
    let sql = "SELECT 1 FROM queue_item WHERE message = ?1 AND number = ?2 AND state = 0";
    if one(index, sql, (item.message.0, item.number), |_| Ok(()))?.is_none() {
        return done(Vec::new(), Settled::TooLate);
    }
    let outcome = match outcome {
        Outcome::Done => Outcome::Done,
        Outcome::Failed { why } => Outcome::Failed { why: cut(why) },
        Outcome::Retry { at, why } => Outcome::Retry { at, why: cut(why) },
    };
    done(
        vec![Effect::QueueSettled { item, outcome, at }],
        Settled::Recorded,
    )
}

fn cut(mut why: String) -> String {
    why.truncate(why.floor_char_boundary(LONGEST_REASON));
    why
}

fn read_id(row: &Row<'_>) -> rusqlite::Result<ItemId> {
    Ok(ItemId {
        message: QueueId(row.get(0)?),
        number: row.get(1)?,
    })
}

fn read_item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let why: String = row.get(6)?;
    Ok(Item {
        id: read_id(row)?,
        recipient: row.get(2)?,
        attempts: row.get(3)?,
        state: match row.get(4)? {
            WAITING => ItemState::Waiting {
                due: Timestamp(row.get(5)?),
                why,
            },
            DONE => ItemState::Done,
            FAILED => ItemState::Failed { why },
            other => {
                return Err(rusqlite::Error::IntegralValueOutOfRange(
                    4,
                    i64::from(other),
                ));
            }
        },
    })
}
