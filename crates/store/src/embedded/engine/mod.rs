//! The engine as a whole: opened, closed, and each trait of the store.

mod accounts;
mod mail;
mod queue;
mod records;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use async_trait::async_trait;

use crate::embedded::disk::folder::Folder;
use crate::embedded::disk::{blocking, held};
use crate::embedded::index::Index;
use crate::embedded::leases::LeaseTable;
use crate::embedded::operations::{Jobs, Planned};
use crate::embedded::records::grants::GrantBook;
use crate::embedded::records::logins::LoginRecords;
use crate::embedded::shard::directory::Directory;
use crate::embedded::shard::verify::{self, Report};
use crate::embedded::shard::watchers::Watchers;
use crate::embedded::shard::{Recovered, Shard};
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
    leases: LeaseTable<AccountId, Instant>,
    /// The items of the queue that workers have.
    jobs: Arc<Jobs>,
    spools: Arc<Path>,
    closed: AtomicBool,
    closing: tokio::sync::Mutex<()>,
    /// Given back last, when no thread writes any more.
    folder: Mutex<Option<Folder>>,
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
            let shard = Recovered::open(&folder, number)?;
            directory.load(shard.index())?;
            recovered.push(shard);
        }
        let logins = Arc::new(LoginRecords::open(&folder.logins())?);
        let grants = Arc::new(GrantBook::open(&folder.grants())?);
        let mut shards = Vec::new();
        for shard in recovered {
            shards.push(shard.start(&folder, segment_size, &directory, &watchers)?);
        }
        Ok(Self {
            shards,
            directory,
            watchers,
            logins,
            grants,
            leases: LeaseTable::default(),
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
        let shard = self.shards.get(self.shard_of(account));
        shard.ok_or(StoreError::Closed)
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Acquire) {
            Err(StoreError::Closed)
        } else {
            Ok(())
        }
    }

    /// Has the account's writer do something; answers when it is durable.
    async fn change<T, F>(&self, account: AccountId, plan: F) -> Result<T, StoreError>
    where
        F: FnOnce(Index<'_>) -> Planned<T> + Send + 'static,
        T: Send + 'static,
    {
        let shard = self.shard(account)?;
        shard.submit(account, Vec::new(), plan).await
    }

    /// Reads from the account's index.
    async fn read<T, F>(&self, account: AccountId, read: F) -> Result<T, StoreError>
    where
        F: FnOnce(Index<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.shard(account)?.read(account, read).await
    }

    /// Takes no more operations; answers the threads that still work on those there are.
    fn end_shards(&self) -> Vec<JoinHandle<()>> {
        self.shards.iter().filter_map(Shard::end).collect()
    }
}

#[async_trait]
impl Engine for EmbeddedStore {
    async fn close(&self) {
        let _one_at_a_time = self.closing.lock().await;
        self.closed.store(true, Ordering::Release);
        let writers = self.end_shards();
        // Before the writers end, so that they are the last to use the indexes and fold in their logs.
        for shard in &self.shards {
            shard.end_reads().await;
        }
        let logins = Arc::clone(&self.logins);
        let ended = blocking(move || {
            wait_for(writers);
            logins.close();
            Ok(())
        });
        if let Err(error) = ended.await {
            tracing::error!(%error, "the store could not be closed in order");
        }
        self.watchers.close();
        drop(held(&self.folder).take());
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        wait_for(self.end_shards());
    }
}

fn wait_for(writers: Vec<JoinHandle<()>>) {
    for writer in writers {
        if writer.join().is_err() {
            tracing::error!("a shard's writer ended badly");
        }
    }
}

#[cfg(test)]
mod tests;
