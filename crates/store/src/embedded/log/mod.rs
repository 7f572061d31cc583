//! The writing end of a shard's log.

pub(crate) mod body;
pub(crate) mod entry;
pub(crate) mod scan;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::StoreError;
use crate::embedded::disk::segment::{
    ALIGNMENT, Position, RecordHeader, SEGMENT_HEADER, Segment, preallocate, prewrite,
};
use crate::embedded::disk::spool::Content;
use crate::embedded::disk::{damaged, disk, sync_folder};

/// Octets gathered before they are written.
const BUFFER: usize = 1 << 20;

/// Appends records and makes them durable. Owned by the shard's one writer.
#[derive(Debug)]
pub(crate) struct Log {
    folder: PathBuf,
    shard: u16,
    segment_size: u64,
    segment: Segment,
    /// Octets the current segment may take.
    capacity: u64,
    at: Position,
    /// `lsn` of the first record that is not durable yet.
    batch: u64,
    buffer: Vec<u8>,
    /// Where in the file the buffer belongs.
    buffer_at: u64,
    /// Space for the next segment, being prepared by another thread.
    next: Option<JoinHandle<Result<File, StoreError>>>,
}

/// Where a record went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    /// Where the record begins.
    pub(crate) start: Position,
    /// Offset of its first body in the segment.
    pub(crate) bodies_at: u64,
}

impl Log {
    /// Goes on at `end`, where everything before is durable and nothing is behind.
    pub(crate) fn open(
        folder: &Path,
        shard: u16,
        segment_size: u64,
        end: Position,
    ) -> Result<Self, StoreError> {
        let is_new = !Segment::path(folder, end.segment).exists();
        let segment = if is_new {
            let space_path = folder.join("first.space");
            let space = make_space(&space_path, segment_size)?;
            Segment::create(folder, shard, end, space, &space_path)?
        } else {
            Segment::open_any(folder, shard, end.segment)?.0
        };
        let capacity = segment.length()?.max(segment_size);
        preallocate(&segment.file, &segment.path, capacity)?;
        Ok(Self {
            folder: folder.to_owned(),
            shard,
            segment_size,
            segment,
            capacity,
            at: end,
            batch: end.lsn,
            buffer: Vec::with_capacity(BUFFER),
            buffer_at: end.offset,
            next: None,
        })
    }

    /// The end of what was appended, durable or not.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// Appends a record of an encoded entry of at most `LARGEST_ENTRY` octets. It is durable after the next [`Self::sync`] that succeeds; after any error the
    /// caller has to [`Self::rewind`].
    pub(crate) fn append(
        &mut self,
        entry: &[u8],
        bodies: &[Arc<Content>],
    ) -> Result<Placed, StoreError> {
        let mut header = RecordHeader {
            lsn: self.at.lsn,
            batch: self.batch,
            bodies: bodies.iter().map(|body| body.measure().size).sum(),
            entry: u32::try_from(entry.len()).unwrap_or(u32::MAX),
            chain: self.at.chain,
            entry_crc: crc32fast::hash(entry),
        };
        let total = header.total().ok_or(StoreError::TooLarge {
            what: "one operation",
            limit: u64::MAX,
        })?;
        if self.at.offset.saturating_add(total) > self.capacity {
            self.roll(total)?;
            header.batch = self.batch;
        }
        let start = self.at;
        let (header_bytes, crc) = header.encode(self.segment.salt);
        self.put(&header_bytes)?;
        self.put(entry)?;
        let bodies_at = self.end_of_buffer();
        for body in bodies {
            body.pieces(|piece| self.put(piece))?;
        }
        let end = start.offset.saturating_add(total);
        let padding = end.saturating_sub(self.end_of_buffer());
        if padding >= ALIGNMENT {
            return Err(StoreError::Engine(
                "a spool is shorter than it says".to_owned(),
            ));
        }
        for _ in 0..padding {
            self.put(&[0])?;
        }
        self.at = Position {
            segment: start.segment,
            offset: end,
            lsn: start.lsn + 1,
            chain: crc,
        };
        Ok(Placed { start, bodies_at })
    }

    /// Makes everything appended durable.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.segment
            .file
            .sync_data()
            .map_err(|e| disk(&self.segment.path, &e))?;
        self.batch = self.at.lsn;
        if self.next.is_none() && self.at.offset > self.capacity / 2 {
            self.prepare_next();
        }
        Ok(())
    }

    /// Takes back everything behind `end`, which was durable. After a failed sync nothing else is safe: the
    /// system may have dropped what it could not write.
    pub(crate) fn rewind(&mut self, end: Position) -> Result<(), StoreError> {
        self.buffer.clear();
        cut(&self.folder, end)?;
        let (segment, _) = Segment::open_any(&self.folder, self.shard, end.segment)?;
        let capacity = self.segment_size.max(end.offset);
        preallocate(&segment.file, &segment.path, capacity)?;
        self.segment = segment;
        self.capacity = capacity;
        self.at = end;
        self.batch = end.lsn;
        self.buffer_at = end.offset;
        Ok(())
    }

    fn end_of_buffer(&self) -> u64 {
        self.buffer_at.saturating_add(self.buffer.len() as u64)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        if bytes.len() >= BUFFER {
            self.write(bytes)
        } else {
            self.buffer.extend_from_slice(bytes);
            Ok(())
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.segment
            .file
            .write_all_at(bytes, self.buffer_at)
            .map_err(|e| disk(&self.segment.path, &e))?;
        self.buffer_at = self.buffer_at.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.write(&buffer);
        buffer.clear();
        self.buffer = buffer;
        written
    }

    /// Ends this segment and begins the next, large enough for a record of `least` octets.
    ///
    /// The old one is durable before the new one exists, so a bad record in it can never be a torn tail.
    fn roll(&mut self, least: u64) -> Result<(), StoreError> {
        self.flush()?;
        self.segment
            .file
            .set_len(self.at.offset)
            .and_then(|()| self.segment.file.sync_all())
            .map_err(|e| disk(&self.segment.path, &e))?;
        let start = Position {
            segment: self.at.segment + 1,
            offset: SEGMENT_HEADER,
            ..self.at
        };
        let wanted = self.segment_size.max(least.saturating_add(SEGMENT_HEADER));
        let space_path = self.space_path();
        let space = match self.next.take().and_then(|next| next.join().ok()) {
            Some(space) => space?,
            None => make_space(&space_path, wanted)?,
        };
        if wanted > self.segment_size {
            preallocate(&space, &space_path, wanted)?;
        }
        self.segment = Segment::create(&self.folder, self.shard, start, space, &space_path)?;
        self.capacity = wanted;
        self.buffer_at = start.offset;
        self.at = start;
        self.batch = start.lsn;
        Ok(())
    }

    fn space_path(&self) -> PathBuf {
        self.folder.join("next.space")
    }

    /// Has another thread make and zero the next segment's space, so that no commit waits for it.
    fn prepare_next(&mut self) {
        let path = self.space_path();
        let size = self.segment_size;
        self.next = std::thread::Builder::new()
            .name("pillarbox-space".to_owned())
            .spawn(move || {
                let mut file = make_space(&path, size)?;
                prewrite(&mut file, &path, size)?;
                Ok(file)
            })
            // Without a thread the space is made when it is needed.
            .ok();
    }
}

impl Drop for Log {
    /// Waits for the thread that prepares space: it must not write into a folder that is no longer ours.
    fn drop(&mut self) {
        if let Some(next) = self.next.take() {
            let _ = next.join();
        }
    }
}

fn make_space(path: &Path, size: u64) -> Result<File, StoreError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .map_err(|e| disk(path, &e))?;
    preallocate(&file, path, size)?;
    Ok(file)
}

/// Removes everything behind `end` from a log, durably: later segments, and the rest of the one it is in.
pub(crate) fn cut(folder: &Path, end: Position) -> Result<(), StoreError> {
    for number in Segment::list(folder)?.into_iter().rev() {
        if number > end.segment {
            let path = Segment::path(folder, number);
            std::fs::remove_file(&path).map_err(|e| disk(&path, &e))?;
        }
    }
    sync_folder(folder)?;
    let path = Segment::path(folder, end.segment);
    let file = OpenOptions::new()
        .write(true)
        .open(&path)
        .map_err(|e| disk(&path, &e))?;
    let length = file.metadata().map_err(|e| disk(&path, &e))?.len();
    if length < end.offset {
        return Err(damaged(&path, length, "the segment is too short"));
    }
    file.set_len(end.offset)
        .and_then(|()| file.sync_all())
        .map_err(|e| disk(&path, &e))
}
