//! Which addresses there are, over all shards, in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use crate::embedded::disk::held;
use crate::embedded::index::trouble;
use crate::embedded::log::entry::{Effect, Entry};
use crate::embedded::names;
use crate::{AccountId, StoreError};

/// Accounts by address, and the numbers that have to ascend over all shards.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    known: Mutex<Known>,
    last_account: AtomicI64,
    last_uid_validity: AtomicU32,
}

#[derive(Debug, Default)]
struct Known {
    /// By the key of the address.
    accounts: BTreeMap<String, AccountId>,
    keys: HashMap<AccountId, String>,
    reserved: HashSet<String>,
}

/// An address that nobody else gets while this is held.
#[derive(Debug)]
pub(crate) struct Reservation {
    directory: Arc<Directory>,
    key: String,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        held(&self.directory.known).reserved.remove(&self.key);
    }
}

impl Directory {
    /// Learns what is in a shard's index.
    pub(crate) fn load(&self, index: &Connection) -> Result<(), StoreError> {
        let fail = |e| trouble(index, &e);
        let (account, uid_validity): (i64, u32) = index
            .query_row(
                "SELECT last_account, last_uid_validity FROM shard",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .map_err(fail)?;
        self.last_account.fetch_max(account, Ordering::Relaxed);
        self.last_uid_validity
            .fetch_max(uid_validity, Ordering::Relaxed);
        let mut accounts = index
            .prepare("SELECT address, id FROM account")
            .map_err(fail)?;
        let rows = accounts
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(fail)?;
        let mut known = held(&self.known);
        for row in rows {
            let (address, id): (String, i64) = row.map_err(fail)?;
            known.add(&address, AccountId(id));
        }
        Ok(())
    }

    /// The account with this address, without regard to ASCII case.
    pub(crate) fn find(&self, address: &str) -> Option<AccountId> {
        let key = names::key(address);
        held(&self.known).accounts.get(&key).copied()
    }

    /// At most `limit` accounts with their keys, by key: the first ones, or those behind a key.
    pub(crate) fn after(&self, key: Option<&str>, limit: usize) -> Vec<(String, AccountId)> {
        let from = key.map_or(Bound::Unbounded, Bound::Excluded);
        held(&self.known)
            .accounts
            .range::<str, _>((from, Bound::Unbounded))
            .take(limit)
            .map(|(key, id)| (key.clone(), *id))
            .collect()
    }

    /// Takes an address, given by its key, for an account about to be made.
    pub(crate) fn reserve(self: &Arc<Self>, key: String) -> Result<Reservation, StoreError> {
        let mut known = held(&self.known);
        if known.accounts.contains_key(&key) || !known.reserved.insert(key.clone()) {
            return Err(StoreError::exists(format!("the account {key}")));
        }
        drop(known);
        Ok(Reservation {
            directory: Arc::clone(self),
            key,
        })
    }

    /// An identity that no account has, had or will be given again.
    pub(crate) fn next_account(&self) -> AccountId {
        AccountId(self.last_account.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The highest UIDVALIDITY that any mailbox of any account ever had.
    pub(crate) fn last_uid_validity(&self) -> u32 {
        self.last_uid_validity.load(Ordering::Relaxed)
    }

    /// Learns what was stored.
    pub(crate) fn note(&self, entry: &Entry) {
        for effect in &entry.effects {
            match effect {
                Effect::AccountCreated(account, _) => {
                    held(&self.known).add(&account.address, entry.account);
                }
                Effect::AccountDeleted => held(&self.known).remove(entry.account),
                Effect::MailboxCreated(mailbox) => {
                    let uid_validity = mailbox.uid_validity.get();
                    self.last_uid_validity
                        .fetch_max(uid_validity, Ordering::Relaxed);
                }
                _ => {}
            }
        }
    }
}

impl Known {
    fn add(&mut self, address: &str, id: AccountId) {
        let key = names::key(address);
        self.keys.insert(id, key.clone());
        self.accounts.insert(key, id);
    }

    fn remove(&mut self, id: AccountId) {
        if let Some(key) = self.keys.remove(&id) {
            self.accounts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_reserved_until_the_reservation_is_dropped() {
        let directory = Arc::new(Directory::default());
        let reservation = directory.reserve("a@b".to_owned()).unwrap();
        assert_eq!(
            directory.reserve("a@b".to_owned()).unwrap_err(),
            StoreError::Exists {
                what: "the account a@b".to_owned()
            }
        );
        drop(reservation);
        assert!(directory.reserve("a@b".to_owned()).is_ok());
    }

    #[test]
    fn a_deleted_account_frees_its_address() {
        let directory = Directory::default();
        held(&directory.known).add("A@b", AccountId(3));
        assert_eq!(directory.find("a@B"), Some(AccountId(3)));
        directory.note(&Entry {
            account: AccountId(3),
            effects: vec![Effect::AccountDeleted],
        });
        assert_eq!(directory.find("a@b"), None);
    }
}
