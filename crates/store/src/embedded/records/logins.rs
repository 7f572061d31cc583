//! Login records, in a database of their own: they are no mail, and old ones go.

use std::path::Path;
use std::sync::Mutex;
use std::thread::JoinHandle;

use pillarbox_names::{Label, TlsStart};
use pillarbox_policy::{Timestamp, TlsEnd, TlsVersion};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use crate::embedded::disk::held;
use crate::embedded::index::{trouble, trouble_at};
use crate::{AccountId, LoginMechanism, LoginRecord, LoginTls, StoreError};

/// Days a record is kept, counted back from the newest one.
const DAYS: i64 = 30;
/// Records kept at most, so that somebody guessing passwords cannot fill the disk.
const MOST: i64 = 1_000_000;
/// Records between two looks for old ones.
const PRUNE_EVERY: u32 = 1_000;
/// Records brought to the database together at most.
const BATCH: usize = 256;
/// Records and questions that may wait before callers are held up.
const QUEUE: usize = 1024;
/// Octets of what a client says.
const LONGEST: usize = 255;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS login (
    id                 INTEGER PRIMARY KEY,
    at                 INTEGER NOT NULL,
    account            INTEGER,
    login              TEXT    NOT NULL,
    listener           TEXT    NOT NULL,
    remote             TEXT    NOT NULL,
    how                TEXT,
    tls_end            TEXT,
    tls_version        TEXT,
    cipher_suite       TEXT,
    key_exchange       TEXT,
    sni                TEXT,
    alpn               TEXT,
    resumed            INTEGER NOT NULL,
    client_certificate TEXT,
    mechanism          TEXT    NOT NULL,
    client             TEXT,
    outcome            TEXT    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS login_by_account ON login (account, id);
CREATE INDEX IF NOT EXISTS login_by_time ON login (at);
";

const COLUMNS: &str = "at, account, login, listener, remote, how, tls_end, tls_version, \
     cipher_suite, key_exchange, sni, alpn, resumed, client_certificate, mechanism, client, outcome";
/// A database of an earlier version lacks a column: whatever it has ended here.
const WITHOUT_END: &str = "SELECT 1 WHERE EXISTS (SELECT 1 FROM pragma_table_info('login')) \
     AND NOT EXISTS (SELECT 1 FROM pragma_table_info('login') WHERE name = 'tls_end')";
const ADD_END: &str = "ALTER TABLE login ADD COLUMN tls_end TEXT; \
     UPDATE login SET tls_end = 'here' WHERE how IS NOT NULL;";

/// The thread that keeps the records, and the way to it.
#[derive(Debug)]
pub(crate) struct LoginRecords {
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

enum Request {
    Record(Box<LoginRecord>),
    Newest {
        account: Option<AccountId>,
        limit: u32,
        caller: oneshot::Sender<Result<Vec<LoginRecord>, StoreError>>,
    },
}

impl LoginRecords {
    /// Opens the records; makes them where there are none. May block.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let records = Connection::open(path)
            .and_then(|records| {
                records.pragma_update(None, "journal_mode", "WAL")?;
                // A record may be lost with the power, but never half.
                records.pragma_update(None, "synchronous", "NORMAL")?;
                if records.prepare(WITHOUT_END)?.exists([])? {
                    records.execute_batch(ADD_END)?;
                }
                records.execute_batch(SCHEMA)?;
                prune(&records)?;
                Ok(records)
            })
            .map_err(|e| trouble_at(path, &e))?;
        let (queue, requests) = mpsc::channel(QUEUE);
        let keeper = std::thread::Builder::new()
            .name("pillarbox-logins".to_owned())
            .spawn(move || keep(&records, requests))
            .map_err(|e| StoreError::Engine(format!("no thread for login records: {e}")))?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            keeper: Mutex::new(Some(keeper)),
        })
    }

    /// Hands a record on. Whoever asks later sees it; it may not be on stable storage yet.
    pub(crate) async fn record(&self, record: LoginRecord) -> Result<(), StoreError> {
        self.send(Request::Record(Box::new(record))).await
    }

    /// The newest records, newest first.
    pub(crate) async fn newest(
        &self,
        account: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        let (caller, answer) = oneshot::channel();
        let request = Request::Newest {
            account,
            limit,
            caller,
        };
        self.send(request).await?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn send(&self, request: Request) -> Result<(), StoreError> {
        let queue = held(&self.queue).clone();
        let queue = queue.ok_or(StoreError::Closed)?;
        queue.send(request).await.map_err(|_| StoreError::Closed)
    }

    /// Keeps what was recorded, and refuses what comes later. May block.
    pub(crate) fn close(&self) {
        drop(held(&self.queue).take());
        let keeper = held(&self.keeper).take();
        if let Some(keeper) = keeper
            && keeper.join().is_err()
        {
            tracing::error!("the thread that keeps login records ended badly");
        }
    }
}

/// Works until every sender is gone and the queue is empty.
fn keep(records: &Connection, mut requests: mpsc::Receiver<Request>) {
    let mut since_pruned = 0;
    while let Some(first) = requests.blocking_recv() {
        let mut waiting = Vec::new();
        let mut next = Some(first);
        while let Some(request) = next.take() {
            match request {
                Request::Record(record) => waiting.push(*record),
                Request::Newest {
                    account,
                    limit,
                    caller,
                } => {
                    since_pruned += insert(records, &mut waiting);
                    let found = newest(records, account, limit).map_err(|e| trouble(records, &e));
                    // A caller that stopped waiting wants no answer.
                    let _ = caller.send(found);
                }
            }
            if waiting.len() < BATCH {
                next = requests.try_recv().ok();
            }
        }
        since_pruned += insert(records, &mut waiting);
        if since_pruned >= PRUNE_EVERY {
            since_pruned = 0;
            if let Err(error) = prune(records) {
                tracing::error!(%error, "old login records could not be removed");
            }
        }
    }
}

/// Brings records to the database; answers how many. Those that cannot be kept are logged as lost.
fn insert(records: &Connection, waiting: &mut Vec<LoginRecord>) -> u32 {
    if waiting.is_empty() {
        return 0;
    }
    let inserted = (|| {
        let batch = Transaction::new_unchecked(records, TransactionBehavior::Immediate)?;
        for record in waiting.iter() {
            insert_one(&batch, record)?;
        }
        batch.commit()
    })();
    let count = waiting.len();
    if let Err(error) = inserted {
        tracing::error!(%error, records = count, "login records were lost");
    }
    waiting.clear();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn insert_one(records: &Connection, record: &LoginRecord) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT INTO login ({COLUMNS}) VALUES \
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
    );
    let tls = record.tls.as_ref();
    records.prepare_cached(&sql)?.execute(params![
        record.at.0,
        record.account.map(|account| account.0),
        cut(&record.login),
        record.listener.as_str(),
        record.remote.to_string(),
        tls.map(|tls| tls.start.as_str()),
        tls.map(|tls| tls.end.to_string()),
        tls.map(|tls| tls.version.to_string()),
        tls.map(|tls| &tls.suite),
        tls.and_then(|tls| tls.group.as_ref()),
        tls.and_then(|tls| tls.sni.as_ref()),
        tls.and_then(|tls| tls.alpn.as_ref()),
        tls.is_some_and(|tls| tls.resumed),
        tls.and_then(|tls| tls.client_certificate.as_ref()),
        record.mechanism.as_str(),
        record.client.as_deref().map(cut),
        record.outcome.as_str(),
    ])?;
    Ok(())
}

/// The first 255 octets, less where that would part a character.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST))
        .unwrap_or(text)
}

fn newest(
    records: &Connection,
    account: Option<AccountId>,
    limit: u32,
) -> rusqlite::Result<Vec<LoginRecord>> {
    match account {
        Some(account) => {
            let sql =
                format!("SELECT {COLUMNS} FROM login WHERE account = ?1 ORDER BY id DESC LIMIT ?2");
            let mut query = records.prepare_cached(&sql)?;
            query.query_map((account.0, limit), read)?.collect()
        }
        None => {
            let sql = format!("SELECT {COLUMNS} FROM login ORDER BY id DESC LIMIT ?1");
            let mut query = records.prepare_cached(&sql)?;
            query.query_map([limit], read)?.collect()
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<LoginRecord> {
    Ok(LoginRecord {
        at: Timestamp(row.get(0)?),
        account: row.get::<_, Option<i64>>(1)?.map(AccountId),
        login: row.get(2)?,
        listener: word(row, 3, |word| {
            Label::ALL.into_iter().find(|label| label.as_str() == word)
        })?,
        remote: word(row, 4, |word| word.parse().ok())?,
        tls: read_tls(row)?,
        mechanism: word(row, 14, LoginMechanism::from_word)?,
        client: row.get(15)?,
        outcome: word(row, 16, |word| word.parse().ok())?,
    })
}

fn read_tls(row: &Row<'_>) -> rusqlite::Result<Option<LoginTls>> {
    if row.get_ref(5)? == ValueRef::Null {
        return Ok(None);
    }
    let starts = [TlsStart::Implicit, TlsStart::StartTls];
    let versions = [TlsVersion::Tls12, TlsVersion::Tls13];
    Ok(Some(LoginTls {
        start: word(row, 5, |word| {
            starts.into_iter().find(|start| start.as_str() == word)
        })?,
        end: word(row, 6, |word| match word {
            "here" => Some(TlsEnd::Here),
            address => address.parse().map(TlsEnd::Balancer).ok(),
        })?,
        version: word(row, 7, |word| {
            versions
                .into_iter()
                .find(|version| version.to_string() == word)
        })?,
        suite: row.get(8)?,
        group: row.get(9)?,
        sni: row.get(10)?,
        alpn: row.get(11)?,
        resumed: row.get(12)?,
        client_certificate: row.get(13)?,
    }))
}

/// A column that has one of the words that a type knows.
fn word<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let word: String = row.get(column)?;
    read(&word).ok_or(rusqlite::Error::InvalidColumnType(column, word, Type::Text))
}

/// Removes records that are too old or too many.
fn prune(records: &Connection) -> rusqlite::Result<()> {
    records.execute(
        "DELETE FROM login WHERE at < (SELECT max(at) FROM login) - ?1",
        [DAYS * Timestamp::DAY],
    )?;
    records.execute(
        "DELETE FROM login WHERE id <= (SELECT max(id) FROM login) - ?1",
        [MOST],
    )?;
    Ok(())
}

impl Drop for LoginRecords {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use pillarbox_names::Service;
    use pillarbox_policy::LoginOutcome;

    use super::*;

    fn record(at: i64, account: i64) -> LoginRecord {
        LoginRecord {
            at: Timestamp(at),
            account: Some(AccountId(account)),
            login: "jane@example.org".to_owned(),
            listener: Label::new(Service::Imap, TlsStart::Implicit),
            remote: "192.0.2.1:4000".parse().unwrap(),
            tls: Some(LoginTls {
                start: TlsStart::Implicit,
                end: TlsEnd::Here,
                version: TlsVersion::Tls13,
                suite: "TLS_AES_256_GCM_SHA384".to_owned(),
                group: Some("X25519MLKEM768".to_owned()),
                sni: Some("mail.example.org".to_owned()),
                alpn: Some("imap".to_owned()),
                resumed: true,
                client_certificate: None,
            }),
            mechanism: LoginMechanism::Plain,
            client: None,
            outcome: LoginOutcome::Succeeded,
        }
    }

    #[tokio::test]
    async fn records_come_back_newest_first_even_after_a_restart() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("logins");
        let logins = LoginRecords::open(&path).unwrap();
        let all = [record(1, 1), record(2, 2), record(3, 1)];
        for record in all.clone() {
            logins.record(record).await.unwrap();
        }
        let [first, second, third] = all;
        let newest = logins.newest(None, 2).await.unwrap();
        assert_eq!(newest, [third.clone(), second]);
        drop(logins);
        let logins = LoginRecords::open(&path).unwrap();
        let newest = logins.newest(Some(AccountId(1)), 9).await.unwrap();
        assert_eq!(newest, [third, first]);
    }

    #[tokio::test]
    async fn records_of_an_earlier_version_are_kept() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("logins");
        let old = Connection::open(&path).unwrap();
        old.execute_batch(&SCHEMA.replace("    tls_end            TEXT,\n", ""))
            .unwrap();
        old.execute_batch(
            "INSERT INTO login VALUES (1, 5, 1, 'jane@example.org', 'imaps', '192.0.2.1:4000', \
             'implicit', 'TLSv1.3', 'TLS_AES_256_GCM_SHA384', 'X25519MLKEM768', \
             'mail.example.org', 'imap', 1, NULL, 'PLAIN', NULL, 'ok')",
        )
        .unwrap();
        drop(old);
        let logins = LoginRecords::open(&path).unwrap();
        assert_eq!(logins.newest(None, 9).await.unwrap(), [record(5, 1)]);
    }

    #[tokio::test]
    async fn records_older_than_thirty_days_go() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("logins");
        let logins = LoginRecords::open(&path).unwrap();
        let now = 31 * Timestamp::DAY;
        for at in [0, Timestamp::DAY, now] {
            logins.record(record(at, 1)).await.unwrap();
        }
        drop(logins);
        let logins = LoginRecords::open(&path).unwrap();
        let kept: Vec<i64> = logins
            .newest(None, 9)
            .await
            .unwrap()
            .iter()
            .map(|record| record.at.0)
            .collect();
        assert_eq!(kept, [now, Timestamp::DAY]);
    }

    #[tokio::test]
    async fn after_the_end_records_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let logins = LoginRecords::open(&place.path().join("logins")).unwrap();
        logins.close();
        assert_eq!(logins.record(record(1, 1)).await, Err(StoreError::Closed));
        assert_eq!(logins.newest(None, 1).await, Err(StoreError::Closed));
    }

    #[test]
    fn what_clients_say_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(300)).len(), 255);
        assert_eq!(cut(&"é".repeat(200)).len(), 254);
    }
}
