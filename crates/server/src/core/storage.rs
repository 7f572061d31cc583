//! Opens the store that the configuration names.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pillarbox_store::{EmbeddedOptions, EmbeddedStore, StoreError, Stores};

use crate::core::config::Settings;

/// Where the store lies in the data folder.
#[must_use]
pub fn folder(settings: &Settings) -> PathBuf {
    settings.data.join("store")
}

/// Opens the store in the data folder, which is made (mode 0700) where it is not there.
///
/// # Errors
/// The folder cannot be made, or the store not be opened: another process has it, or it is damaged.
pub async fn open(settings: &Settings) -> Result<Stores, StoreError> {
    make_folder(&settings.data)?;
    let folder = folder(settings);
    let options = EmbeddedOptions {
        shards: settings.store.shards,
        ..EmbeddedOptions::default()
    };
    // Recovery after a crash may read a good part of the log.
    let store = tokio::task::spawn_blocking(move || EmbeddedStore::open(&folder, options))
        .await
        .map_err(|error| StoreError::Engine(error.to_string()))??;
    Ok(Stores::of(&Arc::new(store)))
}

fn make_folder(data: &Path) -> Result<(), StoreError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|error| StoreError::Disk {
            path: data.to_owned(),
            why: error.to_string(),
        })
}
