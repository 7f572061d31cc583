//! The lists of UIDs of the mailboxes in use, kept in memory and brought up to date by the shard's writer, so
//! that all who look at a mailbox share one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::embedded::disk::held;
use crate::embedded::log::entry::{Change, Effect, Entry};
use crate::{AccountId, MailboxId, Snapshot, StoreError};

/// UIDs that a shard keeps; beyond that, lists that nobody asked for lately go. Each takes 4 octets.
const KEPT: u64 = 4 << 20;
/// UIDs that every list counts for beside its own.
const OVERHEAD: u64 = 256;

type Key = (AccountId, MailboxId);

/// The lists of one shard.
#[derive(Debug, Default)]
pub(crate) struct Snapshots(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    lists: HashMap<Key, Slot>,
    /// UIDs in `lists`, with [`OVERHEAD`].
    kept: u64,
    /// Counts the questions, to tell what was asked for lately.
    questions: u64,
}

#[derive(Debug)]
enum Slot {
    /// Being read from the index; what is stored meanwhile waits.
    Loading {
        loaders: u32,
        waiting: Vec<Change>,
    },
    Ready {
        list: Snapshot,
        asked: u64,
    },
}

impl Snapshots {
    /// The list of a mailbox. Where it is not kept, `load` reads it, from the index at a moment after this
    /// call began.
    pub(crate) async fn get(
        &self,
        key: Key,
        load: impl Future<Output = Result<Snapshot, StoreError>>,
    ) -> Result<Snapshot, StoreError> {
        let loading = match self.begin(key) {
            Ok(kept) => return Ok(kept),
            Err(loading) => loading,
        };
        let loaded = load.await?;
        Ok(loading.finish(loaded))
    }

    fn begin(&self, key: Key) -> Result<Snapshot, Loading<'_>> {
        let mut table = held(&self.0);
        table.questions += 1;
        let now = table.questions;
        match table.lists.get_mut(&key) {
            Some(Slot::Ready { list, asked }) => {
                *asked = now;
                return Ok(list.clone());
            }
            Some(Slot::Loading { loaders, .. }) => *loaders += 1,
            None => {
                let slot = Slot::Loading {
                    loaders: 1,
                    waiting: Vec::new(),
                };
                table.lists.insert(key, slot);
            }
        }
        Err(Loading {
            snapshots: self,
            key,
        })
    }

    /// Brings the lists up to date with an operation that was stored.
    pub(crate) fn note(&self, entry: &Entry) {
        let mut table = held(&self.0);
        for effect in &entry.effects {
            for change in effect.changes(entry.account) {
                table.change(change);
            }
            match effect {
                Effect::MailboxDeleted(mailbox) => table.remove(&(entry.account, *mailbox)),
                Effect::AccountDeleted => {
                    let keys: Vec<Key> = table.lists.keys().copied().collect();
                    for key in keys.iter().filter(|key| key.0 == entry.account) {
                        table.remove(key);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Somebody who reads a list from the index. Dropped unfinished, it leaves nothing behind.
struct Loading<'a> {
    snapshots: &'a Snapshots,
    key: Key,
}

impl Loading<'_> {
    /// Takes in what was stored meanwhile, and keeps the list; unless another was quicker.
    fn finish(self, mut list: Snapshot) -> Snapshot {
        let mut table = held(&self.snapshots.0);
        let asked = table.questions;
        match table.lists.get_mut(&self.key) {
            Some(Slot::Ready { list, .. }) => return list.clone(),
            // The mailbox was deleted meanwhile.
            None => return list,
            Some(Slot::Loading { waiting, .. }) => {
                for change in std::mem::take(waiting) {
                    follow(change, &mut list);
                }
            }
        }
        table.put(self.key, list.clone(), asked);
        list
    }
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        let mut table = held(&self.snapshots.0);
        if let Some(Slot::Loading { loaders, .. }) = table.lists.get_mut(&self.key) {
            *loaders -= 1;
            if *loaders == 0 {
                table.lists.remove(&self.key);
            }
        }
    }
}

/// Takes in a change; one that is in the list already does nothing.
fn follow(change: Change, snapshot: &mut Snapshot) {
    if !change.arrived.is_empty() || !change.gone.is_empty() {
        let list = Arc::make_mut(&mut snapshot.uids);
        list.extend(change.arrived);
        list.remove(&change.gone);
    }
    snapshot.modseq = snapshot.modseq.max(change.modseq);
}

impl Table {
    fn change(&mut self, change: Change) {
        let key = (change.account, change.mailbox);
        match self.lists.get_mut(&key) {
            Some(Slot::Loading { waiting, .. }) => waiting.push(change),
            Some(Slot::Ready { list, asked }) => {
                let (mut list, asked) = (list.clone(), *asked);
                follow(change, &mut list);
                self.put(key, list, asked);
            }
            None => {}
        }
    }

    fn put(&mut self, key: Key, list: Snapshot, asked: u64) {
        self.remove(&key);
        self.kept += weight(&list);
        self.lists.insert(key, Slot::Ready { list, asked });
        while self.kept > KEPT {
            let oldest = self
                .lists
                .iter()
                .filter_map(|(other, slot)| match slot {
                    Slot::Ready { asked, .. } if *other != key => Some((*asked, *other)),
                    _ => None,
                })
                .min();
            match oldest {
                Some((_, oldest)) => self.remove(&oldest),
                None => return,
            }
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(Slot::Ready { list, .. }) = self.lists.remove(key) {
            self.kept -= weight(&list);
        }
    }
}

fn weight(list: &Snapshot) -> u64 {
    u64::from(list.uids.len()) + OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::embedded::log::entry::{Copied, Expunged};
    use crate::{ModSeq, Uid, UidList};

    const KEY: Key = (AccountId(1), MailboxId(2));

    fn uid(number: u32) -> Uid {
        Uid(NonZeroU32::new(number).unwrap())
    }

    fn snapshot(last: u32, modseq: u64) -> Snapshot {
        Snapshot {
            uids: Arc::new(UidList::new((1..=last).map(uid))),
            modseq: ModSeq(modseq),
        }
    }

    fn expunged(uids: &[u32], modseq: u64) -> Entry {
        Entry {
            account: KEY.0,
            effects: vec![Effect::Expunged(Expunged {
                mailbox: KEY.1,
                modseq: ModSeq(modseq),
                uids: uids.iter().copied().map(uid).collect(),
            })],
        }
    }

    fn copied(new: u32, modseq: u64) -> Entry {
        Entry {
            account: KEY.0,
            effects: vec![Effect::Copied(Copied {
                from: MailboxId(9),
                to: KEY.1,
                modseq: ModSeq(modseq),
                uids: vec![(uid(1), uid(new))],
            })],
        }
    }

    async fn kept(snapshots: &Snapshots) -> Option<Snapshot> {
        let load = async { Err(StoreError::Closed) };
        snapshots.get(KEY, load).await.ok()
    }

    #[tokio::test]
    async fn what_is_stored_while_a_list_is_read_is_in_it() {
        let snapshots = Snapshots::default();
        let load = async {
            // Before the index is read, and after.
            snapshots.note(&expunged(&[2], 11));
            let read = snapshot(4, 11);
            snapshots.note(&copied(5, 12));
            snapshots.note(&expunged(&[4], 13));
            Ok(read)
        };
        let got = snapshots.get(KEY, load).await.unwrap();
        let expected: Vec<Uid> = [1, 3, 5].map(uid).into();
        assert_eq!(got.uids.from(0).collect::<Vec<_>>(), expected);
        assert_eq!(got.modseq, ModSeq(13));
        let again = kept(&snapshots).await.unwrap();
        assert!(Arc::ptr_eq(&again.uids, &got.uids), "all share one list");
    }

    #[tokio::test]
    async fn a_list_follows_and_those_who_hold_it_keep_theirs() {
        let snapshots = Snapshots::default();
        let old = snapshots
            .get(KEY, async { Ok(snapshot(3, 5)) })
            .await
            .unwrap();
        snapshots.note(&copied(4, 6));
        let new = kept(&snapshots).await.unwrap();
        assert_eq!((old.uids.len(), old.modseq), (3, ModSeq(5)));
        assert_eq!((new.uids.len(), new.modseq), (4, ModSeq(6)));
    }

    #[tokio::test]
    async fn a_read_that_fails_leaves_nothing() {
        let snapshots = Snapshots::default();
        assert!(kept(&snapshots).await.is_none());
        assert!(held(&snapshots.0).lists.is_empty());
    }

    #[tokio::test]
    async fn a_mailbox_that_is_gone_is_forgotten() {
        let snapshots = Snapshots::default();
        snapshots
            .get(KEY, async { Ok(snapshot(3, 5)) })
            .await
            .unwrap();
        snapshots.note(&Entry {
            account: KEY.0,
            effects: vec![Effect::MailboxDeleted(KEY.1)],
        });
        assert!(kept(&snapshots).await.is_none());
        assert_eq!(held(&snapshots.0).kept, 0);
    }

    #[tokio::test]
    async fn lists_that_nobody_asks_for_go_when_there_are_too_many() {
        let snapshots = Snapshots::default();
        let large = KEPT as u32 / 3;
        for number in 0..4 {
            let key = (AccountId(1), MailboxId(number));
            snapshots
                .get(key, async { Ok(snapshot(large, 1)) })
                .await
                .unwrap();
        }
        let table = held(&snapshots.0);
        assert!(table.kept <= KEPT);
        assert!(!table.lists.contains_key(&(AccountId(1), MailboxId(0))));
        assert!(table.lists.contains_key(&(AccountId(1), MailboxId(3))));
    }
}
