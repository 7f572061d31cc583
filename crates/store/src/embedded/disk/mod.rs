//! Files and what is in them, before it means anything.

pub(crate) mod codec;
pub(crate) mod folder;
pub(crate) mod segment;
pub(crate) mod spool;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::StoreError;

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| disk(folder, &e))
}

/// The disk refused.
pub(crate) fn disk(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Disk {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// Something stored is not what was written.
pub(crate) fn damaged(path: &Path, offset: u64, why: impl Into<String>) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        offset,
        why: why.into(),
    }
}

/// What a lock guards. A panic elsewhere cannot leave any of it half changed, so a poisoned lock is as good as
/// any.
pub(crate) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs what may block on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| StoreError::Engine(e.to_string()))?
}
