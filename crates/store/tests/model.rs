//! Operations in any order, against a model that is a few maps; with the store closed, dropped and opened
//! again in between.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is wrong"
)]

mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use pillarbox_store::{
    AccountId, EmbeddedOptions, EmbeddedStore, FlagChange, Flags, FlagsChanged, MailboxId, Message,
    ModSeq, StoreError, Stores, Uid,
};
use proptest::prelude::*;
use steps::{
    changes_since, content, create_account, mailbox, message, messages, move_all, octets, runtime,
    uid,
};

const NAMES: [&str; 5] = ["INBOX", "a", "a/b", "c", "c/a"];
const FLAGS: [&str; 4] = ["\\Seen", "\\Deleted", "x", "y"];

/// What is done; mailboxes by their place among [`NAMES`], messages by their UID, be they there or not.
#[derive(Debug, Clone)]
enum Step {
    Append(usize, Vec<(usize, u8)>),
    SetFlags(usize, Vec<u32>, u8, u8, bool),
    /// Unconditionally, or if they have `\Deleted`.
    Expunge(usize, Vec<u32>, bool),
    Copy(usize, Vec<u32>, usize),
    Move(usize, Vec<u32>, usize),
    /// A message for another one.
    Replace(usize, u32, usize, usize, u8),
    Create(usize),
    Delete(usize),
    Rename(usize, usize),
    Close,
    Drop,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let name = || 0..NAMES.len();
    let uids = || prop::collection::vec(1_u32..12, 0..5);
    let length = prop_oneof![4 => 0_usize..200, 1 => 60_000_usize..70_000];
    let one = prop_oneof![
        6 => (name(), prop::collection::vec((length, 0..16_u8), 1..4))
            .prop_map(|(to, all)| Step::Append(to, all)),
        4 => (name(), uids(), 0..3_u8, 0..16_u8, any::<bool>())
            .prop_map(|(of, uids, how, flags, old)| Step::SetFlags(of, uids, how, flags, old)),
        2 => (name(), uids(), any::<bool>()).prop_map(|(of, uids, if_deleted)| Step::Expunge(of, uids, if_deleted)),
        2 => (name(), uids(), name()).prop_map(|(of, uids, to)| Step::Copy(of, uids, to)),
        2 => (name(), uids(), name()).prop_map(|(of, uids, to)| Step::Move(of, uids, to)),
        2 => (name(), 1_u32..12, name(), 0_usize..200, 0..16_u8)
            .prop_map(|(of, old, to, length, flags)| Step::Replace(of, old, to, length, flags)),
        2 => name().prop_map(Step::Create),
        1 => name().prop_map(Step::Delete),
        2 => (name(), name()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => Just(Step::Close),
        1 => Just(Step::Drop),
    ];
    prop::collection::vec(one, 1..50)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    flags: BTreeSet<&'static str>,
    body: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Folder {
    /// Tells it from others that had its name.
    serial: u64,
    next: u32,
    kept: BTreeMap<u32, Kept>,
}

impl Folder {
    fn add(&mut self, kept: Kept) {
        self.kept.insert(self.next, kept);
        self.next += 1;
    }
}

/// What the store should be.
#[derive(Debug, Default)]
struct Model {
    folders: BTreeMap<&'static str, Folder>,
    serial: u64,
    /// What a client saw in a mailbox at some time, to find the way from there to now.
    remembered: Vec<(MailboxId, ModSeq, BTreeMap<Uid, Message>)>,
}

impl Model {
    fn new() -> Self {
        let mut model = Self::default();
        model.make("INBOX");
        model
    }

    fn make(&mut self, name: &'static str) {
        self.serial += 1;
        let folder = Folder {
            serial: self.serial,
            next: 1,
            kept: BTreeMap::new(),
        };
        self.folders.insert(name, folder);
    }

    /// Makes what is missing above a name.
    fn make_above(&mut self, name: &'static str) {
        for above in NAMES {
            if is_below(name, above) && !self.folders.contains_key(above) {
                self.make(above);
            }
        }
    }

    /// What names become when one is renamed, unless that cannot be.
    fn renamed(&self, from: &str, to: &str) -> Option<Vec<(&'static str, String)>> {
        if !self.folders.contains_key(from) || self.folders.contains_key(to) || is_below(to, from) {
            return None;
        }
        let names = self.folders.keys().copied();
        let (moving, staying): (Vec<_>, Vec<_>) =
            names.partition(|name| *name == from || is_below(name, from));
        let moved: Vec<_> = moving
            .into_iter()
            .map(|name| (name, name.replacen(from, to, 1)))
            .collect();
        let is_taken = moved.iter().any(|(_, to)| staying.contains(&to.as_str()));
        (!is_taken).then_some(moved)
    }
}

fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn flags(bits: u8) -> Vec<&'static str> {
    let bit = |number: &usize| bits >> number & 1 == 1;
    (0..FLAGS.len()).filter(bit).map(|n| FLAGS[n]).collect()
}

fn open(folder: &Path) -> Stores {
    let options = EmbeddedOptions {
        shards: 2,
        segment_size: 32 << 10,
    };
    Stores::of(&Arc::new(EmbeddedStore::open(folder, options).unwrap()))
}

fn numbers(uids: &[Uid]) -> Vec<u32> {
    uids.iter().map(|uid| uid.0.get()).collect()
}

/// A store beside its model.
struct Pair {
    store: Stores,
    jane: AccountId,
    model: Model,
    bodies: u64,
}

impl Pair {
    /// The mailbox, if the model has it; if not, the store has to say that it has not either.
    async fn id(&self, name: &str) -> Option<MailboxId> {
        match self.store.mail.mailbox(self.jane, name).await {
            Ok(mailbox) => {
                assert!(self.model.folders.contains_key(name), "{name}");
                Some(mailbox.id)
            }
            Err(StoreError::NotFound { .. }) => {
                assert!(!self.model.folders.contains_key(name), "{name}");
                None
            }
            Err(other) => unreachable!("{other:?}"),
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Append(to, all) => self.append(NAMES[to], all).await,
            Step::SetFlags(of, uids, how, bits, is_old) => {
                self.set_flags(NAMES[of], &uids, how, bits, is_old).await;
            }
            Step::Expunge(of, uids, if_deleted) => {
                self.expunge(NAMES[of], &uids, if_deleted).await;
            }
            Step::Copy(of, uids, to) => self.copy(NAMES[of], &uids, NAMES[to], false).await,
            Step::Move(of, uids, to) => self.copy(NAMES[of], &uids, NAMES[to], true).await,
            Step::Replace(of, old, to, length, bits) => {
                self.replace(NAMES[of], old, NAMES[to], length, bits).await;
            }
            Step::Create(name) => self.create(NAMES[name]).await,
            Step::Delete(name) => self.delete(NAMES[name]).await,
            Step::Rename(from, to) => self.rename(NAMES[from], NAMES[to]).await,
            Step::Close | Step::Drop => unreachable!("the caller does it"),
        }
    }

    async fn append(&mut self, to: &'static str, all: Vec<(usize, u8)>) {
        let Some(id) = self.id(to).await else { return };
        let mut batch = Vec::new();
        let folder = self.model.folders.get_mut(to).unwrap();
        let mut expected = Vec::new();
        for (length, bits) in all {
            self.bodies += 1;
            let body = octets(length, self.bodies);
            batch.push(message(&self.store, id, &flags(bits), &body).await);
            expected.push(folder.next);
            folder.add(Kept {
                flags: flags(bits).into_iter().collect(),
                body,
            });
        }
        let appended = self.store.mail.append(self.jane, batch).await.unwrap();
        let uids: Vec<Uid> = appended.iter().map(|one| one.uid).collect();
        assert_eq!(numbers(&uids), expected);
    }

    async fn set_flags(&mut self, of: &'static str, uids: &[u32], how: u8, bits: u8, is_old: bool) {
        let Some(id) = self.id(of).await else { return };
        let before: BTreeMap<u32, Message> = messages(&self.store, self.jane, id)
            .await
            .into_iter()
            .map(|message| (message.uid.0.get(), message))
            .collect();
        // The state of the message in the middle, so that some are newer than it.
        let since = before.values().nth(before.len() / 2).map(|m| m.modseq);
        let since = since.filter(|_| is_old);
        let named = Flags::new(flags(bits));
        let change = match how {
            0 => FlagChange::Replace(named),
            1 => FlagChange::Add(named),
            _ => FlagChange::Remove(named),
        };
        let wanted: Vec<Uid> = uids.iter().map(|n| uid(*n)).collect();
        let answer = self
            .store
            .mail
            .set_flags(self.jane, id, &wanted, &change, since);
        let answer = answer.await.unwrap();
        let folder = self.model.folders.get_mut(of).unwrap();
        let there: BTreeSet<u32> = uids
            .iter()
            .copied()
            .filter(|uid| folder.kept.contains_key(uid))
            .collect();
        assert_eq!(answer.len(), there.len());
        for (
            FlagsChanged {
                message,
                before: known,
            },
            uid,
        ) in answer.iter().zip(there)
        {
            assert_eq!(message.uid.0.get(), uid);
            assert_eq!(*known, before[&uid].modseq);
            let kept = folder.kept.get_mut(&uid).unwrap();
            let old = kept.flags.clone();
            if since.is_none_or(|since| before[&uid].modseq <= since) {
                let named: BTreeSet<&str> = flags(bits).into_iter().collect();
                kept.flags = match how {
                    0 => named,
                    1 => old.union(&named).copied().collect(),
                    _ => old.difference(&named).copied().collect(),
                };
            }
            let is_changed = kept.flags != old;
            assert_eq!(message.modseq > before[&uid].modseq, is_changed);
        }
    }

    async fn expunge(&mut self, of: &'static str, uids: &[u32], if_deleted: bool) {
        let Some(id) = self.id(of).await else { return };
        let wanted: Vec<Uid> = uids.iter().map(|n| uid(*n)).collect();
        let mail = &self.store.mail;
        let gone = match if_deleted {
            true => mail.expunge_deleted(self.jane, id, &wanted).await,
            false => mail.expunge(self.jane, id, &wanted).await,
        };
        let gone = gone.unwrap();
        let folder = self.model.folders.get_mut(of).unwrap();
        let expected: BTreeSet<u32> = uids
            .iter()
            .copied()
            .filter(|uid| match folder.kept.get(uid) {
                Some(kept) if if_deleted && !kept.flags.contains("\\Deleted") => false,
                _ => folder.kept.remove(uid).is_some(),
            })
            .collect();
        assert!(numbers(&gone).into_iter().eq(expected));
    }

    async fn copy(&mut self, of: &'static str, uids: &[u32], to: &'static str, is_move: bool) {
        let (Some(from), Some(into)) = (self.id(of).await, self.id(to).await) else {
            return;
        };
        let wanted: Vec<Uid> = uids.iter().map(|n| uid(*n)).collect();
        let mail = &self.store.mail;
        let pairs = if is_move {
            move_all(&self.store, self.jane, from, &wanted, into).await
        } else {
            let copied = mail.copy(self.jane, from, &wanted, into).await;
            copied.unwrap()
        };
        // What is there is settled before anything arrives: a message moved within its mailbox gets a new UID,
        // which the same operation does not mean.
        let folder = self.model.folders.get_mut(of).unwrap();
        let wanted: BTreeSet<u32> = uids.iter().copied().collect();
        let taken: Vec<_> = wanted
            .into_iter()
            .filter_map(|uid| {
                let kept = if is_move {
                    folder.kept.remove(&uid)
                } else {
                    folder.kept.get(&uid).cloned()
                };
                kept.map(|kept| (uid, kept))
            })
            .collect();
        let target = self.model.folders.get_mut(to).unwrap();
        let mut expected = Vec::new();
        for (uid, kept) in taken {
            expected.push((uid, target.next));
            target.add(kept);
        }
        let told: Vec<_> = pairs
            .iter()
            .map(|(old, new)| (old.0.get(), new.uid.0.get()))
            .collect();
        assert_eq!(told, expected);
    }

    async fn replace(
        &mut self,
        of: &'static str,
        old: u32,
        to: &'static str,
        length: usize,
        bits: u8,
    ) {
        let (Some(from), Some(into)) = (self.id(of).await, self.id(to).await) else {
            return;
        };
        self.bodies += 1;
        let body = octets(length, self.bodies);
        let new = message(&self.store, into, &flags(bits), &body).await;
        let mail = &self.store.mail;
        let replaced = mail.replace(self.jane, from, uid(old), new).await.unwrap();
        let gone = self.model.folders.get_mut(of).unwrap().kept.remove(&old);
        let told = replaced.map(|new| (new.mailbox, new.uid.0.get()));
        let target = self.model.folders.get_mut(to).unwrap();
        assert_eq!(told, gone.map(|_| (into, target.next)));
        if told.is_some() {
            let flags = flags(bits).into_iter().collect();
            target.add(Kept { flags, body });
        }
    }

    async fn create(&mut self, name: &'static str) {
        let made = self.store.mail.create_mailbox(self.jane, name).await;
        if self.model.folders.contains_key(name) {
            assert!(matches!(made, Err(StoreError::Exists { .. })), "{made:?}");
        } else {
            assert_eq!(made.unwrap().name, name);
            self.model.make_above(name);
            self.model.make(name);
        }
    }

    async fn delete(&mut self, name: &'static str) {
        let Some(_) = self.id(name).await else { return };
        let deleted = self.store.mail.delete_mailbox(self.jane, name).await;
        if name == "INBOX" {
            assert!(matches!(deleted, Err(StoreError::BadName { .. })));
        } else {
            deleted.unwrap();
            self.model.folders.remove(name);
        }
    }

    async fn rename(&mut self, from: &'static str, to: &'static str) {
        let renamed = self.store.mail.rename_mailbox(self.jane, from, to).await;
        let Some(moved) = self.model.renamed(from, to) else {
            renamed.unwrap_err();
            return;
        };
        if from == "INBOX" {
            renamed.unwrap();
            self.model.make_above(to);
            self.model.make(to);
            let inbox = self.model.folders.get_mut("INBOX").unwrap();
            let kept = std::mem::take(&mut inbox.kept);
            let target = self.model.folders.get_mut(to).unwrap();
            for one in kept.into_values() {
                target.add(one);
            }
            return;
        }
        renamed.unwrap();
        let mut moving = Vec::new();
        for (old, new) in moved {
            moving.push((new, self.model.folders.remove(old).unwrap()));
        }
        for (new, folder) in moving {
            match NAMES.iter().find(|name| **name == new) {
                Some(name) => self.model.folders.insert(name, folder),
                // Beyond the names the model has: not looked at any more.
                None => {
                    self.store
                        .mail
                        .delete_mailbox(self.jane, &new)
                        .await
                        .unwrap();
                    None
                }
            };
        }
        self.model.make_above(to);
    }

    /// Compares everything, and remembers it for a client that comes back later.
    async fn check(&mut self) {
        let mut uid_validities = BTreeMap::new();
        for name in NAMES {
            let Some(folder) = self.model.folders.get(name).cloned() else {
                assert!(self.id(name).await.is_none());
                continue;
            };
            let found = mailbox(&self.store, self.jane, name).await;
            let listed = messages(&self.store, self.jane, found.id).await;
            let mut read = BTreeMap::new();
            for message in &listed {
                let body = content(&self.store, self.jane, message.content).await;
                let body = body.unwrap();
                assert_eq!(message.size, body.len() as u64);
                let flags: Vec<_> = message.flags.iter().collect();
                read.insert(message.uid.0.get(), (flags, body));
            }
            let expected: BTreeMap<_, _> = folder
                .kept
                .iter()
                .map(|(uid, kept)| {
                    let flags = kept.flags.iter().copied().collect();
                    (*uid, (flags, kept.body.clone()))
                })
                .collect();
            assert!(read == expected, "{name}");
            let count = |flag: &str| {
                let kept = folder.kept.values();
                kept.filter(|kept| kept.flags.contains(flag)).count() as u32
            };
            assert_eq!(found.messages, folder.kept.len() as u32);
            assert_eq!(found.unseen, found.messages - count("\\Seen"));
            assert_eq!(found.deleted, count("\\Deleted"));
            let size: usize = folder.kept.values().map(|kept| kept.body.len()).sum();
            assert_eq!(found.size, size as u64);
            assert_eq!(found.uid_next.get(), folder.next);
            // One made later has the higher number, whatever they are called now.
            uid_validities.insert(folder.serial, found.uid_validity);
            let seen = listed.into_iter().map(|m| (m.uid, m)).collect();
            let state = (found.id, found.highest_modseq, seen);
            self.model.remembered.push(state);
        }
        assert!(uid_validities.values().is_sorted_by(|a, b| a < b));
    }

    /// Whoever was away finds its way from any state it remembers by the changes since.
    async fn check_changes(&self) {
        for (id, modseq, seen) in &self.model.remembered {
            let changes = changes_since(&self.store, self.jane, *id, *modseq).await;
            let changes = match changes {
                Ok(changes) => changes,
                // Deleted meanwhile.
                Err(StoreError::NotFound { .. }) => continue,
                Err(other) => unreachable!("{other:?}"),
            };
            let mut seen = seen.clone();
            for message in changes.changed {
                seen.insert(message.uid, message);
            }
            for uid in changes.expunged {
                seen.remove(&uid);
            }
            let now = messages(&self.store, self.jane, *id).await;
            assert_eq!(seen.into_values().collect::<Vec<_>>(), now);
        }
    }
}

async fn run(steps: Vec<Step>) {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let jane = create_account(&store, "jane@example.org").await;
    let mut pair = Pair {
        store,
        jane,
        model: Model::new(),
        bodies: 0,
    };
    for step in steps {
        match step {
            Step::Close | Step::Drop => {
                pair.check().await;
                if matches!(step, Step::Close) {
                    pair.store.close().await;
                }
                drop(pair.store);
                pair.store = open(place.path());
                pair.check().await;
            }
            step => pair.take(step).await,
        }
    }
    pair.check().await;
    pair.check_changes().await;
    pair.store.close().await;
    drop(pair.store);
    let report = EmbeddedStore::verify(place.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    EmbeddedStore::rebuild_index(place.path()).unwrap();
    pair.store = open(place.path());
    pair.check().await;
    pair.check_changes().await;
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]
    #[test]
    fn the_store_is_what_its_model_says(steps in steps()) {
        runtime().block_on(run(steps));
    }
}
