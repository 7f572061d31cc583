//! Content on its way in: in memory while it is small, then in a file without a name.

use std::any::Any;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::embedded::disk::blocking;
use crate::embedded::disk::disk;
use crate::{Spool, StoreError};

/// Octets kept in memory at most; also how many are written or read at a time.
const IN_MEMORY: usize = 64 << 10;

/// Content being written. What does not fit in memory goes to a file that has no name, so that nothing is
/// left of it once it is dropped, however that happens.
#[derive(Debug)]
pub(crate) struct EmbeddedSpool {
    folder: Arc<Path>,
    length: u64,
    crc: crc32fast::Hasher,
    /// Absent while another thread has it. A write that was given up halfway never brings it back.
    held: Option<Held>,
}

/// Octets: the first in the file, if there is one; the last in memory.
#[derive(Debug, Default)]
struct Held {
    file: Option<SpoolFile>,
    in_file: u64,
    tail: Vec<u8>,
}

#[derive(Debug)]
struct SpoolFile {
    file: File,
    /// The name it had for a moment, for errors.
    path: PathBuf,
}

/// Content that is whole, ready for the log.
#[derive(Debug)]
pub(crate) struct Content {
    held: Held,
    measure: Measure,
}

/// Size and CRC-32 of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measure {
    pub(crate) size: u64,
    pub(crate) crc: u32,
}

impl EmbeddedSpool {
    pub(crate) fn new(folder: Arc<Path>) -> Self {
        Self {
            folder,
            length: 0,
            crc: crc32fast::Hasher::new(),
            held: Some(Held::default()),
        }
    }

    fn finish(self) -> Result<Content, StoreError> {
        Ok(Content {
            held: self.held.ok_or_else(given_up)?,
            measure: Measure {
                size: self.length,
                crc: self.crc.finalize(),
            },
        })
    }

    /// Lets `work` have the octets on a thread that may block.
    async fn with_held<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Held, &Path) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut held = self.held.take().ok_or_else(given_up)?;
        let folder = Arc::clone(&self.folder);
        let (held, done) = blocking(move || {
            let done = work(&mut held, &folder)?;
            Ok((held, done))
        })
        .await?;
        self.held = Some(held);
        Ok(done)
    }
}

fn given_up() -> StoreError {
    StoreError::Engine("a spool was used after a write to it had failed".to_owned())
}

#[async_trait]
impl Spool for EmbeddedSpool {
    async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        for part in piece.chunks(IN_MEMORY) {
            let held = self.held.as_mut().ok_or_else(given_up)?;
            if held.tail.len() + part.len() > IN_MEMORY {
                self.with_held(Held::spill).await?;
            }
            let held = self.held.as_mut().ok_or_else(given_up)?;
            held.tail.extend_from_slice(part);
            self.crc.update(part);
            self.length += part.len() as u64;
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.length
    }

    async fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let held = self.held.as_ref().ok_or_else(given_up)?;
        if offset >= held.in_file {
            return held.read_at(offset, length);
        }
        self.with_held(move |held, _| held.read_at(offset, length))
            .await
    }
}

impl Held {
    /// Moves what is in memory to the file.
    fn spill(&mut self, folder: &Path) -> Result<(), StoreError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(SpoolFile::make(folder)?),
        };
        file.file
            .write_all_at(&self.tail, self.in_file)
            .map_err(|e| disk(&file.path, &e))?;
        self.in_file += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }

    fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let mut read = Vec::new();
        if let Some(file) = &self.file
            && offset < self.in_file
        {
            let there = usize::try_from(self.in_file - offset).unwrap_or(usize::MAX);
            read.resize(length.min(there), 0);
            file.file
                .read_exact_at(&mut read, offset)
                .map_err(|e| disk(&file.path, &e))?;
        }
        let behind = offset.saturating_add(read.len() as u64);
        let rest = usize::try_from(behind.saturating_sub(self.in_file))
            .ok()
            .and_then(|from| self.tail.get(from..))
            .unwrap_or_default();
        let wanted = length - read.len();
        read.extend_from_slice(rest.get(..wanted).unwrap_or(rest));
        Ok(read)
    }
}

impl SpoolFile {
    fn make(folder: &Path) -> Result<Self, StoreError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}", std::process::id()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|e| disk(&path, &e))?;
        std::fs::remove_file(&path).map_err(|e| disk(&path, &e))?;
        Ok(Self { file, path })
    }
}

impl Content {
    pub(crate) fn measure(&self) -> Measure {
        self.measure
    }

    /// Hands out the octets in order. May block.
    pub(crate) fn pieces(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut at = 0;
        while at < self.held.in_file {
            let left = usize::try_from(self.held.in_file - at).unwrap_or(IN_MEMORY);
            let piece = self.held.read_at(at, left.min(IN_MEMORY))?;
            take(&piece)?;
            at += piece.len() as u64;
        }
        take(&self.held.tail)
    }
}

/// Ends a spool. One of another engine is copied, in pieces.
pub(crate) async fn finish(
    spool: Box<dyn Spool>,
    folder: &Arc<Path>,
) -> Result<Content, StoreError> {
    let as_any: &dyn Any = &*spool;
    if as_any.is::<EmbeddedSpool>() {
        let any: Box<dyn Any> = spool;
        return match any.downcast::<EmbeddedSpool>() {
            Ok(ours) => ours.finish(),
            Err(_) => Err(given_up()),
        };
    }
    let mut foreign = spool;
    let mut copy = EmbeddedSpool::new(Arc::clone(folder));
    loop {
        let piece = foreign.read_at(copy.len(), IN_MEMORY).await?;
        if piece.is_empty() {
            return copy.finish();
        }
        copy.write(&piece).await?;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A spool that another engine might have made.
    #[derive(Debug)]
    struct Foreign(Vec<u8>);

    #[async_trait]
    impl Spool for Foreign {
        async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
            self.0.extend_from_slice(piece);
            Ok(())
        }

        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        async fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
            let rest = self.0.iter().skip(offset as usize);
            Ok(rest.take(length.min(1000)).copied().collect())
        }
    }

    fn octets(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 31 % 251) as u8).collect()
    }

    fn gathered(content: &Content) -> Vec<u8> {
        let mut all = Vec::new();
        content
            .pieces(|piece| {
                assert!(piece.len() <= IN_MEMORY);
                all.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        all
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(work)
    }

    #[test]
    fn a_large_spool_has_no_name_in_the_folder() {
        let place = tempfile::tempdir().unwrap();
        run(async {
            let mut spool = EmbeddedSpool::new(place.path().into());
            spool.write(&octets(IN_MEMORY * 3)).await.unwrap();
            assert!(spool.held.as_ref().unwrap().file.is_some());
            assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
        });
    }

    #[test]
    fn a_spool_whose_write_failed_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let gone = place.path().join("gone");
        run(async {
            let mut spool = EmbeddedSpool::new(gone.as_path().into());
            spool.write(&octets(IN_MEMORY)).await.unwrap();
            let refused = spool.write(b"x").await.unwrap_err();
            assert!(matches!(refused, StoreError::Disk { .. }), "{refused:?}");
            assert_eq!(spool.write(b"y").await, Err(given_up()));
            let folder: Arc<Path> = place.path().into();
            assert_eq!(
                finish(Box::new(spool), &folder).await.unwrap_err(),
                given_up()
            );
        });
    }

    #[test]
    fn a_spool_of_another_engine_is_copied() {
        let place = tempfile::tempdir().unwrap();
        let folder: Arc<Path> = place.path().into();
        let all = octets(150_000);
        let foreign = Box::new(Foreign(all.clone()));
        let content = run(finish(foreign, &folder)).unwrap();
        assert_eq!(gathered(&content), all);
        assert_eq!(content.measure().crc, crc32fast::hash(&all));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_was_written_comes_back(
            lengths in prop::collection::vec(0_usize..90_000, 0..5),
            offset in 0_u64..200_000,
            length in 0_usize..100_000,
        ) {
            let place = tempfile::tempdir().unwrap();
            let folder: Arc<Path> = place.path().into();
            let all = octets(lengths.iter().sum());
            run(async {
                let mut spool = EmbeddedSpool::new(Arc::clone(&folder));
                let mut rest = all.as_slice();
                for length in lengths {
                    let (piece, after) = rest.split_at(length);
                    spool.write(piece).await.unwrap();
                    rest = after;
                }
                assert_eq!(spool.len(), all.len() as u64);
                let expected: Vec<u8> =
                    all.iter().skip(offset as usize).take(length).copied().collect();
                assert_eq!(spool.read_at(offset, length).await.unwrap(), expected);
                let content = finish(Box::new(spool), &folder).await.unwrap();
                assert_eq!(content.measure().size, all.len() as u64);
                assert_eq!(content.measure().crc, crc32fast::hash(&all));
                assert_eq!(gathered(&content), all);
            });
        }
    }
}
