//! A shard: one log, one index, one writer, many readers.

pub(crate) mod directory;
pub(crate) mod readers;
pub(crate) mod snapshots;
pub(crate) mod verify;
pub(crate) mod watchers;
pub(crate) mod writer;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use self::readers::Readers;
use self::snapshots::Snapshots;
use self::writer::{Operation, Waiting};
use super::disk::held;
use super::disk::spool::Content;
use super::operations::Planned;
use crate::{AccountId, StoreError};

/// A shard as sessions see it.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) folder: PathBuf,
    pub(crate) readers: Readers,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) queue: Mutex<Option<mpsc::Sender<Box<dyn Operation>>>>,
    pub(crate) writer: Mutex<Option<JoinHandle<()>>>,
}

impl Shard {
    /// Has the writer do something; answers when it is durable.
    pub(crate) async fn submit<T, F>(
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
    pub(crate) async fn begin<T, F>(
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
