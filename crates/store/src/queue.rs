//! [`Queue`]: messages that wait to be brought to their recipients, each at its time.

use async_trait::async_trait;
use pillarbox_policy::Timestamp;

use crate::{Body, Spool, StoreError};

/// Identifies a message in the queue, for as long as an engine remembers it (at least 7 days after its last
/// recipient is done with): the same one again is queued once. Random, from whoever takes the message in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub [u8; 16]);

/// A message to be queued. The content is kept once for all recipients.
#[derive(Debug)]
pub struct NewQueued {
    /// Its identity.
    pub id: QueueId,
    /// The reverse path; empty for the null one.
    pub sender: String,
    /// The forward paths, at least one.
    pub recipients: Vec<String>,
    /// What else the worker wants to know. Opaque to the store; at most 1 MiB.
    pub about: Vec<u8>,
    /// When it was taken in; due at once.
    pub queued: Timestamp,
    /// Its content.
    pub body: Box<dyn Spool>,
}

/// What became of a message that was to be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the queue.
    New,
    /// It was taken in before, and may be done with. Nothing was changed.
    Known,
}

/// One recipient of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId {
    /// The message.
    pub message: QueueId,
    /// The recipient, by its place in [`NewQueued::recipients`] from 0.
    pub number: u32,
}

/// An item that a worker has for itself until its deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The item.
    pub item: ItemId,
    /// Tells this turn from every other that the item had or will have.
    pub token: u64,
    /// The reverse path.
    pub sender: String,
    /// The forward path.
    pub recipient: String,
    /// What the worker wanted to know.
    pub about: Vec<u8>,
    /// When the message was taken in.
    pub queued: Timestamp,
    /// How often it was tried before.
    pub attempts: u32,
    /// Octets of the content.
    pub size: u64,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The recipient has it.
    Done,
    /// It is not to be tried again.
    Failed {
        /// Why not; cut to 1,000 octets.
        why: String,
    },
    /// It is to be tried again.
    Retry {
        /// Not before this.
        at: Timestamp,
        /// Why it did not work; cut to 1,000 octets.
        why: String,
    },
}

/// What became of a job's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// It is on record.
    Recorded,
    /// The deadline had passed, and the item may be somebody else's. Nothing was changed.
    TooLate,
}

/// An item as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its identity.
    pub id: ItemId,
    /// The forward path.
    pub recipient: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How it stands.
    pub state: ItemState,
}

/// How an item stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemState {
    /// It waits, or is being worked on.
    Waiting {
        /// When it is due.
        due: Timestamp,
        /// Why it did not work last time; empty if it was not tried.
        why: String,
    },
    /// The recipient has it.
    Done,
    /// It was given up.
    Failed {
        /// Why.
        why: String,
    },
}

/// Messages that wait. What is changed is on stable storage when an operation answers; leases alone may be
/// forgotten with their process, which gives their items to others early.
///
/// An item is done at least once: a worker that dies between doing its work and saying so leaves the item to
/// the next.
#[async_trait]
pub trait Queue: Send + Sync + std::fmt::Debug + 'static {
    /// Takes a message in.
    async fn enqueue(&self, message: NewQueued) -> Result<Enqueued, StoreError>;

    /// Leases items that are due at `now` and that nobody has, the longest due first, at most `limit`. They
    /// are this worker's alone until `deadline`.
    async fn lease(
        &self,
        now: Timestamp,
        deadline: Timestamp,
        limit: u32,
    ) -> Result<Vec<Job>, StoreError>;

    /// Puts on record how a job ended, if `now` is before its deadline, and ends the lease.
    async fn settle(
        &self,
        job: &Job,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Settled, StoreError>;

    /// When the next item is due that nobody has, or the next deadline passes. Not before that is there
    /// anything to lease, unless [`Wakeups::watch_queue`](crate::Wakeups::watch_queue) tells of something.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// A message's content.
    async fn queued_body(&self, message: QueueId) -> Result<Box<dyn Body>, StoreError>;

    /// At most `limit` items by their identity: the first ones, or those behind `after`. Fewer only at the
    /// end.
    async fn items(&self, after: Option<ItemId>, limit: u32) -> Result<Vec<Item>, StoreError>;
}
