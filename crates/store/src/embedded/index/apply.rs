//! Brings the effects of an operation into the index.
//!
//! Deterministic: the same entries in the same order make the same index, row by row.

use std::collections::HashSet;

use pillarbox_policy::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params};

use crate::embedded::disk::codec::Encoder;
use crate::embedded::disk::damaged;
use crate::embedded::index::query::written_flags;
use crate::embedded::index::{signed, trouble, unsigned};
use crate::embedded::log::entry::{
    AppendedMessage, DeliveredMessage, DeliveredTo, Effect, Entry, QueuedMessage, put_ladder,
};
use crate::{
    AccountId, Flags, ItemId, MailboxId, ModSeq, OpenMailbox, Outcome, StoreError, Uid, Verifiers,
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
    index: &Connection,
    entry: &Entry,
    segment: u64,
    bodies_at: u64,
) -> Result<(), StoreError> {
    let to = Target {
        index,
        account: entry.account,
    };
    let mut body_at = bodies_at;
    let mut appended = Counts::default();
    let mut last = None;
    for effect in &entry.effects {
        if let Effect::Appended(message) = effect {
            if last != Some(message.mailbox) {
                to.count_appended(last, &mut appended)?;
                last = Some(message.mailbox);
            }
            to.append(message, segment, body_at)?;
            appended.add(message);
            body_at = body_at.saturating_add(message.size);
            continue;
        }
        to.count_appended(last.take(), &mut appended)?;
        match effect {
            Effect::Delivered(message) => {
                deliver(index, message, segment, body_at)?;
                body_at = body_at.saturating_add(message.size);
            }
            Effect::Queued(message) => {
                to.enqueue(message, segment, body_at)?;
                body_at = body_at.saturating_add(message.size);
            }
            effect => to.effect(effect)?,
        }
    }
    to.count_appended(last, &mut appended)
}

/// Brings a message to each of its accounts. All of them have the same octets.
fn deliver(
    index: &Connection,
    message: &DeliveredMessage,
    segment: u64,
    body_at: u64,
) -> Result<(), StoreError> {
    for one in &message.to {
        let to = Target {
            index,
            account: one.account,
        };
        let appended = message.of(one);
        let mut counts = Counts::default();
        to.append(&appended, segment, body_at)?;
        counts.add(&appended);
        to.count_appended(Some(appended.mailbox), &mut counts)?;
        to.remember_delivery(message, one)?;
    }
    Ok(())
}

/// What a run of appended messages adds to their mailbox, so that it is changed once.
#[derive(Debug, Default)]
struct Counts {
    messages: u32,
    unseen: u32,
    deleted: u32,
    size: u64,
    uid: u32,
    modseq: u64,
    content: u64,
}

impl Counts {
    fn add(&mut self, message: &AppendedMessage) {
        self.messages += 1;
        self.unseen += is_unseen(&message.flags);
        self.deleted += is_deleted(&message.flags);
        self.size = self.size.saturating_add(message.size);
        self.uid = self.uid.max(message.uid.0.get());
        self.modseq = self.modseq.max(message.modseq.0);
        self.content = self.content.max(message.content.0);
    }
}

fn is_unseen(flags: &Flags) -> u32 {
    u32::from(!flags.contains("\\Seen"))
}

fn is_deleted(flags: &Flags) -> u32 {
    u32::from(flags.contains("\\Deleted"))
}

/// The account in the index that effects go to.
struct Target<'a> {
    index: &'a Connection,
    account: AccountId,
}

/// What removing a message has to know of it.
struct Removed {
    content: i64,
    flags: String,
    size: i64,
}

impl Target<'_> {
    /// Runs a statement; answers how many rows it changed.
    fn run(&self, sql: &str, params: impl Params) -> Result<usize, StoreError> {
        self.index
            .prepare_cached(sql)
            .and_then(|mut statement| statement.execute(params))
            .map_err(|e| trouble(self.index, &e))
    }

    /// Runs a statement that has to change one row.
    fn run_on_one(&self, what: &str, sql: &str, params: impl Params) -> Result<(), StoreError> {
        match self.run(sql, params)? {
            1 => Ok(()),
            _ => Err(self.astray(what)),
        }
    }

    fn astray(&self, what: &str) -> StoreError {
        damaged(
            self.index.path().unwrap_or_default().as_ref(),
            0,
            format!(
                "{what} of account {} is in the log but not in the index; \
                 `pillarboxd store rebuild-index` makes it anew",
                self.account.0
            ),
        )
    }

    fn effect(&self, effect: &Effect) -> Result<(), StoreError> {
        match effect {
            Effect::AccountCreated {
                address,
                verifiers,
                ladder,
                created,
            } => {
                let mut standing = Encoder::default();
                put_ladder(&mut standing, ladder);
                let keys = &verifiers.scram_sha256;
                self.run_on_one(
                    "an account",
                    "INSERT INTO account VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, NULL, ?9, 0, 0, 0)",
                    (
                        self.account.0,
                        address,
                        &verifiers.argon2id,
                        &keys.salt,
                        keys.iterations,
                        keys.stored_key,
                        keys.server_key,
                        standing.finish(),
                        created.0,
                    ),
                )?;
                self.run_on_one(
                    "the shard",
                    "UPDATE shard SET last_account = max(last_account, ?1)",
                    [self.account.0],
                )
            }
            Effect::VerifiersSet(verifiers) => self.set_verifiers(verifiers),
            Effect::LadderSet(ladder) => {
                let mut standing = Encoder::default();
                put_ladder(&mut standing, ladder);
                self.run_on_one(
                    "the account",
                    "UPDATE account SET ladder = ?2 WHERE id = ?1",
                    (self.account.0, standing.finish()),
                )
            }
            Effect::PasswordExposed(at) => self.run_on_one(
                "the account",
                "UPDATE account SET password_exposed = ?2 WHERE id = ?1",
                (self.account.0, at.0),
            ),
            Effect::AccountDeleted => self.delete_account(),
            Effect::MailboxCreated {
                mailbox,
                name,
                uid_validity,
                modseq,
                subscribed,
                special_use,
            } => {
                self.run_on_one(
                    "a mailbox",
                    "INSERT INTO mailbox VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, 0, 0, 0, 0)",
                    (
                        self.account.0,
                        mailbox.0,
                        name,
                        uid_validity.get(),
                        signed(modseq.0),
                        subscribed,
                        special_use,
                    ),
                )?;
                self.run_on_one(
                    "the account",
                    "UPDATE account SET modseq = max(modseq, ?2), \
                     last_mailbox = max(last_mailbox, ?3), \
                     last_uid_validity = max(last_uid_validity, ?4) WHERE id = ?1",
                    (
                        self.account.0,
                        signed(modseq.0),
                        mailbox.0,
                        uid_validity.get(),
                    ),
                )?;
                self.run_on_one(
                    "the shard",
                    "UPDATE shard SET last_uid_validity = max(last_uid_validity, ?1)",
                    [uid_validity.get()],
                )
            }
            Effect::MailboxRenamed { mailbox, name } => self.run_on_one(
                "a mailbox",
                "UPDATE mailbox SET name = ?3 WHERE account = ?1 AND id = ?2",
                (self.account.0, mailbox.0, name),
            ),
            Effect::MailboxDeleted(mailbox) => self.delete_mailbox(*mailbox),
            Effect::Subscribed {
                mailbox,
                subscribed,
            } => self.run_on_one(
                "a mailbox",
                "UPDATE mailbox SET subscribed = ?3 WHERE account = ?1 AND id = ?2",
                (self.account.0, mailbox.0, subscribed),
            ),
            // `apply` does not hand on what has a body.
            Effect::Appended(_) | Effect::Delivered(_) | Effect::Queued(_) => Ok(()),
            Effect::QueueSettled { item, outcome, at } => self.settle(*item, outcome, *at),
            Effect::FlagsSet {
                mailbox,
                modseq,
                flags,
                uids,
            } => self.set_flags(*mailbox, *modseq, flags, uids),
            Effect::Expunged {
                mailbox,
                modseq,
                uids,
            } => self.expunge(*mailbox, *modseq, uids),
            Effect::Copied {
                from,
                to,
                modseq,
                uids,
            } => self.copy(*from, *to, *modseq, uids),
        }
    }

    fn enqueue(
        &self,
        message: &QueuedMessage,
        segment: u64,
        body_at: u64,
    ) -> Result<(), StoreError> {
        self.run_on_one(
            "a message of the queue",
            "INSERT INTO queue_message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL)",
            (
                message.id.0,
                &message.sender,
                &message.about,
                message.queued.0,
                signed(segment),
                signed(body_at),
                signed(message.size),
                message.crc,
                signed(message.recipients.len() as u64),
            ),
        )?;
        for (number, recipient) in message.recipients.iter().enumerate() {
            self.run_on_one(
                "an item of the queue",
                "INSERT INTO queue_item VALUES (?1, ?2, ?3, 0, ?4, ?5, '')",
                (
                    message.id.0,
                    signed(number as u64),
                    recipient,
                    WAITING,
                    message.queued.0,
                ),
            )?;
        }
        // What ended long ago is not remembered any more.
        let old = message.queued.0.saturating_sub(REMEMBERED);
        self.run(
            "DELETE FROM queue_item WHERE message IN \
             (SELECT id FROM queue_message WHERE ended < ?1)",
            [old],
        )?;
        self.run("DELETE FROM queue_message WHERE ended < ?1", [old])
            .map(|_| ())
    }

    fn settle(&self, item: ItemId, outcome: &Outcome, at: Timestamp) -> Result<(), StoreError> {
        let (state, due, why) = match outcome {
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

    fn set_verifiers(&self, verifiers: &Verifiers) -> Result<(), StoreError> {
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

    fn delete_account(&self) -> Result<(), StoreError> {
        let account = [self.account.0];
        // Contents are not shared between accounts.
        self.run(
            "DELETE FROM content WHERE id IN (SELECT content FROM message WHERE account = ?1)",
            account,
        )?;
        self.run("DELETE FROM message WHERE account = ?1", account)?;
        self.run("DELETE FROM expunged WHERE account = ?1", account)?;
        self.run("DELETE FROM keyword WHERE account = ?1", account)?;
        self.run("DELETE FROM delivery WHERE account = ?1", account)?;
        self.run("DELETE FROM mailbox WHERE account = ?1", account)?;
        let sql = "DELETE FROM account WHERE id = ?1";
        self.run_on_one("the account", sql, account)
    }

    fn append(
        &self,
        message: &AppendedMessage,
        segment: u64,
        body_at: u64,
    ) -> Result<(), StoreError> {
        self.run_on_one(
            "a content",
            "INSERT INTO content VALUES (?1, ?2, 1, ?3, ?4, ?5, ?6, ?7)",
            (
                signed(message.content.0),
                self.account.0,
                signed(segment),
                signed(body_at),
                signed(message.size),
                message.crc,
                &message.structure,
            ),
        )?;
        self.run_on_one(
            "a message",
            "INSERT INTO message VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                self.account.0,
                message.mailbox.0,
                message.uid.0.get(),
                signed(message.content.0),
                written_flags(&message.flags),
                message.internal_date.0,
                message.internal_offset,
                signed(message.size),
                signed(message.modseq.0),
            ),
        )?;
        self.remember_keywords(message.mailbox, &message.flags)
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
        let got = &to.appended;
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
                message.internal_date.0,
            ),
        )?;
        let old = message.internal_date.0.saturating_sub(REMEMBERED);
        self.run(
            "DELETE FROM delivery WHERE account = ?1 AND at < ?2",
            (self.account.0, old),
        )
        .map(|_| ())
    }

    /// Brings a run of appended messages into the counts of their mailbox, and begins the next run.
    fn count_appended(
        &self,
        mailbox: Option<MailboxId>,
        run: &mut Counts,
    ) -> Result<(), StoreError> {
        let Some(mailbox) = mailbox else {
            return Ok(());
        };
        let run = std::mem::take(run);
        self.add_to_mailbox(mailbox, &run)?;
        self.run_on_one(
            "the shard",
            "UPDATE shard SET last_content = max(last_content, ?1)",
            [signed(run.content)],
        )
    }

    fn add_to_mailbox(&self, mailbox: MailboxId, added: &Counts) -> Result<(), StoreError> {
        self.run_on_one(
            "a mailbox",
            "UPDATE mailbox SET uid_next = max(uid_next, ?3), \
             highest_modseq = max(highest_modseq, ?4), messages = messages + ?5, \
             unseen = unseen + ?6, deleted = deleted + ?7, size = size + ?8 \
             WHERE account = ?1 AND id = ?2",
            (
                self.account.0,
                mailbox.0,
                i64::from(added.uid) + 1,
                signed(added.modseq),
                added.messages,
                added.unseen,
                added.deleted,
                signed(added.size),
            ),
        )?;
        self.reach(ModSeq(added.modseq))
    }

    /// The account's modification sequence is at least this from now on.
    fn reach(&self, modseq: ModSeq) -> Result<(), StoreError> {
        self.run_on_one(
            "the account",
            "UPDATE account SET modseq = max(modseq, ?2) WHERE id = ?1",
            (self.account.0, signed(modseq.0)),
        )
    }

    fn set_flags(
        &self,
        mailbox: MailboxId,
        modseq: ModSeq,
        flags: &Flags,
        uids: &[Uid],
    ) -> Result<(), StoreError> {
        self.remember_keywords(mailbox, flags)?;
        let written = written_flags(flags);
        let (mut unseen, mut deleted) = (0_i64, 0_i64);
        for uid in uids {
            let key = (self.account.0, mailbox.0, uid.0.get());
            let before: Option<String> = self
                .index
                .prepare_cached(
                    "SELECT flags FROM message WHERE account = ?1 AND mailbox = ?2 AND uid = ?3",
                )
                .and_then(|mut query| query.query_row(key, |row| row.get(0)).optional())
                .map_err(|e| trouble(self.index, &e))?;
            let before = before.ok_or_else(|| self.astray("a message"))?;
            let before = Flags::new(before.split(' '));
            unseen += i64::from(is_unseen(flags)) - i64::from(is_unseen(&before));
            deleted += i64::from(is_deleted(flags)) - i64::from(is_deleted(&before));
            self.run_on_one(
                "a message",
                "UPDATE message SET flags = ?4, modseq = ?5 \
                 WHERE account = ?1 AND mailbox = ?2 AND uid = ?3",
                (key.0, key.1, key.2, &written, signed(modseq.0)),
            )?;
        }
        self.change_mailbox(mailbox, modseq, (0, unseen, deleted, 0))
    }

    /// Changes the counts of a mailbox: messages, unseen, deleted, size.
    fn change_mailbox(
        &self,
        mailbox: MailboxId,
        modseq: ModSeq,
        by: (i64, i64, i64, i64),
    ) -> Result<(), StoreError> {
        self.run_on_one(
            "a mailbox",
            "UPDATE mailbox SET highest_modseq = max(highest_modseq, ?3), \
             messages = messages + ?4, unseen = unseen + ?5, deleted = deleted + ?6, \
             size = size + ?7 WHERE account = ?1 AND id = ?2",
            (
                self.account.0,
                mailbox.0,
                signed(modseq.0),
                by.0,
                by.1,
                by.2,
                by.3,
            ),
        )?;
        self.reach(modseq)
    }

    fn expunge(&self, mailbox: MailboxId, modseq: ModSeq, uids: &[Uid]) -> Result<(), StoreError> {
        let mut by = (0, 0, 0, 0);
        for uid in uids {
            let key = (self.account.0, mailbox.0, uid.0.get());
            let removed = self
                .index
                .prepare_cached(
                    "DELETE FROM message WHERE account = ?1 AND mailbox = ?2 AND uid = ?3 \
                     RETURNING content, flags, size",
                )
                .and_then(|mut delete| {
                    let read = |row: &rusqlite::Row<'_>| {
                        Ok(Removed {
                            content: row.get(0)?,
                            flags: row.get(1)?,
                            size: row.get(2)?,
                        })
                    };
                    delete.query_row(key, read).optional()
                })
                .map_err(|e| trouble(self.index, &e))?
                .ok_or_else(|| self.astray("a message"))?;
            let flags = Flags::new(removed.flags.split(' '));
            by.0 -= 1;
            by.1 -= i64::from(is_unseen(&flags));
            by.2 -= i64::from(is_deleted(&flags));
            by.3 -= removed.size;
            self.release(removed.content)?;
            self.run_on_one(
                "an expunge",
                "INSERT INTO expunged VALUES (?1, ?2, ?3, ?4)",
                (key.0, key.1, signed(modseq.0), key.2),
            )?;
        }
        self.change_mailbox(mailbox, modseq, by)
    }

    /// One message less has this content; with the last it leaves the index.
    fn release(&self, content: i64) -> Result<(), StoreError> {
        let gone = self.run(
            "DELETE FROM content WHERE id = ?1 AND copies = 1",
            [content],
        )?;
        if gone == 1 {
            return Ok(());
        }
        self.run_on_one(
            "a content",
            "UPDATE content SET copies = copies - 1 WHERE id = ?1",
            [content],
        )
    }

    fn copy(
        &self,
        from: MailboxId,
        to: MailboxId,
        modseq: ModSeq,
        uids: &[(Uid, Uid)],
    ) -> Result<(), StoreError> {
        let mut added = Counts {
            modseq: modseq.0,
            ..Counts::default()
        };
        let mut seen_flags = HashSet::new();
        for (old, new) in uids {
            let (content, flags, size): (i64, String, u64) = self
                .index
                .prepare_cached(
                    "INSERT INTO message SELECT account, ?4, ?5, content, flags, internal_date, \
                     internal_offset, size, ?6 FROM message \
                     WHERE account = ?1 AND mailbox = ?2 AND uid = ?3 \
                     RETURNING content, flags, size",
                )
                .and_then(|mut insert| {
                    insert
                        .query_row(
                            (
                                self.account.0,
                                from.0,
                                old.0.get(),
                                to.0,
                                new.0.get(),
                                signed(modseq.0),
                            ),
                            |row| Ok((row.get(0)?, row.get(1)?, unsigned(row, 2)?)),
                        )
                        .optional()
                })
                .map_err(|e| trouble(self.index, &e))?
                .ok_or_else(|| self.astray("a message"))?;
            let written = flags;
            let flags = Flags::new(written.split(' ').filter(|flag| !flag.is_empty()));
            if seen_flags.insert(written) {
                self.remember_keywords(to, &flags)?;
            }
            added.messages += 1;
            added.unseen += is_unseen(&flags);
            added.deleted += is_deleted(&flags);
            added.size = added.size.saturating_add(size);
            added.uid = added.uid.max(new.0.get());
            self.run_on_one(
                "a content",
                "UPDATE content SET copies = copies + 1 WHERE id = ?1",
                [content],
            )?;
        }
        self.add_to_mailbox(to, &added)
    }

    fn delete_mailbox(&self, mailbox: MailboxId) -> Result<(), StoreError> {
        let key = (self.account.0, mailbox.0);
        let contents: Vec<i64> = self
            .index
            .prepare_cached("SELECT content FROM message WHERE account = ?1 AND mailbox = ?2")
            .and_then(|mut query| query.query_map(key, |row| row.get(0))?.collect())
            .map_err(|e| trouble(self.index, &e))?;
        for content in contents {
            self.release(content)?;
        }
        self.run(
            "DELETE FROM message WHERE account = ?1 AND mailbox = ?2",
            key,
        )?;
        self.run(
            "DELETE FROM expunged WHERE account = ?1 AND mailbox = ?2",
            key,
        )?;
        self.run(
            "DELETE FROM keyword WHERE account = ?1 AND mailbox = ?2",
            key,
        )?;
        self.run_on_one(
            "a mailbox",
            "DELETE FROM mailbox WHERE account = ?1 AND id = ?2",
            key,
        )
    }
}
