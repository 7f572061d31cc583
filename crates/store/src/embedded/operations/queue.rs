//! What is done to the queue. Its entries belong to no account.

use pillarbox_policy::Timestamp;
use rusqlite::Row;

use super::{Planned, check_structure};
use crate::embedded::index::apply::{DONE, FAILED, WAITING};
use crate::embedded::index::query::{no_content, read_place};
use crate::embedded::index::{Index, unsigned};
use crate::embedded::leases::LeaseTable;
use crate::embedded::log::body::Place;
use crate::embedded::log::entry::{Effect, QueuedMessage};
use crate::{Enqueued, Item, ItemId, ItemState, Job, Outcome, QueueId, Settled, StoreError};

/// Recipients of a message.
const MOST_RECIPIENTS: u64 = 100_000;
/// Octets of an address.
const LONGEST_ADDRESS: u64 = 1000;
/// Octets of a reason that are kept.
const LONGEST_REASON: usize = 1000;

/// The items that workers have.
pub(crate) type Jobs = LeaseTable<ItemId, Timestamp>;

impl Index<'_> {
    pub(crate) fn enqueue(&self, message: QueuedMessage) -> Planned<Enqueued> {
        let sql = "SELECT 1 FROM queue_message WHERE id = ?1";
        if self.one(sql, [message.id.0], |_| Ok(()))?.is_some() {
            return Ok((Vec::new(), Enqueued::Known));
        }
        let count = message.recipients.len() as u64;
        StoreError::check("the number of recipients", count, MOST_RECIPIENTS)?;
        if count == 0 {
            return Err(StoreError::not_found("a recipient"));
        }
        for address in message.recipients.iter().chain([&message.sender]) {
            StoreError::check("an address", address.len() as u64, LONGEST_ADDRESS)?;
        }
        check_structure(&message.about)?;
        Ok((vec![Effect::Queued(Box::new(message))], Enqueued::New))
    }

    /// The items that wait, the first due first: `limit` beside those that are leased.
    pub(crate) fn waiting(
        &self,
        limit: u32,
        jobs: &Jobs,
    ) -> Result<Vec<(ItemId, Timestamp)>, StoreError> {
        let (leased, _) = jobs.earliest();
        let wanted = limit.saturating_add(u32::try_from(leased).unwrap_or(u32::MAX));
        let sql = "SELECT message, number, due FROM queue_item WHERE state = 0 \
                   ORDER BY due LIMIT ?1";
        self.all(sql, [wanted], |row| {
            Ok((read_id(row)?, Timestamp(row.get(2)?)))
        })
    }

    pub(crate) fn lease(
        &self,
        jobs: &Jobs,
        now: Timestamp,
        deadline: Timestamp,
        wanted: usize,
    ) -> Planned<Vec<Job>> {
        let mut leased = Vec::new();
        for (item, due) in self.waiting(u32::try_from(wanted).unwrap_or(u32::MAX), jobs)? {
            if leased.len() == wanted || due > now {
                break;
            }
            let Some(token) = jobs.take(item, now, deadline) else {
                continue;
            };
            leased.extend(self.one(
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
            )?);
        }
        Ok((Vec::new(), leased))
    }

    /// Ends a job, unless its lease ran out.
    pub(crate) fn settle(
        &self,
        jobs: &Jobs,
        job: &Job,
        outcome: Outcome,
        at: Timestamp,
    ) -> Planned<Settled> {
        let item = job.item;
        let sql = "SELECT 1 FROM queue_item WHERE message = ?1 AND number = ?2 AND state = 0";
        let key = (item.message.0, item.number);
        if !jobs.holds(&item, job.token, at) || self.one(sql, key, |_| Ok(()))?.is_none() {
            return Ok((Vec::new(), Settled::TooLate));
        }
        let outcome = match outcome {
            Outcome::Done => Outcome::Done,
            Outcome::Failed { why } => Outcome::Failed { why: cut(why) },
            Outcome::Retry { at, why } => Outcome::Retry { at, why: cut(why) },
        };
        let effect = Effect::QueueSettled(item, outcome, at);
        Ok((vec![effect], Settled::Recorded))
    }

    /// Where a message's content stands.
    pub(crate) fn queued_content(&self, message: QueueId) -> Result<Place, StoreError> {
        let sql = "SELECT segment, offset, size, crc FROM queue_message WHERE id = ?1";
        let place = self.one(sql, [message.0], read_place)?;
        place.ok_or_else(no_content)
    }

    /// At most `limit` items by their identity: the first ones, or those behind `after`.
    pub(crate) fn items(&self, after: Option<ItemId>, limit: u32) -> Result<Vec<Item>, StoreError> {
        let (message, number) =
            after.map_or(([0; 16], -1), |id| (id.message.0, i64::from(id.number)));
        let sql = "SELECT message, number, recipient, attempts, state, due, why FROM queue_item \
                   WHERE (message, number) > (?1, ?2) ORDER BY message, number LIMIT ?3";
        self.all(sql, (message, number, limit), read_item)
    }
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
