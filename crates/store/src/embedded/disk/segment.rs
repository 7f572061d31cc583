//! Segment files: their names, headers and record headers. The layout is in the documentation of
//! [`embedded`](super).

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

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
    pub(crate) fn encode(&self, salt: u64) -> ([u8; RECORD_HEADER], u32) {
        let mut bytes = Vec::with_capacity(RECORD_HEADER);
        bytes.extend_from_slice(&salt.to_le_bytes());
        bytes.extend_from_slice(&self.lsn.to_le_bytes());
        bytes.extend_from_slice(&self.batch.to_le_bytes());
        bytes.extend_from_slice(&self.bodies.to_le_bytes());
        bytes.extend_from_slice(&self.entry.to_le_bytes());
        bytes.extend_from_slice(&self.chain.to_le_bytes());
        bytes.extend_from_slice(&self.entry_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let mut out = [0; RECORD_HEADER];
        out.copy_from_slice(&bytes);
        (out, crc)
    }

    /// Reads a header that carries the segment's salt and a right CRC, with that CRC.
    pub(crate) fn decode(bytes: &[u8; RECORD_HEADER], salt: u64) -> Option<(Self, u32)> {
        let mut from = crate::embedded::disk::codec::Decoder::new(bytes);
        if from.u64().ok()? != salt {
            return None;
        }
        let header = Self {
            lsn: from.u64().ok()?,
            batch: from.u64().ok()?,
            bodies: from.u64().ok()?,
            entry: from.u32().ok()?,
            chain: from.u32().ok()?,
            entry_crc: from.u32().ok()?,
        };
        let (right, crc) = header.encode(salt);
        (right == *bytes).then_some((header, crc))
    }

    /// Octets the whole record takes, padding included. `None` if that is beyond any file.
    pub(crate) fn total(&self) -> Option<u64> {
        (RECORD_HEADER as u64)
            .checked_add(u64::from(self.entry))?
            .checked_add(self.bodies)?
            .checked_next_multiple_of(ALIGNMENT)
    }
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
        let mut header = Vec::with_capacity(48);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&u32::from(shard).to_le_bytes());
        header.extend_from_slice(&start.chain.to_le_bytes());
        header.extend_from_slice(&start.segment.to_le_bytes());
        header.extend_from_slice(&start.lsn.to_le_bytes());
        header.extend_from_slice(&salt.to_le_bytes());
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_le_bytes());
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
        let mut header = [0; 44];
        file.read_exact_at(&mut header, 0)
            .map_err(|_| damaged(&path, 0, "the segment has no whole header"))?;
        let bad = |_| damaged(&path, 0, "the segment's header is damaged");
        let mut from = crate::embedded::disk::codec::Decoder::new(&header);
        let magic: [u8; 8] = from.array().map_err(bad)?;
        let of_shard = from.u32().map_err(bad)?;
        let start = Position {
            chain: from.u32().map_err(bad)?,
            segment: from.u64().map_err(bad)?,
            lsn: from.u64().map_err(bad)?,
            offset: SEGMENT_HEADER,
        };
        let salt = from.u64().map_err(bad)?;
        let crc = from.u32().map_err(bad)?;
        let (covered, _) = header.split_at(40);
        if magic != MAGIC || crc32fast::hash(covered) != crc {
            return Err(damaged(&path, 0, "the segment's header is damaged"));
        }
        if of_shard != u32::from(shard) || start.segment != number {
            return Err(damaged(&path, 0, "the segment belongs elsewhere"));
        }
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
