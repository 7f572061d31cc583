//! What the index answers. Nothing here changes it.

use std::num::NonZeroU32;
use std::sync::Arc;

use pillarbox_policy::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;

use super::{Index, signed, unsigned};
use crate::embedded::disk::codec;
use crate::embedded::log::body::Place;
use crate::embedded::names;
use crate::{
    Account, AccountId, Appended, Changes, ContentId, DeliveryId, Flags, Mailbox, MailboxId,
    Message, ModSeq, ScramKeys, Snapshot, StoreError, Uid, UidList, UidRange, Verifiers,
};

/// The numbers that ascend in an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) modseq: u64,
    pub(crate) last_mailbox: i64,
    pub(crate) last_uid_validity: u32,
}

const ACCOUNT: &str = "SELECT id, address, argon2id, salt, iterations, stored_key, server_key, \
     ladder, password_exposed, created FROM account";
const MAILBOX: &str = "SELECT id, name, uid_validity, uid_next, highest_modseq, subscribed, \
     special_use, messages, unseen, deleted, size FROM mailbox";
const MESSAGE: &str =
    "SELECT uid, content, flags, internal_date, internal_offset, size, modseq FROM message";

/// The modification sequence of a changed message by its place behind `since`.
const NTH_CHANGE: &str = "SELECT modseq FROM message WHERE account = ?1 AND mailbox = ?2 \
     AND modseq > ?3 ORDER BY modseq LIMIT 1 OFFSET ?4";
const CHANGED: &str = "WHERE account = ?1 AND mailbox = ?2 AND modseq > ?3 AND modseq <= ?4 \
     ORDER BY modseq, uid";
const EXPUNGED: &str = "SELECT uid FROM expunged WHERE account = ?1 AND mailbox = ?2 \
     AND modseq > ?3 AND modseq <= ?4";
const FIRST_UNSEEN: &str = "SELECT uid FROM message INDEXED BY message_unseen WHERE account = ?1 AND mailbox = ?2 \
     AND instr(' ' || lower(flags) || ' ', ' \\seen ') = 0 ORDER BY uid LIMIT 1";
const MARKED_DELETED: &str = "SELECT uid FROM message INDEXED BY message_deleted WHERE account = ?1 AND mailbox = ?2 \
     AND instr(' ' || lower(flags) || ' ', ' \\deleted ') > 0 ORDER BY uid";

pub(crate) fn no_content() -> StoreError {
    StoreError::not_found("the message")
}

impl Index<'_> {
    /// The account, if there is one.
    pub(crate) fn account(&self) -> Result<Option<Account>, StoreError> {
        let sql = format!("{ACCOUNT} WHERE id = ?1");
        self.one(&sql, [self.account.0], read_account)
    }

    /// The numbers that ascend in the account; an error if there is no such account.
    pub(crate) fn counters(&self) -> Result<Counters, StoreError> {
        let sql = "SELECT modseq, last_mailbox, last_uid_validity FROM account WHERE id = ?1";
        let found = self.one(sql, [self.account.0], |row| {
            Ok(Counters {
                modseq: unsigned(row, 0)?,
                last_mailbox: row.get(1)?,
                last_uid_validity: row.get(2)?,
            })
        })?;
        found.ok_or_else(|| StoreError::not_found("the account"))
    }

    /// The modification sequence of the account's next change.
    pub(crate) fn next_modseq(&self) -> Result<ModSeq, StoreError> {
        Ok(ModSeq(self.counters()?.modseq + 1))
    }

    /// The last number that any content of the shard was given.
    pub(crate) fn last_content(&self) -> Result<u64, StoreError> {
        let sql = "SELECT last_content FROM shard";
        Ok(self.one(sql, [], |row| unsigned(row, 0))?.unwrap_or(0))
    }

    /// Every mailbox of the account, by name, without those that are on their way out.
    pub(crate) fn mailboxes(&self) -> Result<Vec<Mailbox>, StoreError> {
        self.counters()?;
        let sql = format!("{MAILBOX} WHERE account = ?1 AND name >= ' ' ORDER BY name");
        self.all(&sql, [self.account.0], read_mailbox)
    }

    /// The mailboxes of all accounts that have lost their names and are not deleted yet.
    pub(crate) fn nameless_mailboxes(&self) -> Result<Vec<(AccountId, MailboxId)>, StoreError> {
        let sql = "SELECT account, id FROM mailbox WHERE name < ' '";
        self.all(sql, [], |row| {
            Ok((AccountId(row.get(0)?), MailboxId(row.get(1)?)))
        })
    }

    /// A mailbox by its name as it is stored.
    pub(crate) fn stored_as(&self, name: &str) -> Result<Option<Mailbox>, StoreError> {
        let sql = format!("{MAILBOX} WHERE account = ?1 AND name = ?2");
        self.one(&sql, (self.account.0, name), read_mailbox)
    }

    /// A mailbox by the name a user gives it.
    pub(crate) fn named(&self, name: &str) -> Result<Mailbox, StoreError> {
        match self.stored_as(&names::spelled(name))? {
            Some(mailbox) => Ok(mailbox),
            None => {
                self.counters()?;
                let what = format!("the mailbox \"{name}\"");
                Err(StoreError::not_found(what))
            }
        }
    }

    /// A mailbox by its identity.
    pub(crate) fn mailbox(&self, mailbox: MailboxId) -> Result<Mailbox, StoreError> {
        let sql = format!("{MAILBOX} WHERE account = ?1 AND id = ?2");
        match self.one(&sql, (self.account.0, mailbox.0), read_mailbox)? {
            Some(mailbox) => Ok(mailbox),
            None => {
                self.counters()?;
                Err(StoreError::not_found("the mailbox"))
            }
        }
    }

    /// Messages whose UIDs lie in any of the ranges, by UID, each once.
    pub(crate) fn messages_in(
        &self,
        mailbox: MailboxId,
        ranges: &[UidRange],
    ) -> Result<Vec<Message>, StoreError> {
        self.mailbox(mailbox)?;
        let sql = format!(
            "{MESSAGE} WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 ORDER BY uid"
        );
        let mut messages = Vec::new();
        for (from, to) in merged(ranges) {
            let within = (self.account.0, mailbox.0, from, to);
            messages.extend(self.all(&sql, within, read_message)?);
        }
        Ok(messages)
    }

    /// One message.
    pub(crate) fn message(
        &self,
        mailbox: MailboxId,
        uid: Uid,
    ) -> Result<Option<Message>, StoreError> {
        let sql = format!("{MESSAGE} WHERE account = ?1 AND mailbox = ?2 AND uid = ?3");
        let key = (self.account.0, mailbox.0, uid.0.get());
        self.one(&sql, key, read_message)
    }

    /// What protocols remembered about a content's structure.
    pub(crate) fn structure(&self, content: ContentId) -> Result<Vec<u8>, StoreError> {
        let sql = "SELECT structure FROM content WHERE id = ?1 AND account = ?2";
        let found = self.one(sql, (signed(content.0), self.account.0), |row| row.get(0))?;
        found.ok_or_else(no_content)
    }

    /// Where a content stands.
    pub(crate) fn content(&self, content: ContentId) -> Result<Place, StoreError> {
        let sql = "SELECT segment, offset, size, crc FROM content WHERE id = ?1 AND account = ?2";
        let found = self.one(sql, (signed(content.0), self.account.0), read_place)?;
        found.ok_or_else(no_content)
    }

    /// What changed in a mailbox after `since`, up to the modification sequence of the `limit`th changed
    /// message.
    pub(crate) fn changes_since(
        &self,
        mailbox: MailboxId,
        since: ModSeq,
        limit: u32,
    ) -> Result<Changes, StoreError> {
        let highest = self.mailbox(mailbox)?.highest_modseq;
        let (account, mailbox, since) = (self.account.0, mailbox.0, signed(since.0));
        let nth = (account, mailbox, since, limit.saturating_sub(1));
        let last = self.one(NTH_CHANGE, nth, |row| unsigned(row, 0).map(ModSeq))?;
        let upto = last.unwrap_or(highest);
        let within = (account, mailbox, since, signed(upto.0));
        let mut expunged = self.all(EXPUNGED, within, |row| read_uid(row, 0))?;
        expunged.sort_unstable();
        Ok(Changes {
            changed: self.all(&format!("{MESSAGE} {CHANGED}"), within, read_message)?,
            expunged,
            upto,
        })
    }

    /// The UIDs of a mailbox and how far they are.
    pub(crate) fn snapshot(&self, mailbox: MailboxId) -> Result<Snapshot, StoreError> {
        let modseq = self.mailbox(mailbox)?.highest_modseq;
        let sql = "SELECT uid FROM message WHERE account = ?1 AND mailbox = ?2 ORDER BY uid";
        let uids = self.all(sql, (self.account.0, mailbox.0), |row| read_uid(row, 0))?;
        let uids = Arc::new(UidList::new(uids));
        Ok(Snapshot { uids, modseq })
    }

    /// The first message of a mailbox without the flag `\Seen`. The condition is that of the index
    /// `message_unseen`.
    pub(crate) fn first_unseen(&self, mailbox: MailboxId) -> Result<Option<Uid>, StoreError> {
        let key = (self.account.0, mailbox.0);
        self.one(FIRST_UNSEEN, key, |row| read_uid(row, 0))
    }

    /// The messages of a mailbox that have the flag `\Deleted`. The condition is that of the index
    /// `message_deleted`.
    pub(crate) fn marked_deleted(&self, mailbox: MailboxId) -> Result<Vec<Uid>, StoreError> {
        self.mailbox(mailbox)?;
        let key = (self.account.0, mailbox.0);
        self.all(MARKED_DELETED, key, |row| read_uid(row, 0))
    }

    /// Keywords that a mailbox has seen.
    pub(crate) fn keywords(&self, mailbox: MailboxId) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT flag FROM keyword WHERE account = ?1 AND mailbox = ?2 ORDER BY flag";
        self.all(sql, (self.account.0, mailbox.0), |row| row.get(0))
    }

    /// What the account got from a delivery before.
    pub(crate) fn delivered(&self, delivery: DeliveryId) -> Result<Option<Appended>, StoreError> {
        let sql = "SELECT mailbox, uid_validity, uid, content, modseq FROM delivery \
                   WHERE account = ?1 AND id = ?2";
        self.one(sql, (self.account.0, delivery.0), |row| {
            Ok(Appended {
                mailbox: MailboxId(row.get(0)?),
                uid_validity: read_nonzero(row, 1)?,
                uid: read_uid(row, 2)?,
                content: ContentId(unsigned(row, 3)?),
                modseq: ModSeq(unsigned(row, 4)?),
            })
        })
    }
}

/// Ranges in order that neither overlap nor touch; the ends of each in either order.
fn merged(ranges: &[UidRange]) -> Vec<(u32, u32)> {
    let mut ordered: Vec<(u32, u32)> = ranges
        .iter()
        .map(|range| (range.from.0.get(), range.to.0.get()))
        .map(|(a, b)| (a.min(b), a.max(b)))
        .collect();
    ordered.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (from, to) in ordered {
        match merged.last_mut() {
            Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// The flags of a message as the index keeps them.
pub(crate) fn written_flags(flags: &Flags) -> String {
    flags.iter().collect::<Vec<_>>().join(" ")
}

/// Reads what [`written_flags`] wrote.
pub(crate) fn read_flags(row: &Row<'_>, column: usize) -> rusqlite::Result<Flags> {
    let written = row.get_ref(column)?.as_str()?;
    Ok(Flags::new(
        written.split(' ').filter(|flag| !flag.is_empty()),
    ))
}

fn read_uid(row: &Row<'_>, column: usize) -> rusqlite::Result<Uid> {
    read_nonzero(row, column).map(Uid)
}

/// Where a content stands: the columns `segment, offset, size, crc`.
pub(crate) fn read_place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        segment: unsigned(row, 0)?,
        offset: unsigned(row, 1)?,
        size: unsigned(row, 2)?,
        crc: row.get(3)?,
    })
}

fn read_nonzero(row: &Row<'_>, column: usize) -> rusqlite::Result<NonZeroU32> {
    let number: u32 = row.get(column)?;
    NonZeroU32::new(number).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, 0))
}

fn read_account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let ladder = codec::read(row.get_ref(7)?.as_blob()?).map_err(|malformed| {
        rusqlite::Error::FromSqlConversionFailure(7, Type::Blob, malformed.0.into())
    })?;
    Ok(Account {
        id: AccountId(row.get(0)?),
        address: row.get(1)?,
        verifiers: Verifiers {
            argon2id: row.get(2)?,
            scram_sha256: ScramKeys {
                salt: row.get(3)?,
                iterations: row.get(4)?,
                stored_key: row.get(5)?,
                server_key: row.get(6)?,
            },
        },
        ladder,
        password_exposed: row.get::<_, Option<i64>>(8)?.map(Timestamp),
        created: Timestamp(row.get(9)?),
    })
}

fn read_mailbox(row: &Row<'_>) -> rusqlite::Result<Mailbox> {
    Ok(Mailbox {
        id: MailboxId(row.get(0)?),
        name: row.get(1)?,
        uid_validity: read_nonzero(row, 2)?,
        uid_next: read_nonzero(row, 3)?,
        highest_modseq: ModSeq(unsigned(row, 4)?),
        subscribed: row.get(5)?,
        special_use: row.get(6)?,
        messages: row.get(7)?,
        unseen: row.get(8)?,
        deleted: row.get(9)?,
        size: unsigned(row, 10)?,
    })
}

fn read_message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        uid: read_uid(row, 0)?,
        content: ContentId(unsigned(row, 1)?),
        flags: read_flags(row, 2)?,
        internal_date: Timestamp(row.get(3)?),
        internal_offset: row.get(4)?,
        size: unsigned(row, 5)?,
        modseq: ModSeq(unsigned(row, 6)?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(from: u32, to: u32) -> UidRange {
        let uid = |n| Uid(NonZeroU32::new(n).unwrap());
        UidRange {
            from: uid(from),
            to: uid(to),
        }
    }

    /// What sessions ask for again and again goes by an index: nothing is scanned, and nothing sorted.
    #[test]
    fn no_question_of_a_session_reads_a_whole_mailbox() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("i");
        let index =
            crate::embedded::index::open(&path, crate::embedded::index::IndexSync::Replayed);
        let index = index.unwrap();
        let changed = format!("{MESSAGE} {CHANGED}");
        for (sql, by) in [
            (
                NTH_CHANGE,
                "INDEX message_by_modseq (account=? AND mailbox=? AND modseq>?)",
            ),
            (
                &changed,
                "INDEX message_by_modseq (account=? AND mailbox=? AND modseq>?",
            ),
            (
                EXPUNGED,
                "PRIMARY KEY (account=? AND mailbox=? AND modseq>?",
            ),
            (
                FIRST_UNSEEN,
                "INDEX message_unseen (account=? AND mailbox=?)",
            ),
            (
                MARKED_DELETED,
                "INDEX message_deleted (account=? AND mailbox=?)",
            ),
        ] {
            let sql = format!("EXPLAIN QUERY PLAN {sql}");
            let mut question = index.prepare(&sql).unwrap();
            let steps = question.raw_query().mapped(|row| row.get::<_, String>(3));
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            let [step] = steps.as_slice() else {
                panic!("{sql}: {steps:?}");
            };
            assert!(
                step.starts_with("SEARCH") && step.contains(by),
                "{sql}: {step}"
            );
        }
    }

    #[test]
    fn ranges_are_merged() {
        let ranges = [range(7, 9), range(1, 3), range(4, 4), range(9, 8)];
        assert_eq!(merged(&ranges), [(1, 4), (7, 9)]);
        assert_eq!(merged(&[UidRange::ALL, range(5, 5)]), [(1, u32::MAX)]);
    }

    #[test]
    fn flags_are_read_as_they_were_written() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        for flags in [vec![], vec!["\\Seen"], vec!["\\Seen", "$Forwarded", "x"]] {
            let flags = Flags::new(flags);
            let row = [written_flags(&flags)];
            let read = database.query_row("SELECT ?1", row, |row| read_flags(row, 0));
            assert_eq!(read, Ok(flags));
        }
    }

    proptest! {
        #[test]
        fn merging_changes_no_membership(
            ranges in prop::collection::vec((1_u32..40, 1_u32..40), 0..8),
            uid in 1_u32..40,
        ) {
            let ranges: Vec<_> = ranges.into_iter().map(|(a, b)| range(a, b)).collect();
            let within = |(from, to): (u32, u32)| (from..=to).contains(&uid);
            let before = ranges.iter().any(|r| {
                let (a, b) = (r.from.0.get(), r.to.0.get());
                within((a.min(b), a.max(b)))
            });
            let merged = merged(&ranges);
            prop_assert_eq!(merged.iter().filter(|r| within(**r)).count(), usize::from(before));
        }
    }
}
