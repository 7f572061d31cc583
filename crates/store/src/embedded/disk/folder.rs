//! The data folder: what lies where in it, and that one process has it at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::embedded::disk::segment::Segment;
use crate::embedded::disk::{damaged, disk, sync_folder};

/// First line of the file `FORMAT`; the number is the version of everything below.
const FORMAT: &str = "pillarbox store 1";
/// The most shards a store may have.
pub(crate) const MOST_SHARDS: u16 = 256;

/// A data folder that nobody else has. Let go of when dropped, and by the system when the process ends.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    shards: u16,
    _lock: File,
}

impl Folder {
    /// Takes a store that is there.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let format = path.join("FORMAT");
        if !format.exists() {
            let what = format!("a store in {}", path.display());
            return Err(StoreError::not_found(what));
        }
        let folder = Self::lock(path, || read_format(&format))?;
        for number in 0..folder.shards {
            let shard = folder.shard(number);
            if !shard.is_dir() {
                return Err(damaged(&shard, 0, "the shard's folder is missing"));
            }
        }
        Ok(folder)
    }

    /// Takes a store that is there, with the shards it has; or makes one with `shards`.
    ///
    /// `FORMAT` is written last, so a folder without one holds no mail and is made again.
    pub(crate) fn take_or_make(path: &Path, shards: u16) -> Result<Self, StoreError> {
        make(path)?;
        let format = path.join("FORMAT");
        if format.exists() {
            return Self::take(path);
        }
        let folder = Self::lock(path, || match shards {
            1..=MOST_SHARDS => Ok(shards),
            _ => Err(StoreError::TooLarge {
                what: "the number of shards",
                limit: u64::from(MOST_SHARDS),
            }),
        })?;
        for number in 0..shards {
            let shard = folder.shard(number);
            make(&shard)?;
            if !Segment::list(&shard)?.is_empty() {
                let why = "the file is missing, but there is mail";
                return Err(damaged(&format, 0, why));
            }
        }
        make(&folder.spools())?;
        write_format(path, &format, shards)?;
        Ok(folder)
    }

    /// Keeps others out of a folder, then asks how many shards there are.
    fn lock(
        path: &Path,
        shards: impl FnOnce() -> Result<u16, StoreError>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            path: path.to_owned(),
            _lock: lock(path)?,
            shards: shards()?,
        })
    }

    /// How many shards the store has, for ever.
    pub(crate) fn shards(&self) -> u16 {
        self.shards
    }

    /// The folder of a shard: its log and its index.
    pub(crate) fn shard(&self, number: u16) -> PathBuf {
        self.path.join(format!("shard-{number:03}"))
    }

    /// The index of a shard.
    pub(crate) fn index(&self, number: u16) -> PathBuf {
        self.shard(number).join("index.sqlite")
    }

    /// The login records.
    pub(crate) fn logins(&self) -> PathBuf {
        self.path.join("logins.sqlite")
    }

    /// The operator's exceptions for passwords in the clear.
    pub(crate) fn grants(&self) -> PathBuf {
        self.path.join("grants.sqlite")
    }

    /// Where content waits that is too large for memory.
    pub(crate) fn spools(&self) -> PathBuf {
        self.path.join("spool")
    }

    /// Removes what a process that ended suddenly left among the spools.
    pub(crate) fn clear_spools(&self) -> Result<(), StoreError> {
        let spools = self.spools();
        make(&spools)?;
        for entry in std::fs::read_dir(&spools).map_err(|e| disk(&spools, &e))? {
            let path = entry.map_err(|e| disk(&spools, &e))?.path();
            std::fs::remove_file(&path).map_err(|e| disk(&path, &e))?;
        }
        Ok(())
    }
}

/// Makes a folder that only this user may enter, unless it is there.
fn make(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| disk(path, &e))
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let lock_path = path.join("LOCK");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock_path)
        .map_err(|e| disk(&lock_path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(e)) => Err(disk(&lock_path, &e)),
    }
}

fn read_format(path: &Path) -> Result<u16, StoreError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::InvalidData => String::new(),
        Err(e) => return Err(disk(path, &e)),
    };
    let mut lines = text.lines();
    if lines.next() != Some(FORMAT) {
        return Err(damaged(
            path,
            0,
            format!("its first line is not \"{FORMAT}\", which is all that this version reads"),
        ));
    }
    lines
        .next()
        .and_then(|line| line.strip_prefix("shards "))
        .and_then(|count| count.parse().ok())
        .filter(|count| (1..=MOST_SHARDS).contains(count))
        .ok_or_else(|| {
            damaged(
                path,
                0,
                "its second line does not say how many shards there are",
            )
        })
}

fn write_format(folder: &Path, path: &Path, shards: u16) -> Result<(), StoreError> {
    let new = folder.join("FORMAT.new");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| {
            writeln!(file, "{FORMAT}\nshards {shards}")?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&new, path));
    written.map_err(|e| disk(path, &e))?;
    sync_folder(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_gets_a_folder_that_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::take_or_make(place.path(), 2).unwrap();
        assert_eq!(
            Folder::take(place.path()).unwrap_err(),
            StoreError::InUse {
                path: place.path().to_owned()
            }
        );
        drop(folder);
        assert_eq!(Folder::take(place.path()).unwrap().shards(), 2);
    }

    #[test]
    fn the_number_of_shards_stays_what_it_was() {
        let place = tempfile::tempdir().unwrap();
        drop(Folder::take_or_make(place.path(), 3).unwrap());
        assert_eq!(Folder::take_or_make(place.path(), 8).unwrap().shards(), 3);
    }

    #[test]
    fn a_later_format_is_refused() {
        let place = tempfile::tempdir().unwrap();
        drop(Folder::take_or_make(place.path(), 1).unwrap());
        let format = place.path().join("FORMAT");
        std::fs::write(&format, "pillarbox store 2\nshards 1\n").unwrap();
        assert_eq!(
            Folder::take_or_make(place.path(), 1).unwrap_err(),
            damaged(
                &format,
                0,
                "its first line is not \"pillarbox store 1\", which is all that this version reads"
            )
        );
    }

    #[test]
    fn a_missing_shard_is_damage() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::take_or_make(place.path(), 2).unwrap();
        let shard = folder.shard(1);
        drop(folder);
        std::fs::remove_dir(&shard).unwrap();
        assert_eq!(
            Folder::take(place.path()).unwrap_err(),
            damaged(&shard, 0, "the shard's folder is missing")
        );
    }
}
