//! The embedded engine: nothing to install, one folder, one process.
//!
//! A **log** per shard is the truth; a SQLite **index** per shard says what is where and can always be made
//! anew from the log. An account belongs to one shard, by its number modulo the number of shards. Each
//! shard has one writer, a thread that takes the operations that are waiting, and for all of them together
//! (see [`writer`])
//!
//! 1. decides what each does, against the index inside one transaction (`plan`),
//! 2. appends one record per operation to the log and applies it to the index (`log`, `apply`),
//! 3. makes the log durable with **one** `fdatasync`,
//! 4. commits the index, durably, with the position in the log that it has got to,
//! 5. and only then answers.
//!
//! Readers use connections of their own and never wait for a writer. Contents are never in the index: they
//! are read straight from the segment files.
//!
//! # Folder
//!
//! ```text
//! FORMAT                     "pillarbox store 1\nshards N\n"; written last when a store is made
//! LOCK                       locked (flock) by the process that has the store
//! logins.sqlite              login records of the last 30 days
//! grants.sqlite              the operator's exceptions for passwords in the clear
//! spool/                     content on its way in; emptied when the store is opened
//! shard-000/index.sqlite     the shard's index, with SQLite's -wal and -shm
//! shard-000/0000000001.seg   segments of the shard's log, numbered from 1 without gaps
//! shard-000/next.space       space for the next segment; worthless, as is first.space
//! ```
//!
//! # Segment
//!
//! Numbers are little-endian. CRCs are CRC-32 (IEEE). A segment is preallocated; behind its last record are
//! zeros to the end of the file, or nothing.
//!
//! | offset | octets | segment header |
//! |---|---|---|
//! | 0 | 8 | `PBXSEG`, 0, format version 1 |
//! | 8 | 4 | number of the shard |
//! | 12 | 4 | chain: header CRC of the record before the segment's first, 0 for the log's first |
//! | 16 | 8 | number of the segment |
//! | 24 | 8 | log sequence number of the segment's first record |
//! | 32 | 8 | salt: random, never 0 |
//! | 40 | 4 | CRC of octets 0 to 39 |
//! | 44 | 20 | zeros |
//!
//! | offset | octets | record, at a multiple of 8 |
//! |---|---|---|
//! | 0 | 8 | the segment's salt |
//! | 8 | 8 | log sequence number: 1 for the log's first record, then each the next |
//! | 16 | 8 | batch: the sequence number of the first record of the same sync |
//! | 24 | 8 | octets of all bodies, B |
//! | 32 | 4 | octets of the entry, E, at most 256 MiB |
//! | 36 | 4 | chain: header CRC of the record before |
//! | 40 | 4 | CRC of the entry |
//! | 44 | 4 | header CRC: of octets 0 to 43 |
//! | 48 | E | entry |
//! | 48+E | B | bodies, one after another |
//! | 48+E+B | 0-7 | zeros up to a multiple of 8 |
//!
//! An entry is the account's number (8 octets, signed), a count (4), and that many effects: a tag (1) and
//! fields in the order of `entry::Effect`. Texts, octet strings and lists have a count (4) before them,
//! what may be absent 0 or 1 (1). Effects that bring content carry size (8) and CRC (4) of their body;
//! bodies stand in the order of these effects. The queue is no account's: its entries have account 0.
//!
//! | tag | effect | fields |
//! |---|---|---|
//! | 1 | account created | address, verifiers, ladder, time |
//! | 2 | verifiers set | argon2id text, salt, iterations (4), stored key (32), server key (32) |
//! | 3 | ladder set | rung (1) [until (8)], least TLS version (1), last weaker use?, since (8) |
//! | 4 | password exposed | time (8) |
//! | 5 | account deleted | |
//! | 6 | mailbox created | id (8), name, UIDVALIDITY (4), MODSEQ (8), subscribed (1), special use? |
//! | 7 | mailbox renamed | id (8), name |
//! | 8 | mailbox deleted | id (8) |
//! | 9 | subscription set | id (8), subscribed (1) |
//! | 10 | message appended | mailbox (8), UID (4), content (8), MODSEQ (8), date (8), offset (2), flags, structure, size (8), CRC (4) |
//! | 11 | flags set | mailbox (8), MODSEQ (8), flags, UIDs (4 each) |
//! | 12 | expunged | mailbox (8), MODSEQ (8), UIDs (4 each) |
//! | 13 | copied | from (8), to (8), MODSEQ (8), pairs of UIDs (4 and 4) |
//! | 14 | delivered | delivery (16), date (8), offset (2), structure, size (8), CRC (4), list of: account (8), mailbox (8), UIDVALIDITY (4), UID (4), content (8), MODSEQ (8), flags |
//! | 15 | queued | message (16), sender, list of recipients, octets for the worker, time (8), size (8), CRC (4) |
//! | 16 | queue settled | message (16), recipient's number (4), outcome (1) \[time (8)\] \[reason\], time (8) |
//!
//! # Recovery
//!
//! Opening a store looks at each shard's index for the position it has got to, checks that the record that
//! ends there is in the log and whole, and applies the records behind it. What stands behind the last whole
//! record is either zeros (the log ends there) or something else, and then:
//!
//! - In a segment that is not the last it is **damage**: the next segment is made only when this one is
//!   durable.
//! - If the header of a later record begins a later batch, it is **damage**: a batch is written only when
//!   the one before is durable. The salt and the header's CRC keep a message's content from posing as one.
//! - Otherwise it is a **torn tail**: writes of a batch that was never durable, and so never acknowledged.
//!   It is cut, and the log goes on there.
//!
//! Damage is reported as [`StoreError::Damaged`] with file and offset, and the store does not open. Nothing
//! damaged is ever skipped. An index that is missing is made anew; [`EmbeddedStore::verify`] compares one
//! with its log, [`EmbeddedStore::rebuild_index`] replaces it.
//!
//! A batch whose sync fails is taken back from the log before anything else is written: the system may have
//! dropped what it could not write.

mod accounts;
mod apply;
mod body;
mod codec;
mod directory;
mod entry;
mod folder;
mod grants;
mod index;
mod leases;
mod log;
mod logins;
mod mail;
mod names;
mod plan;
mod query;
mod queue;
mod readers;
mod scan;
mod segment;
mod snapshots;
mod spool;
mod verify;
mod wakeups;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::directory::Directory;
use self::folder::Folder;
use self::grants::GrantBook;
use self::index::IndexSync;
use self::leases::Held;
use self::log::Log;
use self::logins::LoginRecords;
use self::plan::Planned;
use self::queue::Jobs;
use self::readers::Readers;
use self::snapshots::Snapshots;
use self::spool::Content;
pub use self::verify::{Report, ShardReport};
use self::wakeups::Watchers;
use self::writer::{Operation, QUEUE, Waiting, Writer};
use crate::{AccountId, Engine, StoreError};

/// The least a segment may be asked to hold, in octets.
const SMALLEST_SEGMENT: u64 = 4096;

/// How an embedded store is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedOptions {
    /// Shards of a store that is made now, 1 to 256; one that exists keeps those it has. Each has a log, an
    /// index and a writer of its own.
    pub shards: u16,
    /// Octets of a segment made from now on; at least 4 KiB. A record that is larger gets a segment of its
    /// size. Every shard has this much space preallocated, and up to twice as much.
    pub segment_size: u64,
}

impl Default for EmbeddedOptions {
    /// 4 shards, segments of 32 MiB.
    fn default() -> Self {
        Self {
            shards: 4,
            segment_size: 32 << 20,
        }
    }
}

/// The store in a folder of its own. [`Stores::of`](crate::Stores::of) makes the handles to it.
///
/// Dropping it waits until what was asked for is stored; [`Engine::close`] does so without blocking.
#[derive(Debug)]
pub struct EmbeddedStore {
    shards: Vec<Shard>,
    directory: Arc<Directory>,
    watchers: Arc<Watchers>,
    logins: Arc<LoginRecords>,
    grants: Arc<GrantBook>,
    leases: Held,
    jobs: Arc<Jobs>,
    spools: Arc<Path>,
    closed: AtomicBool,
    closing: tokio::sync::Mutex<()>,
    /// Given back last, when no thread writes any more.
    folder: Mutex<Option<Folder>>,
}

/// A shard as sessions see it.
#[derive(Debug)]
struct Shard {
    folder: PathBuf,
    readers: Readers,
    snapshots: Arc<Snapshots>,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Operation>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Shard {
    /// Has the writer do something; answers when it is durable.
    async fn submit<T, F>(
        &self,
        account: AccountId,
        bodies: Vec<Arc<Content>>,
        plan: F,
    ) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Planned<T> + Send + 'static,
        T: Send + 'static,
    {
        let answer = self.begin(account, bodies, plan).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Hands something to the writer; the answer comes when it is durable.
    async fn begin<T, F>(
        &self,
        account: AccountId,
        bodies: Vec<Arc<Content>>,
        plan: F,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError>
    where
        F: FnOnce(&Connection) -> Planned<T> + Send + 'static,
        T: Send + 'static,
    {
        let queue = held(&self.queue).clone();
        let queue = queue.ok_or(StoreError::Closed)?;
        let (operation, answer) = Waiting::new(account, bodies, plan);
        queue
            .send(Box::new(operation))
            .await
            .map_err(|_| StoreError::Closed)?;
        // The writer must not be kept from ending by those who wait for it.
        drop(queue);
        Ok(answer)
    }
}

impl EmbeddedStore {
    /// Opens the store in `path`, bringing it in order after a crash; makes one where there is none. Blocks.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if it is open already, [`StoreError::Damaged`] if something in it is not as it
    /// was written, [`StoreError::Disk`] if the disk refuses.
    pub fn open(path: &Path, options: EmbeddedOptions) -> Result<Self, StoreError> {
        let folder = Folder::take_or_make(path, options.shards)?;
        folder.clear_spools()?;
        let directory = Arc::new(Directory::default());
        let watchers = Arc::new(Watchers::default());
        let segment_size = options.segment_size.max(SMALLEST_SEGMENT);
        // Recovered one after another, and all of them before anything is written.
        let mut recovered = Vec::new();
        for number in 0..folder.shards() {
            let shard = folder.shard(number);
            let path = folder.index(number);
            if index::is_outdated(&path)? {
                tracing::info!(shard = number, "the index is made anew for this version");
                index::remove(&path)?;
            }
            let index = index::open(&path, IndexSync::EveryCommit)?;
            let applied = writer::recover(&shard, number, &index)?;
            directory.load(&index)?;
            recovered.push((number, index, applied));
        }
        let logins = Arc::new(LoginRecords::open(&folder.logins())?);
        let grants = Arc::new(GrantBook::open(&folder.grants())?);
        let mut shards = Vec::new();
        for (number, index, applied) in recovered {
            let shard = folder.shard(number);
            let log = Log::open(&shard, number, segment_size, applied.end)?;
            let (sender, queue) = mpsc::channel(QUEUE);
            let snapshots = Arc::new(Snapshots::default());
            let writer = Writer {
                queue,
                index,
                log,
                directory: Arc::clone(&directory),
                snapshots: Arc::clone(&snapshots),
                watchers: Arc::clone(&watchers),
                unmended: false,
                applied,
            };
            let thread = std::thread::Builder::new()
                .name(format!("pillarbox-shard-{number}"))
                .spawn(move || writer.run())
                .map_err(|e| StoreError::Engine(format!("no thread for shard {number}: {e}")))?;
            shards.push(Shard {
                folder: shard,
                readers: Readers::new(folder.index(number)),
                snapshots,
                queue: Mutex::new(Some(sender)),
                writer: Mutex::new(Some(thread)),
            });
        }
        Ok(Self {
            shards,
            directory,
            watchers,
            logins,
            grants,
            leases: Held::default(),
            jobs: Arc::default(),
            spools: folder.spools().into(),
            closed: AtomicBool::new(false),
            closing: tokio::sync::Mutex::default(),
            folder: Mutex::new(Some(folder)),
        })
    }

    /// Reads everything in a store that is not open: every CRC of the log, and every row of the index
    /// against the log. Blocks, for as long as the disk needs. Changes nothing that is stored.
    ///
    /// # Errors
    /// [`StoreError::InUse`], or [`StoreError::Disk`]. Damage is no error: it is in the [`Report`].
    pub fn verify(path: &Path) -> Result<Report, StoreError> {
        verify::verify(path)
    }

    /// Makes the indexes of a store that is not open anew from its logs. Blocks.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Disk`], or [`StoreError::Damaged`] if a log is damaged; the
    /// indexes of that shard and those after it stay as they are.
    pub fn rebuild_index(path: &Path) -> Result<Report, StoreError> {
        verify::rebuild_index(path)
    }

    /// The number of the shard that an account belongs to.
    fn shard_of(&self, account: AccountId) -> usize {
        let count = i64::try_from(self.shards.len()).unwrap_or(i64::MAX).max(1);
        usize::try_from(account.0.rem_euclid(count)).unwrap_or(0)
    }

    fn shard(&self, account: AccountId) -> Result<&Shard, StoreError> {
        self.shards
            .get(self.shard_of(account))
            .ok_or(StoreError::Closed)
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            Err(StoreError::Closed)
        } else {
            Ok(())
        }
    }

    /// Has the account's writer do something; answers when it is durable.
    async fn submit<T, F>(
        &self,
        account: AccountId,
        bodies: Vec<Arc<Content>>,
        plan: F,
    ) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Planned<T> + Send + 'static,
        T: Send + 'static,
    {
        self.shard(account)?.submit(account, bodies, plan).await
    }

    /// Reads from the account's index.
    async fn read<T, F>(&self, account: AccountId, read: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.shard(account)?.readers.read(read).await
    }

    /// Takes no more operations; answers the threads that still work on those there are.
    fn end_queues(&self) -> Vec<JoinHandle<()>> {
        for shard in &self.shards {
            drop(held(&shard.queue).take());
        }
        self.shards
            .iter()
            .filter_map(|shard| held(&shard.writer).take())
            .collect()
    }
}

#[async_trait]
impl Engine for EmbeddedStore {
    async fn close(&self) {
        let _one_at_a_time = self.closing.lock().await;
        self.closed.store(true, Ordering::Release);
        let writers = self.end_queues();
        // Before the writers end, so that they are the last to use the indexes and fold in their logs.
        for shard in &self.shards {
            shard.readers.close().await;
        }
        let ended = blocking(move || {
            wait_for(writers);
            Ok(())
        });
        if let Err(error) = ended.await {
            tracing::error!(%error, "the store could not be closed in order");
        }
        logins::close(Arc::clone(&self.logins)).await;
        self.watchers.close();
        drop(held(&self.folder).take());
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        wait_for(self.end_queues());
    }
}

fn wait_for(writers: Vec<JoinHandle<()>>) {
    for writer in writers {
        if writer.join().is_err() {
            tracing::error!("a shard's writer ended badly");
        }
    }
}

/// A panic elsewhere cannot leave an `Option` half changed, so a poisoned lock is as good as any.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what may block on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| StoreError::Engine(e.to_string()))?
}

#[cfg(test)]
mod tests;
