//! [`Wakeups`]: who is told that something in an account has changed.

use tokio::sync::{broadcast, watch};

use crate::{AccountId, MailboxId, ModSeq};

/// A wake-up. A hint: what the store answers is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Messages of a mailbox, or their flags.
    Mailbox {
        /// The mailbox.
        mailbox: MailboxId,
        /// The modification sequence of the change. Whoever knows the mailbox up to here already has
        /// nothing to ask for.
        modseq: ModSeq,
    },
    /// The list of mailboxes.
    MailboxList,
    /// Wake-ups were missed: anything may have changed.
    Lagged,
}

/// Wake-ups for one account, in the order of the changes.
#[derive(Debug)]
pub struct Watch(broadcast::Receiver<Wake>);

impl Watch {
    /// Wraps the engine's channel.
    #[must_use]
    pub fn new(receiver: broadcast::Receiver<Wake>) -> Self {
        Self(receiver)
    }

    /// The next wake-up. Never returns if nothing happens; `None` when the store closes. Cancel-safe.
    pub async fn next(&mut self) -> Option<Wake> {
        match self.0.recv().await {
            Ok(wake) => Some(wake),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Wake::Lagged),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// A wake-up that is there already. `None` also when the store has closed.
    pub fn try_next(&mut self) -> Option<Wake> {
        match self.0.try_recv() {
            Ok(wake) => Some(wake),
            Err(broadcast::error::TryRecvError::Lagged(_)) => Some(Wake::Lagged),
            Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed) => {
                None
            }
        }
    }
}

/// Wake-ups for workers of the queue.
#[derive(Debug)]
pub struct QueueWatch(watch::Receiver<()>);

impl QueueWatch {
    /// Wraps the engine's channel.
    #[must_use]
    pub fn new(receiver: watch::Receiver<()>) -> Self {
        Self(receiver)
    }

    /// Waits until something in the queue may be due earlier than [`Queue::next_due`](crate::Queue::next_due)
    /// said: a message came, or an item is to be tried again. Many of these are one wake-up to whoever does
    /// not look. `None` when the store closes. Cancel-safe.
    pub async fn next(&mut self) -> Option<()> {
        self.0.changed().await.ok()
    }
}

/// Wake-ups for sessions and workers that wait for changes.
pub trait Wakeups: Send + Sync + std::fmt::Debug + 'static {
    /// Wake-ups for changes in this account from now on. A change is told before the operation that made it
    /// answers.
    fn watch(&self, account: AccountId) -> Watch;

    /// Wake-ups for the queue from now on. What is due is told before the operation that made it so answers.
    fn watch_queue(&self) -> QueueWatch;
}
