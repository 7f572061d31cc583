//! A shard: one log, one index, one writer, many readers.

pub(crate) mod directory;
mod readers;
mod snapshots;
pub(crate) mod verify;
pub(crate) mod watchers;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::directory::Directory;
use self::readers::Readers;
use self::snapshots::Snapshots;
use self::watchers::Watchers;
use self::writer::{Operation, QUEUE, Waiting, Writer};
use super::disk::folder::Folder;
use super::disk::spool::Content;
use super::disk::{blocking, held};
use super::index::{self, Applied, Index, IndexSync};
use super::log::Log;
use super::log::body::{Place, SegmentBody};
use super::operations::Planned;
use crate::{AccountId, Body, MailboxId, Snapshot, StoreError};

/// A shard as sessions see it.
#[derive(Debug)]
pub(crate) struct Shard {
    folder: PathBuf,
    readers: Readers,
    snapshots: Arc<Snapshots>,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Operation>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// A shard whose log and index are in order, and in which nothing was written yet.
#[derive(Debug)]
pub(crate) struct Recovered {
    number: u16,
    index: Connection,
    applied: Applied,
}

impl Recovered {
    /// Brings a shard in order after a crash. Its index is made where there is none.
    pub(crate) fn open(folder: &Folder, number: u16) -> Result<Self, StoreError> {
        let path = folder.index(number);
        if index::is_outdated(&path)? {
            tracing::info!(shard = number, "the index is made anew for this version");
            index::remove(&path)?;
        }
        let index = index::open(&path, IndexSync::EveryCommit)?;
        let applied = writer::recover(&folder.shard(number), number, &index)?;
        Ok(Self {
            number,
            index,
            applied,
        })
    }

    /// The shard's index.
    pub(crate) fn index(&self) -> &Connection {
        &self.index
    }

    /// Begins to write.
    pub(crate) fn start(
        self,
        folder: &Folder,
        segment_size: u64,
        directory: &Arc<Directory>,
        watchers: &Arc<Watchers>,
    ) -> Result<Shard, StoreError> {
        let number = self.number;
        let shard = folder.shard(number);
        let unfinished = nameless_mailboxes(&self.index)?;
        let (sender, queue) = mpsc::channel(QUEUE);
        let snapshots = Arc::new(Snapshots::default());
        let writer = Writer {
            queue,
            log: Log::open(&shard, number, segment_size, self.applied.end)?,
            index: self.index,
            directory: Arc::clone(directory),
            snapshots: Arc::clone(&snapshots),
            watchers: Arc::clone(watchers),
            unmended: false,
            applied: self.applied,
        };
        let thread = std::thread::Builder::new()
            .name(format!("pillarbox-shard-{number}"))
            .spawn(move || writer.run())
            .map_err(|e| StoreError::Engine(format!("no thread for shard {number}: {e}")))?;
        let shard = Shard {
            folder: shard,
            readers: Readers::new(folder.index(number)),
            snapshots,
            queue: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(thread)),
        };
        shard.finish_deletions(unfinished)?;
        Ok(shard)
    }
}

/// The mailboxes whose deletion a crash has interrupted.
fn nameless_mailboxes(index: &Connection) -> Result<Vec<(AccountId, MailboxId)>, StoreError> {
    let everybody = Index {
        database: index,
        account: AccountId(0),
    };
    everybody.nameless_mailboxes()
}

impl Shard {
    /// Hands the rest of interrupted deletions to the writer, ahead of everything else. Nobody waits for them.
    fn finish_deletions(&self, mailboxes: Vec<(AccountId, MailboxId)>) -> Result<(), StoreError> {
        let queue = held(&self.queue).clone().ok_or(StoreError::Closed)?;
        for (account, mailbox) in mailboxes {
            let delete = move |index: Index<'_>| index.delete_nameless(mailbox);
            let (operation, _) = Waiting::new(account, Vec::new(), delete);
            // As many as fit; the next start takes the others.
            if queue.try_send(Box::new(operation)).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Has the writer do something; answers when it is durable.
    pub(crate) async fn submit<T, F>(
        &self,
        account: AccountId,
        bodies: Vec<Arc<Content>>,
        plan: F,
    ) -> Result<T, StoreError>
    where
        F: FnOnce(Index<'_>) -> Planned<T> + Send + 'static,
        T: Send + 'static,
    {
        let answer = self.begin(account, bodies, plan).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Hands something to the writer; the answer comes when it is durable.
    pub(crate) async fn begin<T, F>(
        &self,
        account: AccountId,
        bodies: Vec<Arc<Content>>,
        plan: F,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError>
    where
        F: FnOnce(Index<'_>) -> Planned<T> + Send + 'static,
        T: Send + 'static,
    {
        let queue = held(&self.queue).clone().ok_or(StoreError::Closed)?;
        let (operation, answer) = Waiting::new(account, bodies, plan);
        let sent = queue.send(Box::new(operation)).await;
        sent.map_err(|_| StoreError::Closed)?;
        // The writer must not be kept from ending by those who wait for it.
        drop(queue);
        Ok(answer)
    }

    /// Reads from the index as it is at one moment: everything that was answered before is in it.
    pub(crate) async fn read<T, F>(&self, account: AccountId, read: F) -> Result<T, StoreError>
    where
        F: FnOnce(Index<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let read = move |database: &Connection| read(Index { database, account });
        self.readers.read(read).await
    }

    /// The content that stands where the index says.
    pub(crate) async fn body<F>(
        &self,
        account: AccountId,
        find: F,
    ) -> Result<Box<dyn Body>, StoreError>
    where
        F: FnOnce(Index<'_>) -> Result<Place, StoreError> + Send + 'static,
    {
        let place = self.read(account, find).await?;
        let folder = self.folder.clone();
        let body = blocking(move || SegmentBody::open(&folder, place)).await?;
        Ok(Box::new(body))
    }

    /// The messages of a mailbox, as all who look share them.
    pub(crate) async fn snapshot(
        &self,
        account: AccountId,
        mailbox: MailboxId,
    ) -> Result<Snapshot, StoreError> {
        let read = self.read(account, move |index| index.snapshot(mailbox));
        self.snapshots.get((account, mailbox), read).await
    }

    /// Takes no more operations; answers the thread that still works on those there are.
    pub(crate) fn end(&self) -> Option<JoinHandle<()>> {
        drop(held(&self.queue).take());
        held(&self.writer).take()
    }

    /// Waits for reads under way, and refuses those that come.
    pub(crate) async fn end_reads(&self) {
        self.readers.close().await;
    }
}
