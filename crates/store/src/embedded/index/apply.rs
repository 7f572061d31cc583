//! Brings the effects of an operation into the index.
//!
//! Deterministic: the same entries in the same order make the same index, row by row.

use std::collections::{BTreeMap, HashSet};

use pillarbox_policy::Timestamp;
use rusqlite::{Connection, Params, ToSql};

use super::query::{read_flags, written_flags};
use super::{Applied, Index, set_applied, signed};
use crate::embedded::disk::codec::octets;
use crate::embedded::disk::damaged;
use crate::embedded::disk::spool::Measure;
use crate::embedded::log::entry::{
    AppendedMessage, Copied, DeliveredMessage, DeliveredTo, Effect, Entry, Expunged, FlagsSet,
    NewMailbox, QueuedMessage,
};
use crate::embedded::log::scan::Record;
use crate::{
    AccountId, Flags, ItemId, MailboxId, ModSeq, NewAccount, OpenMailbox, Outcome, StoreError,
    Verifiers,
};

/// How an item stands, in the index.
pub(crate) const WAITING: u8 = 0;
pub(crate) const DONE: u8 = 1;
pub(crate) const FAILED: u8 = 2;

/// Seconds that a delivery is remembered by each account that got it, and a message of the queue after its end.
const REMEMBERED: i64 = 7 * Timestamp::DAY;

/// Applies an entry whose first body stands at `bodies_at` in `segment`.
///
/// # Errors
/// [`StoreError::Damaged`] if the index is not in the state in which the entry was decided.
pub(crate) fn apply(
    database: &Connection,
    entry: &Entry,
    segment: u64,
    bodies_at: u64,
) -> Result<(), StoreError> {
    let mut applying = Applying {
        index: Index {
            database,
            account: entry.account,
        },
        segment,
        body_at: bodies_at,
        counts: BTreeMap::new(),
        last_content: 0,
    };
    for effect in &entry.effects {
        applying.effect(effect)?;
    }
    applying.finish()
}

/// Applies a record of the log, and says how far that is.
pub(crate) fn replay(database: &Connection, record: &Record) -> Result<Applied, StoreError> {
    let start = record.start;
    apply(database, &record.entry, start.segment, record.bodies_at)?;
    let applied = Applied {
        end: record.end,
        record: start.offset,
    };
    set_applied(database, applied)?;
    Ok(applied)
}

/// An entry on its way into the index.
struct Applying<'a> {
    index: Index<'a>,
    segment: u64,
    /// Where the next body stands.
    body_at: u64,
    /// What mailboxes count differently, so that each is changed once.
    counts: BTreeMap<(AccountId, MailboxId), Counts>,
    last_content: u64,
}

/// What is added to a mailbox's counts and numbers.
#[derive(Debug, Default)]
struct Counts {
    messages: i64,
    unseen: i64,
    deleted: i64,
    size: i64,
    /// The highest that were given.
    uid: u32,
    modseq: u64,
}

impl Counts {
    /// Adds `by` messages of one kind.
    fn add(&mut self, by: i64, flags: &Flags, size: i64) {
        self.messages += by;
        self.unseen += by * i64::from(!flags.contains("\\Seen"));
        self.deleted += by * i64::from(flags.contains("\\Deleted"));
        self.size += by * size;
    }
}

impl Index<'_> {
    /// Runs a statement that has to change one row.
    fn run_on_one(&self, what: &str, sql: &str, params: impl Params) -> Result<(), StoreError> {
        match self.run(sql, params)? {
            1 => Ok(()),
            _ => Err(self.astray(what)),
        }
    }

    fn astray(&self, what: &str) -> StoreError {
        damaged(
            self.database.path().unwrap_or_default().as_ref(),
            0,
            format!(
                "{what} of account {} is in the log but not in the index; \
                 `pillarboxd store rebuild-index` makes it anew",
                self.account.0
            ),
        )
    }

    /// Changes a column of the account.
    fn set_account(&self, column: &str, value: impl ToSql) -> Result<(), StoreError> {
        let sql = format!("UPDATE account SET {column} = ?2 WHERE id = ?1");
        self.run_on_one("the account", &sql, (self.account.0, value))
    }

    /// Changes a column of a mailbox.
    fn set_mailbox(
        &self,
        mailbox: MailboxId,
        column: &str,
        value: impl ToSql,
    ) -> Result<(), StoreError> {
        let sql = format!("UPDATE mailbox SET {column} = ?3 WHERE account = ?1 AND id = ?2");
        self.run_on_one("a mailbox", &sql, (self.account.0, mailbox.0, value))
    }

    /// Removes all rows of a mailbox, or of the whole account, from tables.
    fn clear(&self, tables: &[&str], mailbox: Option<MailboxId>) -> Result<(), StoreError> {
        for table in tables {
            let sql = format!("DELETE FROM {table} WHERE account = ?1");
            match mailbox {
                Some(mailbox) => {
                    let sql = format!("{sql} AND mailbox = ?2");
                    self.run(&sql, (self.account.0, mailbox.0))?
                }
                None => self.run(&sql, [self.account.0])?,
            };
        }
        Ok(())
    }

    fn account_created(&self, account: &NewAccount, at: Timestamp) -> Result<(), StoreError> {
        let keys = &account.verifiers.scram_sha256;
        self.run_on_one(
            "an account",
            "INSERT INTO account VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, ?9, 0, 0, 0)",
            (
                self.account.0,
                &account.address,
                &account.verifiers.argon2id,
                &keys.salt,
                keys.iterations,
                keys.stored_key,
                keys.server_key,
                octets(&account.ladder),
                at.0,
            ),
        )?;
        self.run_on_one(
            "the shard",
            "UPDATE shard SET last_account = max(last_account, ?1)",
            [self.account.0],
        )
    }

    fn verifiers_set(&self, verifiers: &Verifiers) -> Result<(), StoreError> {
        let keys = &verifiers.scram_sha256;
        self.run_on_one(
            "the account",
            "UPDATE account SET argon2id = ?2, salt = ?3, iterations = ?4, stored_key = ?5, \
             server_key = ?6, password_exposed = NULL WHERE id = ?1",
            (
                self.account.0,
                &verifiers.argon2id,
                &keys.salt,
                keys.iterations,
                keys.stored_key,
                keys.server_key,
            ),
        )
    }

    fn account_deleted(&self) -> Result<(), StoreError> {
        // Contents are not shared between accounts.
        self.run(
            "DELETE FROM content WHERE id IN (SELECT content FROM message WHERE account = ?1)",
            [self.account.0],
        )?;
        let tables = ["message", "expunged", "keyword", "delivery", "mailbox"];
        self.clear(&tables, None)?;
        let sql = "DELETE FROM account WHERE id = ?1";
        self.run_on_one("the account", sql, [self.account.0])
    }

    fn mailbox_created(&self, new: &NewMailbox) -> Result<(), StoreError> {
        let (modseq, uid_validity) = (signed(new.modseq.0), new.uid_validity.get());
        self.run_on_one(
            "a mailbox",
            "INSERT INTO mailbox VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, 0, 0, 0, 0)",
            (
                self.account.0,
                new.id.0,
                &new.name,
                uid_validity,
                modseq,
                new.subscribed,
                &new.special_use,
            ),
        )?;
        self.run_on_one(
            "the account",
            "UPDATE account SET modseq = max(modseq, ?2), last_mailbox = max(last_mailbox, ?3), \
             last_uid_validity = max(last_uid_validity, ?4) WHERE id = ?1",
            (self.account.0, modseq, new.id.0, uid_validity),
        )?;
        self.run_on_one(
            "the shard",
            "UPDATE shard SET last_uid_validity = max(last_uid_validity, ?1)",
            [uid_validity],
        )
    }

    fn mailbox_deleted(&self, mailbox: MailboxId) -> Result<(), StoreError> {
        let key = (self.account.0, mailbox.0);
        let sql = "SELECT content FROM message WHERE account = ?1 AND mailbox = ?2";
        for content in self.all(sql, key, |row| row.get(0))? {
            self.release(content)?;
        }
        self.clear(&["message", "expunged", "keyword"], Some(mailbox))?;
        let sql = "DELETE FROM mailbox WHERE account = ?1 AND id = ?2";
        self.run_on_one("a mailbox", sql, key)
    }

    /// One message more has this content.
    fn share(&self, content: i64) -> Result<(), StoreError> {
        let sql = "UPDATE content SET copies = copies + 1 WHERE id = ?1";
        self.run_on_one("a content", sql, [content])
    }

    /// One message less has this content; with the last it leaves the index.
    fn release(&self, content: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM content WHERE id = ?1 AND copies = 1";
        if self.run(sql, [content])? == 1 {
            return Ok(());
        }
        let sql = "UPDATE content SET copies = copies - 1 WHERE id = ?1";
        self.run_on_one("a content", sql, [content])
    }

    /// Keywords that a mailbox has seen are told to those who open it. Only so many, or somebody could fill
    /// the disk with words.
    fn remember_keywords(&self, mailbox: MailboxId, flags: &Flags) -> Result<(), StoreError> {
        for keyword in flags.iter().filter(|flag| !flag.starts_with('\\')) {
            self.run(
                "INSERT OR IGNORE INTO keyword SELECT ?1, ?2, ?3 WHERE \
                 (SELECT count(*) FROM keyword WHERE account = ?1 AND mailbox = ?2) < ?4",
                (self.account.0, mailbox.0, keyword, OpenMailbox::KEYWORDS),
            )?;
        }
        Ok(())
    }

    /// Remembers what the account got, and forgets what it got long ago.
    fn remember_delivery(
        &self,
        message: &DeliveredMessage,
        to: &DeliveredTo,
    ) -> Result<(), StoreError> {
        let (got, at) = (&to.appended, message.internal_date.0);
        self.run_on_one(
            "a delivery",
            "INSERT INTO delivery VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                self.account.0,
                message.delivery.0,
                got.mailbox.0,
                got.uid_validity.get(),
                got.uid.0.get(),
                signed(got.content.0),
                signed(got.modseq.0),
                at,
            ),
        )?;
        let sql = "DELETE FROM delivery WHERE account = ?1 AND at < ?2";
        self.run(sql, (self.account.0, at.saturating_sub(REMEMBERED)))?;
        Ok(())
    }

    fn queue_settled(&self, item: ItemId, how: &Outcome, at: Timestamp) -> Result<(), StoreError> {
        let (state, due, why) = match how {
            Outcome::Done => (DONE, at, ""),
            Outcome::Failed { why } => (FAILED, at, why.as_str()),
            Outcome::Retry { at, why } => (WAITING, *at, why.as_str()),
        };
        self.run_on_one(
            "an item of the queue",
            "UPDATE queue_item SET attempts = attempts + 1, state = ?3, due = ?4, why = ?5 \
             WHERE message = ?1 AND number = ?2",
            (item.message.0, item.number, state, due.0, why),
        )?;
        if state == WAITING {
            return Ok(());
        }
        self.run_on_one(
            "a message of the queue",
            "UPDATE queue_message SET waiting = waiting - 1, ended = iif(waiting = 1, ?2, NULL) \
             WHERE id = ?1",
            (item.message.0, at.0),
        )
    }
}

impl Applying<'_> {
    fn effect(&mut self, effect: &Effect) -> Result<(), StoreError> {
        let index = self.index;
        match effect {
            Effect::AccountCreated(account, at) => index.account_created(account, *at),
            Effect::VerifiersSet(verifiers) => index.verifiers_set(verifiers),
            Effect::LadderSet(ladder) => index.set_account("ladder", octets(ladder)),
            Effect::PasswordExposed(at) => index.set_account("password_exposed", at.0),
            Effect::AccountDeleted => index.account_deleted(),
            Effect::MailboxCreated(mailbox) => index.mailbox_created(mailbox),
            Effect::MailboxRenamed(mailbox, name) => index.set_mailbox(*mailbox, "name", name),
            Effect::MailboxDeleted(mailbox) => index.mailbox_deleted(*mailbox),
            Effect::Subscribed(mailbox, is) => index.set_mailbox(*mailbox, "subscribed", is),
            Effect::Appended(message) => {
                let body_at = self.body(message.body);
                self.append(index, message, body_at)
            }
            Effect::Delivered(message) => {
                // All of them have the same octets.
                let body_at = self.body(message.body);
                for one in &message.to {
                    let to = Index {
                        account: one.account,
                        ..index
                    };
                    self.append(to, &message.of(one), body_at)?;
                    to.remember_delivery(message, one)?;
                }
                Ok(())
            }
            Effect::Queued(message) => self.enqueue(message),
            Effect::QueueSettled(item, outcome, at) => index.queue_settled(*item, outcome, *at),
            Effect::FlagsSet(set) => self.set_flags(set),
            Effect::Expunged(gone) => self.expunge(gone),
            Effect::Copied(copied) => self.copy(copied),
        }
    }

    /// Where the next body stands.
    fn body(&mut self, measure: Measure) -> i64 {
        let at = self.body_at;
        self.body_at = at.saturating_add(measure.size);
        signed(at)
    }

    /// What a mailbox counts differently after a change.
    fn counts(&mut self, of: Index<'_>, mailbox: MailboxId, modseq: ModSeq) -> &mut Counts {
        let counts = self.counts.entry((of.account, mailbox)).or_default();
        counts.modseq = counts.modseq.max(modseq.0);
        counts
    }

    fn finish(self) -> Result<(), StoreError> {
        for ((account, mailbox), add) in self.counts {
            let index = Index {
                account,
                ..self.index
            };
            let modseq = signed(add.modseq);
            index.run_on_one(
                "a mailbox",
                "UPDATE mailbox SET uid_next = max(uid_next, ?3), \
                 highest_modseq = max(highest_modseq, ?4), messages = messages + ?5, \
                 unseen = unseen + ?6, deleted = deleted + ?7, size = size + ?8 \
                 WHERE account = ?1 AND id = ?2",
                (
                    account.0,
                    mailbox.0,
                    i64::from(add.uid) + 1,
                    modseq,
                    add.messages,
                    add.unseen,
                    add.deleted,
                    add.size,
                ),
            )?;
            index.run_on_one(
                "the account",
                "UPDATE account SET modseq = max(modseq, ?2) WHERE id = ?1",
                (account.0, modseq),
            )?;
        }
        if self.last_content > 0 {
            self.index.run_on_one(
                "the shard",
                "UPDATE shard SET last_content = max(last_content, ?1)",
                [signed(self.last_content)],
            )?;
        }
        Ok(())
    }

    fn append(
        &mut self,
        to: Index<'_>,
        message: &AppendedMessage,
        body_at: i64,
    ) -> Result<(), StoreError> {
        let (content, size) = (signed(message.content.0), signed(message.body.size));
        to.run_on_one(
            "a content",
            "INSERT INTO content VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7)",
            (
                content,
                to.account.0,
                signed(self.segment),
                body_at,
                size,
                message.body.crc,
                &message.structure,
            ),
        )?;
        to.run_on_one(
            "a message",
            "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                to.account.0,
                message.mailbox.0,
                message.uid.0.get(),
                content,
                written_flags(&message.flags),
                message.internal_date.0,
                message.internal_offset,
                size,
                signed(message.modseq.0),
            ),
        )?;
        to.remember_keywords(message.mailbox, &message.flags)?;
        self.last_content = self.last_content.max(message.content.0);
        let counts = self.counts(to, message.mailbox, message.modseq);
        counts.add(1, &message.flags, size);
        counts.uid = counts.uid.max(message.uid.0.get());
        Ok(())
    }

    fn enqueue(&mut self, message: &QueuedMessage) -> Result<(), StoreError> {
        let (id, queued) = (message.id.0, message.queued.0);
        let body_at = self.body(message.body);
        self.index.run_on_one(
            "a message of the queue",
            "INSERT INTO queue_message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL)",
            (
                id,
                &message.sender,
                &message.about,
                queued,
                signed(self.segment),
                body_at,
                signed(message.body.size),
                message.body.crc,
                signed(message.recipients.len() as u64),
            ),
        )?;
        for (number, recipient) in message.recipients.iter().enumerate() {
            self.index.run_on_one(
                "an item of the queue",
                "INSERT INTO queue_item VALUES (?1, ?2, ?3, 0, ?4, ?5, '')",
                (id, signed(number as u64), recipient, WAITING, queued),
            )?;
        }
        // What ended long ago is not remembered any more.
        let old = [queued.saturating_sub(REMEMBERED)];
        self.index.run(
            "DELETE FROM queue_item WHERE message IN \
             (SELECT id FROM queue_message WHERE ended < ?1)",
            old,
        )?;
        let sql = "DELETE FROM queue_message WHERE ended < ?1";
        self.index.run(sql, old).map(|_| ())
    }

    fn set_flags(&mut self, set: &FlagsSet) -> Result<(), StoreError> {
        let index = self.index;
        index.remember_keywords(set.mailbox, &set.flags)?;
        let written = written_flags(&set.flags);
        for uid in &set.uids {
            let (account, mailbox, uid) = (index.account.0, set.mailbox.0, uid.0.get());
            let before = index.one(
                "SELECT flags FROM message WHERE account = ?1 AND mailbox = ?2 AND uid = ?3",
                (account, mailbox, uid),
                |row| read_flags(row, 0),
            )?;
            let before = before.ok_or_else(|| index.astray("a message"))?;
            index.run_on_one(
                "a message",
                "UPDATE message SET flags = ?4, modseq = ?5 \
                 WHERE account = ?1 AND mailbox = ?2 AND uid = ?3",
                (account, mailbox, uid, &written, signed(set.modseq.0)),
            )?;
            let counts = self.counts(index, set.mailbox, set.modseq);
            counts.add(-1, &before, 0);
            counts.add(1, &set.flags, 0);
        }
        Ok(())
    }

    fn expunge(&mut self, gone: &Expunged) -> Result<(), StoreError> {
        let (index, account) = (self.index, self.index.account.0);
        for uid in &gone.uids {
            let (mailbox, uid) = (gone.mailbox.0, uid.0.get());
            let removed = index.one(
                "DELETE FROM message WHERE account = ?1 AND mailbox = ?2 AND uid = ?3 \
                 RETURNING content, flags, size",
                (account, mailbox, uid),
                |row| Ok((row.get(0)?, read_flags(row, 1)?, row.get(2)?)),
            )?;
            let (content, flags, size) = removed.ok_or_else(|| index.astray("a message"))?;
            index.release(content)?;
            let sql = "INSERT INTO expunged VALUES (?1, ?2, ?3, ?4)";
            let row = (account, mailbox, signed(gone.modseq.0), uid);
            index.run_on_one("an expunge", sql, row)?;
            let counts = self.counts(index, gone.mailbox, gone.modseq);
            counts.add(-1, &flags, size);
        }
        Ok(())
    }

    fn copy(&mut self, copied: &Copied) -> Result<(), StoreError> {
        let index = self.index;
        let mut seen_flags = HashSet::new();
        for (old, new) in &copied.uids {
            let inserted = index.one(
                "INSERT INTO message SELECT account, ?4, ?5, content, flags, internal_date, \
                 internal_offset, size, ?6 FROM message \
                 WHERE account = ?1 AND mailbox = ?2 AND uid = ?3 RETURNING content, flags, size",
                (
                    index.account.0,
                    copied.from.0,
                    old.0.get(),
                    copied.to.0,
                    new.0.get(),
                    signed(copied.modseq.0),
                ),
                |row| Ok((row.get(0)?, read_flags(row, 1)?, row.get(2)?)),
            )?;
            let (content, flags, size) = inserted.ok_or_else(|| index.astray("a message"))?;
            index.share(content)?;
            let counts = self.counts(index, copied.to, copied.modseq);
            counts.add(1, &flags, size);
            counts.uid = counts.uid.max(new.0.get());
            if seen_flags.insert(written_flags(&flags)) {
                index.remember_keywords(copied.to, &flags)?;
            }
        }
        Ok(())
    }
}
