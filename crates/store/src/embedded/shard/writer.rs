//! A shard's one writer: takes what is waiting, logs it, makes it durable with one sync, commits the index,
//! and only then answers.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::embedded::disk::segment::{LARGEST_ENTRY, Segment};
use crate::embedded::disk::spool::Content;
use crate::embedded::disk::{codec, disk};
use crate::embedded::index::apply::apply;
use crate::embedded::index::{self, Applied, Index, trouble};
use crate::embedded::log::Log;
use crate::embedded::log::entry::{Effect, Entry};
use crate::embedded::log::scan::{Bodies, End, Next, Scanner, check_last};
use crate::embedded::operations::Planned;
use crate::embedded::shard::directory::Directory;
use crate::embedded::shard::snapshots::Snapshots;
use crate::embedded::shard::watchers::Watchers;
use crate::{AccountId, StoreError};

/// Operations made durable together at most.
const BATCH: usize = 512;
/// Operations that may wait before callers are held up.
pub(crate) const QUEUE: usize = 1024;

/// An operation waiting for the writer.
pub(crate) trait Operation: Send {
    fn account(&self) -> AccountId;

    /// Decides what it does. Called once.
    fn plan(&mut self, index: &Connection) -> Result<Vec<Effect>, StoreError>;

    /// The contents it brings, in the order of the effects that have one.
    fn bodies(&self) -> &[Arc<Content>];

    /// Tells the caller: what was planned, or why it came to nothing.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// An [`Operation`] made of a closure that plans it and a caller that waits for a `T`.
pub(crate) struct Waiting<F, T> {
    account: AccountId,
    bodies: Vec<Arc<Content>>,
    plan: Option<F>,
    planned: Option<T>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Waiting<F, T>
where
    F: FnOnce(Index<'_>) -> Planned<T> + Send,
    T: Send,
{
    pub(crate) fn new(
        account: AccountId,
        bodies: Vec<Arc<Content>>,
        plan: F,
    ) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (caller, answer) = oneshot::channel();
        let waiting = Self {
            account,
            bodies,
            plan: Some(plan),
            planned: None,
            caller,
        };
        (waiting, answer)
    }
}

impl<F, T> Operation for Waiting<F, T>
where
    F: FnOnce(Index<'_>) -> Planned<T> + Send,
    T: Send,
{
    fn account(&self) -> AccountId {
        self.account
    }

    fn plan(&mut self, index: &Connection) -> Result<Vec<Effect>, StoreError> {
        let plan = self.plan.take().ok_or(StoreError::Closed)?;
        let (database, account) = (index, self.account);
        let (effects, planned) = plan(Index { database, account })?;
        self.planned = Some(planned);
        Ok(effects)
    }

    fn bodies(&self) -> &[Arc<Content>] {
        &self.bodies
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self {
            planned, caller, ..
        } = *self;
        let answer = outcome.and_then(|()| planned.ok_or(StoreError::Closed));
        // A caller that stopped waiting wants no answer; what it asked for is done all the same.
        let _ = caller.send(answer);
    }
}

/// What the writer owns and tells.
pub(crate) struct Writer {
    pub(crate) queue: mpsc::Receiver<Box<dyn Operation>>,
    pub(crate) index: Connection,
    pub(crate) log: Log,
    pub(crate) directory: Arc<Directory>,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) watchers: Arc<Watchers>,
    /// Set when a failed batch could not be taken back from the log yet.
    pub(crate) unmended: bool,
    pub(crate) applied: Applied,
}

impl Writer {
    /// Works until every sender is gone and the queue is empty.
    pub(crate) fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(next) = self.queue.try_recv()
            {
                batch.push(next);
            }
            self.serve(batch);
        }
        // The write-ahead log of the index is folded in when the connection closes.
    }

    fn serve(&mut self, mut batch: Vec<Box<dyn Operation>>) {
        let outcome = self.mend().and_then(|()| self.commit(&mut batch));
        match outcome {
            Ok((entries, refusals)) => {
                for entry in &entries {
                    self.directory.note(entry);
                    self.snapshots.note(entry);
                    self.watchers.tell(entry);
                }
                for (operation, refused) in batch.into_iter().zip(refusals) {
                    operation.answer(refused.map_or(Ok(()), Err));
                }
            }
            Err(error) => {
                tracing::error!(%error, operations = batch.len(), "a batch could not be stored");
                for operation in batch {
                    operation.answer(Err(error.clone()));
                }
            }
        }
    }

    /// Takes back what a failed batch left in the log. Nothing is stored before that succeeds.
    fn mend(&mut self) -> Result<(), StoreError> {
        if self.unmended {
            self.log.rewind(self.applied.end)?;
            self.unmended = false;
            tracing::info!("the log is in order again");
        }
        Ok(())
    }

    /// Stores a batch. Answers what was done, and for each operation why it was refused, if it was.
    fn commit(
        &mut self,
        batch: &mut [Box<dyn Operation>],
    ) -> Result<(Vec<Entry>, Vec<Option<StoreError>>), StoreError> {
        let index = Transaction::new_unchecked(&self.index, TransactionBehavior::Immediate)
            .map_err(|e| trouble(&self.index, &e))?;
        let mut entries = Vec::new();
        let mut refusals = Vec::new();
        let mut applied = self.applied;
        let stored = (|| {
            for operation in batch {
                let planned = operation.plan(&index).and_then(|effects| {
                    let entry = Entry {
                        account: operation.account(),
                        effects,
                    };
                    let octets = codec::octets(&entry);
                    let size = octets.len() as u64;
                    StoreError::check("one operation", size, u64::from(LARGEST_ENTRY))?;
                    Ok((entry, octets))
                });
                let (entry, octets) = match planned {
                    Ok(planned) => planned,
                    Err(refused) => {
                        refusals.push(Some(refused));
                        continue;
                    }
                };
                refusals.push(None);
                if entry.effects.is_empty() {
                    continue;
                }
                let placed = self.log.append(&octets, operation.bodies())?;
                apply(&index, &entry, placed.start.segment, placed.bodies_at)?;
                applied = Applied {
                    end: self.log.position(),
                    record: placed.start.offset,
                };
                entries.push(entry);
            }
            if entries.is_empty() {
                return Ok(());
            }
            index::set_applied(&index, applied)?;
            self.log.sync()?;
            index.commit().map_err(|e| trouble(&self.index, &e))
        })();
        match stored {
            Ok(()) => {
                self.applied = applied;
                Ok((entries, refusals))
            }
            Err(error) => {
                self.unmended = true;
                // If this fails too, it is tried again before the next batch.
                let _ = self.mend();
                Err(error)
            }
        }
    }
}

/// Brings an index up to date with its log and cuts a torn tail. Answers how far it is now.
pub(crate) fn recover(
    folder: &Path,
    shard: u16,
    index: &Connection,
) -> Result<Applied, StoreError> {
    let mut applied = index::applied(index)?;
    if applied.record != 0 {
        check_last(folder, shard, applied.end, applied.record)?;
    }
    let before = applied.end;
    let mut scanner = Scanner::open(folder, shard, applied.end, Bodies::Checked)?;
    let replay = Transaction::new_unchecked(index, TransactionBehavior::Immediate)
        .map_err(|e| trouble(index, &e))?;
    let end = loop {
        match scanner.next()? {
            Next::Record(record) => {
                applied = index::apply::replay(&replay, &record)?;
            }
            Next::End(end) => break end,
        }
    };
    if end == End::Torn {
        let at = applied.end;
        tracing::warn!(
            shard,
            segment = at.segment,
            offset = at.offset,
            "unfinished writes at the end of the log were cut; none of them was acknowledged"
        );
        // The segment may end behind the one that holds the last record.
        crate::embedded::log::cut(folder, scanner.position())?;
    }
    let replayed = applied.end.lsn - before.lsn;
    if replayed > 0 {
        tracing::info!(shard, records = replayed, "the log was replayed");
        // They may have been written and never synced, and the index must not be ahead of the log. Earlier
        // segments are durable: each was synced before the next was made.
        let (last, _) = Segment::open_any(folder, shard, applied.end.segment)?;
        last.file.sync_all().map_err(|e| disk(&last.path, &e))?;
    }
    replay.commit().map_err(|e| trouble(index, &e))?;
    // The log goes on behind the last record, which may be in the segment after it.
    Ok(Applied {
        end: scanner.position(),
        ..applied
    })
}
