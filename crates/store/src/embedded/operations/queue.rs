//! What is done to the queue.

use pillarbox_policy::Timestamp;
use rusqlite::{Connection, Row};

use super::{Planned, done, limit};
use crate::embedded::index::apply::{DONE, FAILED, WAITING};
use crate::embedded::index::query::{all, one};
use crate::embedded::index::unsigned;
use crate::embedded::leases::LeaseTable;
use crate::embedded::log::entry::{Effect, QueuedMessage};
use crate::{Enqueued, Item, ItemId, ItemState, Job, Outcome, QueueId, Settled, StoreError};

/// Recipients of a message.
const MOST_RECIPIENTS: u64 = 100_000;
/// Octets of an address.
const LONGEST_ADDRESS: u64 = 1000;
/// Octets of what the worker wants to know.
const LARGEST_ABOUT: u64 = 1 << 20;
/// Octets of a reason that are kept.
const LONGEST_REASON: usize = 1000;

pub(crate) fn enqueue(index: &Connection, message: QueuedMessage) -> Planned<Enqueued> {
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
pub(crate) fn waiting(
    index: &Connection,
    limit: u32,
    jobs: &LeaseTable<ItemId, Timestamp>,
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

pub(crate) fn lease(
    index: &Connection,
    jobs: &LeaseTable<ItemId, Timestamp>,
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

pub(crate) fn settle(
    index: &Connection,
    item: ItemId,
    outcome: Outcome,
    at: Timestamp,
) -> Planned<Settled> {
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

pub(crate) fn read_item(row: &Row<'_>) -> rusqlite::Result<Item> {
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
