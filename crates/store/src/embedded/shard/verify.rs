//! Verifying a store that is not open, and making its indexes anew.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use crate::StoreError;
use crate::embedded::disk::folder::Folder;
use crate::embedded::disk::segment::{Position, Segment};
use crate::embedded::disk::{damaged, disk, sync_folder};
use crate::embedded::index::apply::replay as replay_record;
use crate::embedded::index::{self, IndexSync, trouble};
use crate::embedded::log::scan::{Bodies, End, Next, Scanner, damaged_bodies};

/// Records applied to a new index between two commits.
const COMMIT_EVERY: u64 = 10_000;

/// Mailboxes whose counts are not those of their messages. They are kept up to date by every operation, so
/// that nobody has to count.
const MISCOUNTED: &str = "SELECT count(*) FROM main.mailbox LEFT JOIN (
    SELECT account, mailbox, count(*) AS have, sum(size) AS octets,
        sum(instr(' ' || lower(flags) || ' ', ' \\seen ') = 0) AS unread,
        sum(instr(' ' || lower(flags) || ' ', ' \\deleted ') > 0) AS gone
    FROM main.message GROUP BY account, mailbox
) AS counted ON counted.account = mailbox.account AND counted.mailbox = mailbox.id
WHERE (messages, size, unseen, deleted)
    <> (ifnull(have, 0), ifnull(octets, 0), ifnull(unread, 0), ifnull(gone, 0))";

/// What was found in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Shard by shard.
    pub shards: Vec<ShardReport>,
}

impl Report {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.shards.iter().all(|shard| shard.damage.is_empty())
    }
}

/// What was found in a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardReport {
    /// Its number.
    pub shard: u16,
    /// Segments of its log.
    pub segments: u64,
    /// Whole, right records.
    pub records: u64,
    /// Message contents in them, whether or not they are still in a mailbox.
    pub contents: u64,
    /// Octets of those contents.
    pub octets: u64,
    /// Whether the log ends in writes that were never acknowledged. Opening the store cuts them.
    pub torn_tail: bool,
    /// What is not as it was written: [`StoreError::Damaged`], each with file and offset.
    pub damage: Vec<StoreError>,
}

pub(crate) fn verify(path: &Path) -> Result<Report, StoreError> {
    let folder = Folder::take(path)?;
    let mut shards = Vec::new();
    for number in 0..folder.shards() {
        let scratch = folder.shard(number).join("index.verify.sqlite");
        index::remove(&scratch)?;
        let report = verify_shard(&folder, number, &scratch);
        index::remove(&scratch)?;
        shards.push(report?);
    }
    Ok(Report { shards })
}

fn verify_shard(folder: &Folder, number: u16, scratch: &Path) -> Result<ShardReport, StoreError> {
    let shard = folder.shard(number);
    let mut report = ShardReport {
        shard: number,
        segments: Segment::list(&shard)?.len() as u64,
        ..ShardReport::default()
    };
    let path = folder.index(number);
    let known = match known_end(&path) {
        Ok(known) => known,
        Err(error) => {
            report.damage.push(error);
            None
        }
    };
    let anew = index::open(scratch, IndexSync::Replayed)?;
    let upto = known.map_or(0, |known| known.lsn);
    match replay(&shard, &anew, Bodies::Trusted, upto, &mut report) {
        Ok(end) if end.lsn < upto => report.damage.push(missing(&shard, end, upto)),
        Ok(_) if known.is_some() => compare(&anew, &path, &mut report)?,
        Ok(_) => {}
        Err(error @ StoreError::Damaged { .. }) => report.damage.push(error),
        Err(error) => return Err(error),
    }
    Ok(report)
}

/// How far the index that is there has got; `None` if there is none.
fn known_end(path: &Path) -> Result<Option<Position>, StoreError> {
    if !path.exists() || index::is_outdated(path)? {
        return Ok(None);
    }
    let index = index::open(path, IndexSync::EveryCommit)?;
    let found: Option<String> = index
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .optional()
        .map_err(|e| trouble(&index, &e))?;
    match found {
        Some(found) if found != "ok" => Err(damaged(path, 0, found)),
        _ => index::applied(&index).map(|applied| Some(applied.end)),
    }
}

fn missing(shard: &Path, end: Position, known: u64) -> StoreError {
    damaged(
        &Segment::path(shard, end.segment),
        end.offset,
        format!(
            "the index knows {} records but the log ends after {}",
            known.saturating_sub(1),
            end.lsn.saturating_sub(1)
        ),
    )
}

/// Reads a whole log into an empty index; with [`Bodies::Trusted`] damaged bodies go to the report and
/// records from `upto` on are read but not applied.
fn replay(
    shard: &Path,
    anew: &Connection,
    bodies: Bodies,
    upto: u64,
    report: &mut ShardReport,
) -> Result<Position, StoreError> {
    let number = report.shard;
    let mut scanner = Scanner::open(shard, number, Position::START, bodies)?;
    let fail = |e| trouble(anew, &e);
    let mut batch = anew.unchecked_transaction().map_err(fail)?;
    loop {
        let record = match scanner.next()? {
            Next::Record(record) => record,
            Next::End(end) => {
                report.torn_tail = end == End::Torn;
                break;
            }
        };
        if bodies == Bodies::Trusted {
            let wrong = damaged_bodies(shard, number, &record)?;
            if !wrong.is_empty() && record.start.lsn >= upto {
                // The index never got here. Unless later records prove that this was durable, which the
                // scanner reports as damage, it was not acknowledged.
                let mut again = Scanner::open(shard, number, record.start, Bodies::Checked)?;
                if matches!(again.next()?, Next::End(_)) {
                    report.torn_tail = true;
                    batch.commit().map_err(fail)?;
                    return Ok(record.start);
                }
            }
            report.damage.extend(wrong);
        }
        report.records += 1;
        for body in record.entry.bodies() {
            report.contents += 1;
            report.octets = report.octets.saturating_add(body.size);
        }
        if bodies == Bodies::Trusted && record.start.lsn >= upto {
            continue;
        }
        replay_record(&batch, &record)?;
        if report.records.is_multiple_of(COMMIT_EVERY) {
            batch.commit().map_err(fail)?;
            batch = anew.unchecked_transaction().map_err(fail)?;
        }
    }
    batch.commit().map_err(fail)?;
    Ok(scanner.position())
}

/// Compares every table of an index made anew with the one that is there.
fn compare(anew: &Connection, path: &Path, report: &mut ShardReport) -> Result<(), StoreError> {
    let fail = |e| trouble(anew, &e);
    anew.execute("ATTACH ?1 AS there", [path.to_string_lossy()])
        .map_err(fail)?;
    let tables: Vec<String> = anew
        .prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .map_err(fail)?;
    for table in tables {
        let different: i64 = anew
            .query_row(
                &format!(
                    "SELECT (SELECT count(*) FROM (SELECT * FROM main.{table} EXCEPT SELECT * FROM there.{table})) \
                     + (SELECT count(*) FROM (SELECT * FROM there.{table} EXCEPT SELECT * FROM main.{table}))"
                ),
                [],
                |row| row.get(0),
            )
            .map_err(fail)?;
        if different > 0 {
            report.damage.push(damaged(
                path,
                0,
                format!(
                    "table {table} differs from the log in {different} rows; `pillarboxd store rebuild-index` makes it anew"
                ),
            ));
        }
    }
    let miscounted = miscounted(anew)?;
    if miscounted > 0 {
        report.damage.push(damaged(
            path,
            0,
            format!("{miscounted} mailboxes count other messages than they have"),
        ));
    }
    Ok(())
}

/// How many mailboxes count other messages than they have.
pub(crate) fn miscounted(index: &Connection) -> Result<i64, StoreError> {
    index
        .query_row(MISCOUNTED, [], |row| row.get(0))
        .map_err(|e| trouble(index, &e))
}

pub(crate) fn rebuild_index(path: &Path) -> Result<Report, StoreError> {
    let folder = Folder::take(path)?;
    let mut shards = Vec::new();
    for number in 0..folder.shards() {
        shards.push(rebuild_shard(&folder, number)?);
    }
    Ok(Report { shards })
}

fn rebuild_shard(folder: &Folder, number: u16) -> Result<ShardReport, StoreError> {
    let shard = folder.shard(number);
    let path = folder.index(number);
    let mut report = ShardReport {
        shard: number,
        segments: Segment::list(&shard)?.len() as u64,
        ..ShardReport::default()
    };
    // An index too damaged to be asked is what this is for.
    let known = known_end(&path).ok().flatten().map_or(0, |known| known.lsn);
    let new = shard.join("index.new.sqlite");
    index::remove(&new)?;
    let anew = index::open(&new, IndexSync::EveryCommit)?;
    let end = replay(&shard, &anew, Bodies::Checked, u64::MAX, &mut report)?;
    if end.lsn < known {
        return Err(missing(&shard, end, known));
    }
    // Closing folds in the write-ahead log, so that the one file is the whole index.
    anew.close().map_err(|(anew, e)| trouble(&anew, &e))?;
    std::fs::File::open(&new)
        .and_then(|file| file.sync_all())
        .map_err(|e| disk(&new, &e))?;
    // After a crash between these two there is no index, and opening makes it anew.
    index::remove(&path)?;
    std::fs::rename(&new, &path).map_err(|e| disk(&path, &e))?;
    sync_folder(&shard)?;
    Ok(report)
}
