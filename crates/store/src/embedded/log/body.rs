//! Stored content, read straight from its segment.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use crate::embedded::disk::segment::Segment;
use crate::embedded::disk::{blocking, held};
use crate::embedded::disk::{damaged, disk};
use crate::{Body, StoreError};

/// Where a message's content stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) size: u64,
    pub(crate) crc: u32,
}

/// A content in an open segment file, which stays readable whatever becomes of the message.
#[derive(Debug)]
pub(crate) struct SegmentBody {
    at: Arc<At>,
    size: u64,
}

#[derive(Debug)]
struct At {
    file: File,
    path: PathBuf,
    place: Place,
    /// The CRC so far, while the content is being read from its beginning.
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    upto: u64,
    crc: crc32fast::Hasher,
}

impl SegmentBody {
    /// Opens the segment that holds a content. May block.
    pub(crate) fn open(folder: &Path, place: Place) -> Result<Self, StoreError> {
        let path = Segment::path(folder, place.segment);
        let file = File::open(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => damaged(&path, 0, "the segment is missing"),
            _ => disk(&path, &e),
        })?;
        Ok(Self {
            size: place.size,
            at: Arc::new(At {
                file,
                path,
                place,
                progress: Mutex::default(),
            }),
        })
    }
}

#[async_trait]
impl Body for SegmentBody {
    fn len(&self) -> u64 {
        self.size
    }

    /// A content read in order from its beginning is checked on the way: instead of the last piece of a
    /// damaged one comes [`StoreError::Damaged`].
    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(left);
        if length == 0 {
            return Ok(Vec::new());
        }
        let at = Arc::clone(&self.at);
        blocking(move || at.read(offset, length)).await
    }
}

impl At {
    fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let mut piece = vec![0; length];
        let from = self.place.offset.saturating_add(offset);
        self.file
            .read_exact_at(&mut piece, from)
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::UnexpectedEof => damaged(
                    &self.path,
                    from,
                    "the segment ends within a message's content",
                ),
                _ => disk(&self.path, &e),
            })?;
        self.check(offset, &piece)?;
        Ok(piece)
    }

    fn check(&self, offset: u64, piece: &[u8]) -> Result<(), StoreError> {
        let mut progress = held(&self.progress);
        if offset == 0 {
            *progress = Progress::default();
        }
        if offset != progress.upto {
            return Ok(());
        }
        progress.crc.update(piece);
        progress.upto += piece.len() as u64;
        if progress.upto == self.place.size && progress.crc.clone().finalize() != self.place.crc {
            return Err(damaged(
                &self.path,
                self.place.offset,
                "a message's content is damaged",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(folder: &Path, content: &[u8], crc: u32) -> SegmentBody {
        let mut file = b"before".to_vec();
        file.extend_from_slice(content);
        file.extend_from_slice(b"behind");
        std::fs::write(Segment::path(folder, 1), file).unwrap();
        let place = Place {
            segment: 1,
            offset: 6,
            size: content.len() as u64,
            crc,
        };
        SegmentBody::open(folder, place).unwrap()
    }

    #[tokio::test]
    async fn pieces_end_where_the_content_ends() {
        let place = tempfile::tempdir().unwrap();
        let body = body(place.path(), b"0123456789", crc32fast::hash(b"0123456789"));
        assert_eq!(body.len(), 10);
        assert_eq!(body.read_at(0, 4).await.unwrap(), b"0123");
        assert_eq!(body.read_at(4, 100).await.unwrap(), b"456789");
        assert_eq!(body.read_at(10, 1).await.unwrap(), b"");
        assert_eq!(body.read_at(u64::MAX, 1).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn it_stays_readable_when_the_segment_is_gone() {
        let place = tempfile::tempdir().unwrap();
        let body = body(place.path(), b"abc", crc32fast::hash(b"abc"));
        std::fs::remove_file(Segment::path(place.path(), 1)).unwrap();
        assert_eq!(body.read_at(0, 3).await.unwrap(), b"abc");
    }

    #[tokio::test]
    async fn damage_is_found_by_whoever_reads_to_the_end() {
        let place = tempfile::tempdir().unwrap();
        let body = body(place.path(), b"abcdef", crc32fast::hash(b"abcdeF"));
        assert_eq!(body.read_at(0, 3).await.unwrap(), b"abc");
        let found = damaged(
            &Segment::path(place.path(), 1),
            6,
            "a message's content is damaged",
        );
        assert_eq!(body.read_at(3, 3).await.unwrap_err(), found);
        assert_eq!(body.read_at(0, 6).await.unwrap_err(), found);
    }
}
