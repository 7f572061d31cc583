//! A shard's index: a SQLite database that says what is where. All of it can be made anew from the log.

pub(crate) mod apply;
pub(crate) mod query;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Params, Row};

use crate::embedded::disk::segment::Position;
use crate::embedded::disk::{damaged, disk};
use crate::{AccountId, StoreError};

/// `PRAGMA application_id` of an index: `PBXI`.
const APPLICATION: i32 = 0x5042_5849;
/// `PRAGMA user_version` of an index: the version of [`SCHEMA`].
const VERSION: i32 = 3;
/// Statements kept prepared on a connection; more than there are in the engine.
const STATEMENTS: usize = 128;

/// `flags` holds the flags in order with a space between; `ladder` what the log has for it.
const SCHEMA: &str = "
CREATE TABLE shard (
    one               INTEGER PRIMARY KEY CHECK (one = 1),
    segment           INTEGER NOT NULL,
    offset            INTEGER NOT NULL,
    lsn               INTEGER NOT NULL,
    chain             INTEGER NOT NULL,
    record            INTEGER NOT NULL,
    last_account      INTEGER NOT NULL,
    last_content      INTEGER NOT NULL,
    last_uid_validity INTEGER NOT NULL
) STRICT;
CREATE TABLE account (
    id                INTEGER PRIMARY KEY,
    address           TEXT    NOT NULL,
    argon2id          TEXT    NOT NULL,
    salt              BLOB    NOT NULL,
    iterations        INTEGER NOT NULL,
    stored_key        BLOB    NOT NULL,
    server_key        BLOB    NOT NULL,
    ladder            BLOB    NOT NULL,
    password_exposed  INTEGER,
    created           INTEGER NOT NULL,
    modseq            INTEGER NOT NULL,
    last_mailbox      INTEGER NOT NULL,
    last_uid_validity INTEGER NOT NULL
) STRICT;
CREATE TABLE mailbox (
    account        INTEGER NOT NULL,
    id             INTEGER NOT NULL,
    name           TEXT    NOT NULL,
    uid_validity   INTEGER NOT NULL,
    uid_next       INTEGER NOT NULL,
    highest_modseq INTEGER NOT NULL,
    subscribed     INTEGER NOT NULL,
    special_use    TEXT,
    messages       INTEGER NOT NULL,
    unseen         INTEGER NOT NULL,
    deleted        INTEGER NOT NULL,
    size           INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX mailbox_by_name ON mailbox (account, name);
CREATE TABLE message (
    account         INTEGER NOT NULL,
    mailbox         INTEGER NOT NULL,
    uid             INTEGER NOT NULL,
    content         INTEGER NOT NULL,
    flags           TEXT    NOT NULL,
    internal_date   INTEGER NOT NULL,
    internal_offset INTEGER NOT NULL,
    size            INTEGER NOT NULL,
    modseq          INTEGER NOT NULL,
    PRIMARY KEY (account, mailbox, uid)
) STRICT, WITHOUT ROWID;
CREATE INDEX message_by_modseq ON message (account, mailbox, modseq);
CREATE INDEX message_unseen ON message (account, mailbox, uid)
    WHERE instr(' ' || lower(flags) || ' ', ' \\seen ') = 0;
CREATE INDEX message_deleted ON message (account, mailbox, uid)
    WHERE instr(' ' || lower(flags) || ' ', ' \\deleted ') > 0;
CREATE TABLE keyword (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    flag    TEXT    NOT NULL COLLATE NOCASE,
    PRIMARY KEY (account, mailbox, flag)
) STRICT, WITHOUT ROWID;
CREATE TABLE expunged (
    account INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    modseq  INTEGER NOT NULL,
    uid     INTEGER NOT NULL,
    PRIMARY KEY (account, mailbox, modseq, uid)
) STRICT, WITHOUT ROWID;
CREATE TABLE content (
    id        INTEGER PRIMARY KEY,
    account   INTEGER NOT NULL,
    copies    INTEGER NOT NULL,
    segment   INTEGER NOT NULL,
    offset    INTEGER NOT NULL,
    size      INTEGER NOT NULL,
    crc       INTEGER NOT NULL,
    structure BLOB    NOT NULL
) STRICT;
CREATE TABLE delivery (
    account      INTEGER NOT NULL,
    id           BLOB    NOT NULL,
    mailbox      INTEGER NOT NULL,
    uid_validity INTEGER NOT NULL,
    uid          INTEGER NOT NULL,
    content      INTEGER NOT NULL,
    modseq       INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_by_time ON delivery (account, at);
CREATE TABLE queue_message (
    id      BLOB    NOT NULL PRIMARY KEY,
    sender  TEXT    NOT NULL,
    about   BLOB    NOT NULL,
    queued  INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    offset  INTEGER NOT NULL,
    size    INTEGER NOT NULL,
    crc     INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    ended   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_by_end ON queue_message (ended) WHERE ended IS NOT NULL;
CREATE TABLE queue_item (
    message   BLOB    NOT NULL,
    number    INTEGER NOT NULL,
    recipient TEXT    NOT NULL,
    attempts  INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    due       INTEGER NOT NULL,
    why       TEXT    NOT NULL,
    PRIMARY KEY (message, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_by_time ON queue_item (due) WHERE state = 0;
INSERT INTO shard VALUES (1, 1, 64, 1, 0, 0, 0, 0, 0);
";

/// When an index is made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IndexSync {
    /// With every commit.
    EveryCommit,
    /// Never: it is thrown away or made again after a crash.
    Replayed,
}

/// How far a log is in its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Where the next record goes.
    pub(crate) end: Position,
    /// Offset of the last record in the segment of `end`; 0 if there is none.
    pub(crate) record: u64,
}

/// Whether there is an index here that an earlier version of this program made. It is made anew from the log.
pub(crate) fn is_outdated(path: &Path) -> Result<bool, StoreError> {
    if !path.exists() {
        return Ok(false);
    }
    let index = open_for_reading(path)?;
    let version: i32 = index
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|e| trouble(&index, &e))?;
    Ok((1..VERSION).contains(&version))
}

/// Removes an index with what SQLite keeps beside it, the database first.
pub(crate) fn remove(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(disk(path, &e)),
            _ => {}
        }
    }
    Ok(())
}

/// Opens an index for writing; makes it where there is none.
pub(crate) fn open(path: &Path, sync: IndexSync) -> Result<Connection, StoreError> {
    let index = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(|e| trouble_at(path, &e))?;
    prepare(&index, sync).map_err(|e| trouble_at(path, &e))?;
    let found = (|| {
        Ok((
            index.pragma_query_value(None, "application_id", |row| row.get(0))?,
            index.pragma_query_value(None, "user_version", |row| row.get(0))?,
        ))
    })();
    match found.map_err(|e| trouble_at(path, &e))? {
        (APPLICATION, VERSION) => Ok(index),
        (0, 0) => {
            let made = format!(
                "BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION}; \
                 PRAGMA user_version = {VERSION}; COMMIT;"
            );
            index
                .execute_batch(&made)
                .map_err(|e| trouble_at(path, &e))?;
            Ok(index)
        }
        (_, version) => Err(damaged(
            path,
            0,
            format!("it is not an index of version {VERSION}, but of {version}"),
        )),
    }
}

fn prepare(index: &Connection, sync: IndexSync) -> rusqlite::Result<()> {
    index.set_prepared_statement_cache_capacity(STATEMENTS);
    index.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match sync {
        IndexSync::EveryCommit => "FULL",
        IndexSync::Replayed => "OFF",
    };
    index.pragma_update(None, "synchronous", synchronous)?;
    index.pragma_update(None, "temp_store", "MEMORY")?;
    index.pragma_update(None, "cache_size", -16_384)?;
    index.pragma_update(None, "wal_autocheckpoint", 2_000)?;
    index.pragma_update(None, "journal_size_limit", 64 << 20)
}

/// Opens an index that is there, for reading only.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let opened = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    );
    let index = opened.map_err(|e| trouble_at(path, &e))?;
    index.set_prepared_statement_cache_capacity(STATEMENTS);
    index
        .busy_timeout(std::time::Duration::from_secs(10))
        .and_then(|()| index.pragma_update(None, "temp_store", "MEMORY"))
        .map_err(|e| trouble_at(path, &e))?;
    Ok(index)
}

/// How far the log is in this index.
pub(crate) fn applied(index: &Connection) -> Result<Applied, StoreError> {
    index
        .query_row(
            "SELECT segment, offset, lsn, chain, record FROM shard",
            [],
            |row| {
                Ok(Applied {
                    end: Position {
                        segment: unsigned(row, 0)?,
                        offset: unsigned(row, 1)?,
                        lsn: unsigned(row, 2)?,
                        chain: row.get(3)?,
                    },
                    record: unsigned(row, 4)?,
                })
            },
        )
        .map_err(|e| trouble(index, &e))
}

/// Says how far the log is in this index, in the transaction that brings it there.
pub(crate) fn set_applied(index: &Connection, applied: Applied) -> Result<(), StoreError> {
    let end = applied.end;
    index
        .prepare_cached(
            "UPDATE shard SET segment = ?1, offset = ?2, lsn = ?3, chain = ?4, record = ?5",
        )
        .and_then(|mut update| {
            update.execute((
                signed(end.segment),
                signed(end.offset),
                signed(end.lsn),
                end.chain,
                signed(applied.record),
            ))
        })
        .map(|_| ())
        .map_err(|e| trouble(index, &e))
}

/// A number that is never beyond `i64::MAX`, as SQLite keeps it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads what [`signed`] kept.
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// What an error of this index means.
pub(crate) fn trouble(index: &Connection, error: &rusqlite::Error) -> StoreError {
    let path = index.path().map(PathBuf::from).unwrap_or_default();
    trouble_at(&path, error)
}

/// What an error of the database in `path` means.
pub(crate) fn trouble_at(path: &Path, error: &rusqlite::Error) -> StoreError {
    let code = error.sqlite_error_code();
    match (code, error) {
        (
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied,
            ),
            _,
        ) => StoreError::Disk {
            path: path.to_owned(),
            why: error.to_string(),
        },
        // What stands in a column is not what was put there.
        (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _)
        | (
            _,
            rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..),
        ) => damaged(
            path,
            0,
            format!("{error}; `pillarboxd store rebuild-index` makes an index anew from the log"),
        ),
        _ => StoreError::Engine(format!("{}: {error}", path.display())),
    }
}

/// An account in a shard's index: `query` asks it, `apply` changes it, and `operations` decides by it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Index<'a> {
    pub(crate) database: &'a Connection,
    pub(crate) account: AccountId,
}

impl Index<'_> {
    /// The first row of an answer.
    pub(crate) fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        self.database
            .prepare_cached(sql)
            .and_then(|mut query| query.query_row(params, read).optional())
            .map_err(|e| trouble(self.database, &e))
    }

    /// Every row of an answer.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.database
            .prepare_cached(sql)
            .and_then(|mut query| query.query_map(params, read)?.collect())
            .map_err(|e| trouble(self.database, &e))
    }

    /// Runs a statement; answers how many rows it changed.
    fn run(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        self.database
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(|e| trouble(self.database, &e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_index_begins_where_a_log_begins() {
        let place = tempfile::tempdir().unwrap();
        let index = open(&place.path().join("i"), IndexSync::EveryCommit).unwrap();
        let expected = Applied {
            end: Position::START,
            record: 0,
        };
        assert_eq!(applied(&index), Ok(expected));
    }

    #[test]
    fn how_far_it_is_survives() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("i");
        let far = Applied {
            end: Position {
                segment: 7,
                offset: 4096,
                lsn: 99,
                chain: u32::MAX,
            },
            record: 4000,
        };
        set_applied(&open(&path, IndexSync::EveryCommit).unwrap(), far).unwrap();
        assert_eq!(
            applied(&open(&path, IndexSync::EveryCommit).unwrap()),
            Ok(far)
        );
    }

    #[test]
    fn a_file_that_is_no_index_is_damage() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("i");
        std::fs::write(
            &path,
            "this is no database, however long it may be".repeat(99),
        )
        .unwrap();
        let error = open(&path, IndexSync::EveryCommit).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    }

    #[test]
    fn an_index_of_a_later_version_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("i");
        let index = open(&path, IndexSync::EveryCommit).unwrap();
        index
            .pragma_update(None, "user_version", VERSION + 1)
            .unwrap();
        drop(index);
        assert_eq!(
            open(&path, IndexSync::EveryCommit).unwrap_err(),
            damaged(&path, 0, "it is not an index of version 3, but of 4")
        );
    }
}
