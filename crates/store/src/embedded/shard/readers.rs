//! Connections that read a shard's index, beside its writer and beside each other.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

use crate::StoreError;
use crate::embedded::disk::{blocking, held};
use crate::embedded::index::{self, trouble};

/// Reads of one shard at the same time.
const CONNECTIONS: usize = 4;

/// A shard's reading connections. Made when they are first needed, then kept.
#[derive(Debug)]
pub(crate) struct Readers {
    index: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(index: PathBuf) -> Self {
        Self {
            index,
            idle: Arc::default(),
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }

    /// Runs `read` on a thread that may block, against the index as it was at one moment: everything that
    /// was answered before is in it.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Closed)?;
        let idle = Arc::clone(&self.idle);
        let path = self.index.clone();
        blocking(move || {
            // Given back when the work is done, even if nobody waits for it any more.
            let _permit = permit;
            let kept = held(&idle).pop();
            let connection = match kept {
                Some(connection) => connection,
                None => index::open_for_reading(&path)?,
            };
            let moment = Transaction::new_unchecked(&connection, TransactionBehavior::Deferred)
                .map_err(|e| trouble(&connection, &e))?;
            let answer = read(&moment);
            moment.finish().map_err(|e| trouble(&connection, &e))?;
            held(&idle).push(connection);
            answer
        })
        .await
    }

    /// Waits for reads under way, refuses those that come, and closes the connections.
    pub(crate) async fn close(&self) {
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        // Refused only if it is closed already.
        let _all = self.permits.acquire_many(all).await;
        self.permits.close();
        held(&self.idle).clear();
    }
}
