//! Segment files: their names, headers and record headers. The layout is in the documentation of
//! [`embedded`](super).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::codec::{Decoder, Field, Malformed, fields, octets, read};
use super::{damaged, disk, sync_folder};
use crate::StoreError;

/// Octets of a segment's header; the first record follows.
pub(crate) const SEGMENT_HEADER: u64 = 64;
/// Octets of a record's header; the entry follows.
pub(crate) const RECORD_HEADER: usize = 48;
/// Records begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;
/// The most octets an entry may have. Bodies are not part of it.
pub(crate) const LARGEST_ENTRY: u32 = 256 << 20;
/// First octets of a segment; the last one is the format's version.
const MAGIC: [u8; 8] = *b"PBXSEG\0\x01";

/// Where the next record goes, and what it must say about the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the segment, from 1.
    pub(crate) segment: u64,
    /// Offset in its file.
    pub(crate) offset: u64,
    /// Log sequence number of the record that goes there, from 1.
    pub(crate) lsn: u64,
    /// Header CRC of the record before; 0 for the first.
    pub(crate) chain: u32,
}

impl Position {
    /// The beginning of a log.
    pub(crate) const START: Self = Self {
        segment: 1,
        offset: SEGMENT_HEADER,
        lsn: 1,
        chain: 0,
    };
}

/// The header of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) lsn: u64,
    /// `lsn` of the first record that was made durable together with this one.
    pub(crate) batch: u64,
    pub(crate) bodies: u64,
    pub(crate) entry: u32,
    pub(crate) chain: u32,
    pub(crate) entry_crc: u32,
}

impl RecordHeader {
    /// The octets on disk and their CRC, which the next record carries as `chain`.
    pub(crate) fn encode(&self, salt: u64) -> (Vec<u8>, u32) {
        let mut bytes = Vec::with_capacity(RECORD_HEADER);
        salt.put(&mut bytes);
        self.put(&mut bytes);
        let crc = crc32fast::hash(&bytes);
        crc.put(&mut bytes);
        (bytes, crc)
    }

    /// Reads a header that carries the segment's salt and a right CRC, with that CRC.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER], salt: u64) -> Option<(Self, u32)> {
        let mut from = Decoder(bytes);
        if from.get::<u64>().ok()? != salt {
            return None;
        }
        let header: Self = from.get().ok()?;
        let (right, crc) = header.encode(salt);
        (right == bytes).then_some((header, crc))
    }

    /// Octets the whole record takes, padding included. `None` if that is beyond any file.
    pub(crate) fn total(&self) -> Option<u64> {
        (RECORD_HEADER as u64)
            .checked_add(u64::from(self.entry))?
            .checked_add(self.bodies)?
            .checked_next_multiple_of(ALIGNMENT)
    }
}

/// The header of a segment.
#[derive(Debug)]
struct SegmentHeader {
    magic: [u8; 8],
    shard: u32,
    chain: u32,
    segment: u64,
    lsn: u64,
    salt: u64,
}

fields! {
    RecordHeader { lsn batch bodies entry chain entry_crc }
    SegmentHeader { magic shard chain segment lsn salt }
}

/// An open segment file.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    pub(crate) salt: u64,
}

impl Segment {
    /// The file of a segment.
    pub(crate) fn path(folder: &Path, number: u64) -> PathBuf {
        folder.join(format!("{number:010}.seg"))
    }

    /// Numbers of the segments in a folder, ascending.
    pub(crate) fn list(folder: &Path) -> Result<Vec<u64>, StoreError> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|e| disk(folder, &e))? {
            let name = entry.map_err(|e| disk(folder, &e))?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_suffix(".seg"))
                .and_then(|stem| stem.parse::<u64>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Makes the segment that begins at `start`, from preallocated space. It appears under its name only
    /// when its header is durable.
    pub(crate) fn create(
        folder: &Path,
        shard: u16,
        start: Position,
        space: File,
        space_path: &Path,
    ) -> Result<Self, StoreError> {
        let path = Self::path(folder, start.segment);
        let mut salt = [0; 8];
        rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())
            .map_err(|e| disk(&path, &e.into()))?;
        let salt = u64::from_le_bytes(salt) | 1;
        let mut header = octets(&SegmentHeader {
            magic: MAGIC,
            shard: shard.into(),
            chain: start.chain,
            segment: start.segment,
            lsn: start.lsn,
            salt,
        });
        let crc = crc32fast::hash(&header);
        crc.put(&mut header);
        let made = space
            .write_all_at(&header, 0)
            .and_then(|()| space.sync_all())
            .and_then(|()| std::fs::rename(space_path, &path));
        made.map_err(|e| disk(&path, &e))?;
        sync_folder(folder)?;
        Ok(Self {
            file: space,
            path,
            salt,
        })
    }

    /// Opens the segment that begins at `start`, which has to say so.
    pub(crate) fn open(folder: &Path, shard: u16, start: Position) -> Result<Self, StoreError> {
        let (segment, said) = Self::open_any(folder, shard, start.segment)?;
        if said == start {
            Ok(segment)
        } else {
            Err(damaged(
                &segment.path,
                0,
                format!(
                    "the segment continues record {} but the log before it ends at record {}",
                    said.lsn, start.lsn
                ),
            ))
        }
    }

    /// Opens a segment by its number, with the position of its first record.
    pub(crate) fn open_any(
        folder: &Path,
        shard: u16,
        number: u64,
    ) -> Result<(Self, Position), StoreError> {
        let path = Self::path(folder, number);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(|e| match e.kind() {
                io::ErrorKind::NotFound => damaged(&path, 0, "the segment is missing"),
                _ => disk(&path, &e),
            })?;
        let mut bytes = [0; 44];
        file.read_exact_at(&mut bytes, 0)
            .map_err(|_| damaged(&path, 0, "the segment has no whole header"))?;
        let bad = |_| damaged(&path, 0, "the segment's header is damaged");
        let (header, crc): (SegmentHeader, u32) = read(&bytes).map_err(bad)?;
        if header.magic != MAGIC || crc32fast::hash(&octets(&header)) != crc {
            return Err(bad(Malformed("")));
        }
        if header.shard != u32::from(shard) || header.segment != number {
            return Err(damaged(&path, 0, "the segment belongs elsewhere"));
        }
        let salt = header.salt;
        let start = Position {
            segment: header.segment,
            offset: SEGMENT_HEADER,
            lsn: header.lsn,
            chain: header.chain,
        };
        Ok((Self { file, path, salt }, start))
    }

    /// Octets of the file.
    pub(crate) fn length(&self) -> Result<u64, StoreError> {
        let metadata = self.file.metadata().map_err(|e| disk(&self.path, &e))?;
        Ok(metadata.len())
    }
}

/// Gives a file real blocks up to `length`, reading as zeros.
pub(crate) fn preallocate(file: &File, path: &Path, length: u64) -> Result<(), StoreError> {
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Ok(()) => Ok(()),
        // A file system without preallocation: the file grows as it is written.
        Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(length).map_err(|e| disk(path, &e)),
        Err(e) => Err(disk(path, &e.into())),
    }
}

/// Writes zeros over the file, so that later syncs need not touch its metadata: they take half as long.
pub(crate) fn prewrite(file: &mut File, path: &Path, length: u64) -> Result<(), StoreError> {
    let zeros = vec![0_u8; 1 << 20];
    let mut left = length;
    while left > 0 {
        let piece = left.min(zeros.len() as u64);
        let count = usize::try_from(piece).unwrap_or(zeros.len());
        file.write_all(zeros.get(..count).unwrap_or(&zeros))
            .map_err(|e| disk(path, &e))?;
        left -= piece;
    }
    file.sync_all().map_err(|e| disk(path, &e))
}
