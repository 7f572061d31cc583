//! The exceptions for passwords in the clear: a small database of its own, and in memory what it holds.

use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use pillarbox_policy::{CleartextGrant, Grants, Timestamp};
use rusqlite::types::Type;
use rusqlite::{Connection, Params, Row};

use crate::StoreError;
use crate::embedded::disk::held;
use crate::embedded::index::{trouble, trouble_at};
use crate::embedded::names;

/// `networks` are prefixes with a space between.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS cleartext_grant (
    key      TEXT    PRIMARY KEY,
    account  TEXT    NOT NULL,
    networks TEXT    NOT NULL,
    until    INTEGER NOT NULL,
    reason   TEXT    NOT NULL,
    given    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The grants of a store.
#[derive(Debug)]
pub(crate) struct GrantBook {
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    database: Connection,
    rows: Vec<CleartextGrant>,
}

impl GrantBook {
    /// Opens the grants; creates them where there are none. May block.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Connection::open(path)
            .and_then(|database| {
                database.pragma_update(None, "synchronous", "FULL")?;
                database.execute_batch(SCHEMA)?;
                Ok(database)
            })
            .map_err(|error| trouble_at(path, &error))?;
        let rows = read(&database).map_err(|error| trouble(&database, &error))?;
        Ok(Self {
            kept: Mutex::new(Kept { database, rows }),
        })
    }

    /// All of them, at this moment.
    pub(crate) fn grants(&self) -> Grants {
        Grants::restore(held(&self.kept).rows.clone(), now())
    }

    /// Gives one, in the place of the one that the account had. Blocks.
    pub(crate) fn give(&self, grant: &CleartextGrant) -> Result<(), StoreError> {
        let networks: Vec<_> = grant.networks.iter().map(ToString::to_string).collect();
        self.change(
            "INSERT OR REPLACE INTO cleartext_grant VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (
                names::key(&grant.account),
                &grant.account,
                networks.join(" "),
                grant.until.0,
                &grant.reason,
                grant.given.0,
            ),
        )
    }

    /// Takes an account's back. Blocks.
    pub(crate) fn revoke(&self, account: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM cleartext_grant WHERE key = ?1";
        self.change(sql, [names::key(account)])
    }

    fn change(&self, sql: &str, params: impl Params) -> Result<(), StoreError> {
        let mut kept = held(&self.kept);
        let rows = kept.database.execute(sql, params);
        let rows = rows.and_then(|_| read(&kept.database));
        kept.rows = rows.map_err(|error| trouble(&kept.database, &error))?;
        Ok(())
    }
}

fn read(database: &Connection) -> rusqlite::Result<Vec<CleartextGrant>> {
    let mut rows = database.prepare(
        "SELECT account, networks, until, reason, given FROM cleartext_grant ORDER BY key",
    )?;
    let rows = rows.query_map([], grant)?;
    rows.collect()
}

fn grant(row: &Row<'_>) -> rusqlite::Result<CleartextGrant> {
    let networks: String = row.get(1)?;
    let networks = networks.split_whitespace().map(str::parse);
    Ok(CleartextGrant {
        account: row.get(0)?,
        networks: networks.collect::<Result<_, _>>().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(1, Type::Text, Box::new(error))
        })?,
        until: Timestamp(row.get(2)?),
        reason: row.get(3)?,
        given: Timestamp(row.get(4)?),
    })
}

/// This moment. A clock set before 1970 reads as the far future, at which no grant is open.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let seconds = since.and_then(|since| i64::try_from(since.as_secs()).ok());
    Timestamp(seconds.unwrap_or(i64::MAX))
}
