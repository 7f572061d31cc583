//! Reading a log in order, and telling a torn tail from damage.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::StoreError;
use crate::embedded::disk::codec::read;
use crate::embedded::disk::segment::{
    ALIGNMENT, LARGEST_ENTRY, Position, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, Segment,
};
use crate::embedded::disk::{damaged, disk};
use crate::embedded::log::entry::Entry;

/// Octets read at a time.
const PIECE: usize = 256 << 10;

/// A whole, right record.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) start: Position,
    /// Where the next one goes.
    pub(crate) end: Position,
    pub(crate) entry: Entry,
    /// Offset of its first body in the segment.
    pub(crate) bodies_at: u64,
}

/// Whether bodies are read to check their CRC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bodies {
    /// They are; a wrong one makes the record a bad one.
    Checked,
    /// They are not: for replaying what was checked before.
    Trusted,
}

/// Why there is no right record at a position.
#[derive(Debug)]
enum Bad {
    /// Only zeros to the end of the file.
    Nothing,
    /// Something else.
    Wrong(String),
}

/// How a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing but zeros behind the last record.
    Clean,
    /// Remains of writes that never became durable, to be cut.
    Torn,
}

/// What comes next in a log.
#[derive(Debug)]
pub(crate) enum Next {
    /// A record.
    Record(Box<Record>),
    /// The log ends at [`Scanner::position`].
    End(End),
}

/// Reads records from a position on.
#[derive(Debug)]
pub(crate) struct Scanner {
    folder: PathBuf,
    shard: u16,
    bodies: Bodies,
    at: Position,
    segment: Option<Segment>,
    last: u64,
}

impl Scanner {
    /// Begins at `from`.
    pub(crate) fn open(
        folder: &Path,
        shard: u16,
        from: Position,
        bodies: Bodies,
    ) -> Result<Self, StoreError> {
        let numbers = Segment::list(folder)?;
        for (number, next) in numbers.iter().zip(numbers.iter().skip(1)) {
            if number + 1 != *next {
                let path = Segment::path(folder, number + 1);
                return Err(damaged(&path, 0, "the segment is missing"));
            }
        }
        let last = numbers.last().copied().unwrap_or(0);
        let first = numbers.first().copied();
        if first.is_some_and(|first| first > from.segment) || (first.is_none() && from.lsn > 1) {
            let path = Segment::path(folder, from.segment);
            return Err(damaged(&path, 0, "the segment is missing"));
        }
        Ok(Self {
            folder: folder.to_owned(),
            shard,
            bodies,
            at: from,
            segment: None,
            last,
        })
    }

    /// Where the next record is expected.
    pub(crate) fn position(&self) -> Position {
        self.at
    }

    /// The next record, or how the log ends.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if something that was once durable is not as it was.
    pub(crate) fn next(&mut self) -> Result<Next, StoreError> {
        if self.last == 0 {
            return Ok(Next::End(End::Clean));
        }
        loop {
            let segment = match self.segment.take() {
                Some(segment) => segment,
                None => Segment::open_any(&self.folder, self.shard, self.at.segment)?.0,
            };
            let found = read_record(&segment, self.at, self.bodies)?;
            match found {
                Ok(record) => {
                    self.at = record.end;
                    self.segment = Some(segment);
                    return Ok(Next::Record(Box::new(record)));
                }
                Err(Bad::Nothing) if self.at.segment < self.last => {
                    let start = Position {
                        segment: self.at.segment + 1,
                        offset: SEGMENT_HEADER,
                        ..self.at
                    };
                    // Refuses if records are missing in between.
                    self.segment = Some(Segment::open(&self.folder, self.shard, start)?);
                    self.at = start;
                }
                Err(Bad::Nothing) => return Ok(Next::End(End::Clean)),
                Err(Bad::Wrong(why)) => {
                    // The next segment exists only once this one is durable; and a record of a later batch
                    // was written only once this one was.
                    if self.at.segment < self.last || later_batch(&segment, self.at)? {
                        return Err(damaged(&segment.path, self.at.offset, why));
                    }
                    return Ok(Next::End(End::Torn));
                }
            }
        }
    }
}

/// Reads the record that ends a log's applied part, to see that it is still there.
pub(crate) fn check_last(
    folder: &Path,
    shard: u16,
    end: Position,
    record_at: u64,
) -> Result<(), StoreError> {
    let (segment, _) = Segment::open_any(folder, shard, end.segment)?;
    let missing = || {
        damaged(
            &segment.path,
            record_at,
            format!(
                "record {} is in the index but not in the log",
                end.lsn.saturating_sub(1)
            ),
        )
    };
    let Some((header, crc)) = read_header(&segment, record_at)? else {
        return Err(missing());
    };
    if crc != end.chain || header.lsn + 1 != end.lsn {
        return Err(missing());
    }
    let start = Position {
        segment: end.segment,
        offset: record_at,
        lsn: header.lsn,
        chain: header.chain,
    };
    match read_record(&segment, start, Bodies::Checked)? {
        Ok(record) if record.end == end => Ok(()),
        Ok(_) => Err(missing()),
        Err(Bad::Nothing) => Err(missing()),
        Err(Bad::Wrong(why)) => Err(damaged(&segment.path, record_at, why)),
    }
}

/// The bodies of a record that are not what was written, each as [`StoreError::Damaged`].
pub(crate) fn damaged_bodies(
    folder: &Path,
    shard: u16,
    record: &Record,
) -> Result<Vec<StoreError>, StoreError> {
    let (segment, _) = Segment::open_any(folder, shard, record.start.segment)?;
    let mut wrong = Vec::new();
    let mut at = record.bodies_at;
    for body in record.entry.bodies() {
        let end = at.saturating_add(body.size);
        if crc_of(&segment, at, end)? != body.crc {
            let why = format!(
                "record {}: a message's content is damaged",
                record.start.lsn
            );
            wrong.push(damaged(&segment.path, at, why));
        }
        at = end;
    }
    Ok(wrong)
}

fn read_header(segment: &Segment, offset: u64) -> Result<Option<(RecordHeader, u32)>, StoreError> {
    if offset.saturating_add(RECORD_HEADER as u64) > segment.length()? {
        return Ok(None);
    }
    let mut bytes = [0; RECORD_HEADER];
    segment
        .file
        .read_exact_at(&mut bytes, offset)
        .map_err(|e| disk(&segment.path, &e))?;
    Ok(RecordHeader::decode(&bytes, segment.salt))
}

fn read_record(
    segment: &Segment,
    at: Position,
    bodies: Bodies,
) -> Result<Result<Record, Bad>, StoreError> {
    let wrong = |why: &str| Ok(Err(Bad::Wrong(format!("record {}: {why}", at.lsn))));
    let length = segment.length()?;
    let Some((header, crc)) = read_header(segment, at.offset)? else {
        return if only_zeros(segment, at.offset)? {
            Ok(Err(Bad::Nothing))
        } else {
            wrong("its header is damaged")
        };
    };
    if header.lsn != at.lsn || header.chain != at.chain {
        return wrong("another record stands in its place");
    }
    let end = header
        .total()
        .and_then(|total| at.offset.checked_add(total));
    let Some(end) = end.filter(|end| *end <= length && header.entry <= LARGEST_ENTRY) else {
        return wrong("it is longer than its segment");
    };
    let entry_at = at.offset.saturating_add(RECORD_HEADER as u64);
    let mut bytes = vec![0; usize::try_from(header.entry).unwrap_or(0)];
    segment
        .file
        .read_exact_at(&mut bytes, entry_at)
        .map_err(|e| disk(&segment.path, &e))?;
    if crc32fast::hash(&bytes) != header.entry_crc {
        return wrong("its entry is damaged");
    }
    let entry = match read::<Entry>(&bytes) {
        Ok(entry) => entry,
        Err(malformed) => return wrong(malformed.0),
    };
    let bodies_at = entry_at.saturating_add(u64::from(header.entry));
    let mut body_at = bodies_at;
    for body in entry.bodies() {
        let body_end = body_at.saturating_add(body.size);
        if body_end > end {
            return wrong("its bodies are longer than it is");
        }
        if bodies == Bodies::Checked && crc_of(segment, body_at, body_end)? != body.crc {
            return wrong("a message's content is damaged");
        }
        body_at = body_end;
    }
    if body_at != bodies_at.saturating_add(header.bodies) {
        return wrong("its bodies are shorter than it says");
    }
    Ok(Ok(Record {
        start: at,
        end: Position {
            segment: at.segment,
            offset: end,
            lsn: at.lsn + 1,
            chain: crc,
        },
        entry,
        bodies_at,
    }))
}

/// Reads a range in pieces.
fn pieces(
    segment: &Segment,
    from: u64,
    to: u64,
    mut look: impl FnMut(u64, &[u8]) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let mut piece = vec![0; PIECE];
    let mut at = from;
    while at < to {
        let count = usize::try_from(to - at).map_or(PIECE, |n| n.min(PIECE));
        let part = piece.get_mut(..count).unwrap_or_default();
        segment
            .file
            .read_exact_at(part, at)
            .map_err(|e| disk(&segment.path, &e))?;
        if !look(at, part)? {
            break;
        }
        at += count as u64;
    }
    Ok(())
}

fn crc_of(segment: &Segment, from: u64, to: u64) -> Result<u32, StoreError> {
    let mut crc = crc32fast::Hasher::new();
    pieces(segment, from, to, |_, part| {
        crc.update(part);
        Ok(true)
    })?;
    Ok(crc.finalize())
}

fn only_zeros(segment: &Segment, from: u64) -> Result<bool, StoreError> {
    let zeros = vec![0; PIECE];
    let mut all = true;
    pieces(segment, from, segment.length()?, |_, part| {
        all = zeros.starts_with(part);
        Ok(all)
    })?;
    Ok(all)
}

/// Whether a right record header behind `at` belongs to a batch that began after record `at.lsn`: proof
/// that what stood at `at` was durable. The salt keeps a message's content from posing as one.
fn later_batch(segment: &Segment, at: Position) -> Result<bool, StoreError> {
    let zeros = vec![0; PIECE];
    let salt = segment.salt.to_le_bytes();
    let mut proof = false;
    let from = at.offset.next_multiple_of(ALIGNMENT);
    pieces(segment, from, segment.length()?, |offset, part| {
        if zeros.starts_with(part) {
            return Ok(true);
        }
        for (index, word) in part.chunks(salt.len()).enumerate() {
            if word == salt {
                let here = offset.saturating_add(index as u64 * ALIGNMENT);
                let header = read_header(segment, here)?;
                proof = header.is_some_and(|(header, _)| header.batch > at.lsn);
                if proof {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    })?;
    Ok(proof)
}

#[cfg(test)]
mod tests;
