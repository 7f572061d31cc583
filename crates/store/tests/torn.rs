//! What a crash and what damage leave in the files of an embedded store, made by hand octet by octet.
//!
//! A state as after a crash between the log's sync and the index's commit is made of a log and an older
//! copy of its index. Records are found by the layout that the engine's documentation gives.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops where something is wrong"
)]

mod steps;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pillarbox_store::{AccountId, EmbeddedOptions, EmbeddedStore, MailboxId, StoreError, Stores};
use steps::{append, content, create_account, everything, mailbox, messages, octets, runtime};

const SEGMENT_HEADER: usize = 64;
const RECORD_HEADER: usize = 48;

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        shards: 1,
        segment_size: 4096,
    }
}

fn open(folder: &Path) -> Result<Stores, StoreError> {
    EmbeddedStore::open(folder, options()).map(|store| Stores::of(&Arc::new(store)))
}

fn shard(folder: &Path) -> PathBuf {
    folder.join("shard-000")
}

fn segment(folder: &Path, number: u64) -> PathBuf {
    shard(folder).join(format!("{number:010}.seg"))
}

/// A record as it stands in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    start: usize,
    end: usize,
    /// Where its padding begins.
    padding: usize,
    lsn: u64,
    batch: u64,
}

/// Reads the records of a segment by the documented layout.
fn records(octets: &[u8]) -> Vec<Record> {
    let long = |at: usize| u64::from_le_bytes(octets[at..at + 8].try_into().unwrap());
    let salt = long(32);
    let mut found = Vec::new();
    let mut at = SEGMENT_HEADER;
    while at + RECORD_HEADER <= octets.len() && long(at) == salt {
        let entry = u32::from_le_bytes(octets[at + 32..at + 36].try_into().unwrap());
        let padding = at + RECORD_HEADER + entry as usize + long(at + 24) as usize;
        let record = Record {
            start: at,
            end: padding.next_multiple_of(8),
            padding,
            lsn: long(at + 8),
            batch: long(at + 16),
        };
        at = record.end;
        found.push(record);
    }
    found
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.metadata().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn remove_index(folder: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let path = shard(folder).join(format!("index.sqlite{suffix}"));
        if path.exists() {
            std::fs::remove_file(path).unwrap();
        }
    }
}

/// Puts the index of another copy of the store in the place of this one's.
fn take_index(folder: &Path, from: &Path) {
    remove_index(folder);
    for suffix in ["", "-wal"] {
        let name = format!("index.sqlite{suffix}");
        let path = shard(from).join(&name);
        if path.exists() {
            std::fs::copy(path, shard(folder).join(name)).unwrap();
        }
    }
}

/// A closed store with messages, and what is needed to read it.
struct Written {
    place: tempfile::TempDir,
    jane: AccountId,
    inbox: MailboxId,
}

impl Written {
    /// A store whose messages were stored one after another.
    fn new(bodies: &[Vec<u8>]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let (jane, inbox) = runtime().block_on(async {
            let store = open(place.path()).unwrap();
            let jane = create_account(&store, "jane@example.org").await;
            let inbox = mailbox(&store, jane, "INBOX").await.id;
            for body in bodies {
                append(&store, jane, inbox, body).await;
            }
            store.close().await;
            (jane, inbox)
        });
        Self { place, jane, inbox }
    }

    fn folder(&self) -> &Path {
        self.place.path()
    }

    fn copy(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(self.folder(), copy.path());
        copy
    }

    fn append(&self, body: &[u8]) {
        runtime().block_on(async {
            let store = open(self.folder()).unwrap();
            append(&store, self.jane, self.inbox, body).await;
            store.close().await;
        });
    }

    /// The contents in a copy of this store, which opens, takes another message, and opens again with it.
    async fn contents(&self, folder: &Path) -> Vec<Vec<u8>> {
        let store = open(folder).unwrap();
        let found = self.read(&store).await;
        append(&store, self.jane, self.inbox, b"goes on").await;
        store.close().await;
        drop(store);
        let store = open(folder).unwrap();
        let mut again = self.read(&store).await;
        assert_eq!(again.pop().unwrap(), b"goes on");
        assert_eq!(again, found);
        store.close().await;
        found
    }

    async fn read(&self, store: &Stores) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for message in messages(store, self.jane, self.inbox).await {
            all.push(content(store, self.jane, message.content).await.unwrap());
        }
        all
    }
}

fn bodies(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|seed| octets(21, seed)).collect()
}

/// What becomes of the end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tear {
    /// The file ends here.
    Cut,
    /// From here on nothing was written.
    Unwritten,
    /// Another octet stands here.
    Overwritten,
    /// Only from here on something was written.
    Headless,
}

#[test]
fn a_last_record_torn_anywhere_is_cut_and_no_other() {
    let written = Written::new(&bodies(2));
    let before = written.copy();
    written.append(&octets(21, 99));
    let whole = std::fs::read(segment(written.folder(), 1)).unwrap();
    let last = *records(&whole).last().unwrap();
    assert_eq!(
        last.lsn, 4,
        "one record made the account, three are messages"
    );
    let without = bodies(2);
    let mut with = bodies(2);
    with.push(octets(21, 99));
    let template = written.copy();
    take_index(template.path(), before.path());
    let runtime = runtime();
    // The opens take most of the time, so of the middle every third octet is enough for each tear, and
    // the three together take every one.
    for (offset, tear) in [
        Tear::Cut,
        Tear::Unwritten,
        Tear::Overwritten,
        Tear::Headless,
    ]
    .into_iter()
    .enumerate()
    {
        for at in last.start..=last.end {
            let is_edge = at < last.start + 2 || at + 9 > last.end;
            if !is_edge && at % 3 != offset % 3 {
                continue;
            }
            let mut torn = whole.clone();
            match tear {
                Tear::Cut => torn.truncate(at),
                Tear::Unwritten => torn[at..].fill(0),
                Tear::Overwritten => torn[at] ^= 0xff,
                Tear::Headless => torn[last.start..at].fill(0),
            }
            let copy = tempfile::tempdir().unwrap();
            copy_folder(template.path(), copy.path());
            std::fs::write(segment(copy.path(), 1), &torn).unwrap();
            let found = runtime.block_on(written.contents(copy.path()));
            let is_whole =
                torn.get(last.start..last.padding) == whole.get(last.start..last.padding);
            if is_whole && torn.len() >= last.end {
                assert_eq!(found, with, "{tear:?} at {at} of {last:?}");
            } else {
                assert_eq!(found, without, "{tear:?} at {at} of {last:?}");
            }
        }
    }
}

#[test]
fn a_record_that_was_acknowledged_and_is_torn_is_damage() {
    let written = Written::new(&bodies(3));
    let path = segment(written.folder(), 1);
    let whole = std::fs::read(&path).unwrap();
    let last = *records(&whole).last().unwrap();
    for at in last.start..last.padding {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert_damaged(open(written.folder()).unwrap_err(), &path, last);
        assert_reported(written.folder(), &path, last);
    }
    std::fs::write(&path, &whole[..last.start]).unwrap();
    assert_damaged(open(written.folder()).unwrap_err(), &path, last);
    std::fs::write(&path, &whole).unwrap();
    let found = runtime().block_on(written.contents(written.folder()));
    assert_eq!(found, bodies(3));
}

/// Damage, in this file, at the beginning of this record.
#[track_caller]
fn assert_damaged(error: StoreError, file: &Path, record: Record) {
    match error {
        StoreError::Damaged { path, offset, .. } => {
            assert_eq!((path.as_path(), offset), (file, record.start as u64));
        }
        other => unreachable!("{other:?}"),
    }
}

/// That verifying a store tells of this record, or of its content.
#[track_caller]
fn assert_reported(folder: &Path, file: &Path, record: Record) {
    let report = EmbeddedStore::verify(folder).unwrap();
    assert!(!report.is_sound());
    let told = &report.shards[0].damage;
    let is_told = told.iter().any(|error| match error {
        StoreError::Damaged { path, offset, .. } => {
            path == file && (record.start as u64..record.end as u64).contains(offset)
        }
        _ => false,
    });
    assert!(is_told, "{record:?}: {told:?}");
}

#[test]
fn damage_in_the_middle_is_reported_and_nothing_is_skipped() {
    let written = Written::new(&bodies(4));
    let path = segment(written.folder(), 1);
    let whole = std::fs::read(&path).unwrap();
    let all = records(&whole);
    let middle = all[2];
    let before = std::fs::read(shard(written.folder()).join("index.sqlite")).unwrap();
    for at in middle.start..middle.padding {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        assert_reported(written.folder(), &path, middle);
        if at % 4 != 0 {
            continue;
        }
        // An index made anew would have to skip it.
        assert_damaged(
            EmbeddedStore::rebuild_index(written.folder()).unwrap_err(),
            &path,
            middle,
        );
        remove_index(written.folder());
        assert_damaged(open(written.folder()).unwrap_err(), &path, middle);
        // The refusal changed nothing.
        assert_eq!(std::fs::read(&path).unwrap(), damaged);
        remove_index(written.folder());
        std::fs::write(shard(written.folder()).join("index.sqlite"), &before).unwrap();
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(EmbeddedStore::verify(written.folder()).unwrap().is_sound());
    let found = runtime().block_on(written.contents(written.folder()));
    assert_eq!(found, bodies(4));
}

#[test]
fn a_damaged_end_of_a_segment_that_is_not_the_last_is_no_torn_tail() {
    let large: Vec<Vec<u8>> = (0..6).map(|seed| octets(1200, seed)).collect();
    let written = Written::new(&large);
    let path = segment(written.folder(), 1);
    assert!(segment(written.folder(), 2).exists());
    let whole = std::fs::read(&path).unwrap();
    let last = *records(&whole).last().unwrap();
    let mut damaged = whole.clone();
    damaged[last.padding - 1] ^= 1;
    for octets in [&damaged[..], &whole[..last.end - 8]] {
        std::fs::write(&path, octets).unwrap();
        assert_reported(written.folder(), &path, last);
        remove_index(written.folder());
        assert_damaged(open(written.folder()).unwrap_err(), &path, last);
    }
    // Even if it ends just before a record, the next segment knows what is missing.
    std::fs::write(&path, &whole[..last.start]).unwrap();
    remove_index(written.folder());
    let refused = open(written.folder()).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    std::fs::remove_file(&path).unwrap();
    remove_index(written.folder());
    let refused = open(written.folder()).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    std::fs::write(&path, &whole).unwrap();
    remove_index(written.folder());
    let found = runtime().block_on(written.contents(written.folder()));
    assert_eq!(found, large);
}

#[test]
fn a_batch_written_out_of_order_is_torn() {
    let written = Written::new(&bodies(2));
    let before = written.copy();
    // Until some of them were made durable together.
    let (whole, batch) = (0..50)
        .find_map(|_| {
            runtime().block_on(append_at_once(&written));
            let number = (1..)
                .find(|n| !segment(written.folder(), n + 1).exists())
                .unwrap();
            let whole = std::fs::read(segment(written.folder(), number)).unwrap();
            let all = records(&whole);
            let last = all.last()?.batch;
            let batch: Vec<Record> = all.into_iter().filter(|r| r.batch == last).collect();
            (batch.len() > 2).then_some(((number, whole), batch))
        })
        .unwrap();
    let (number, whole) = whole;
    for missing in &batch {
        let copy = written.copy();
        take_index(copy.path(), before.path());
        let mut torn = whole.clone();
        torn[missing.start..missing.end].fill(0);
        std::fs::write(segment(copy.path(), number), torn).unwrap();
        let found = runtime().block_on(written.contents(copy.path()));
        // All before it: one record made the account, every other one is a message.
        assert_eq!(found.len() as u64, missing.lsn - 2);
        assert_eq!(found[..2], bodies(2));
    }
}

async fn append_at_once(written: &Written) {
    let store = open(written.folder()).unwrap();
    let (jane, inbox) = (written.jane, written.inbox);
    let appending: Vec<_> = (0..12)
        .map(|seed| {
            let store = store.clone();
            tokio::spawn(async move { append(&store, jane, inbox, &octets(21, seed)).await })
        })
        .collect();
    for one in appending {
        one.await.unwrap();
    }
    store.close().await;
}

#[test]
fn an_index_is_made_anew_from_the_log_alone() {
    let large: Vec<Vec<u8>> = (0..9).map(|seed| octets(700, seed)).collect();
    let written = Written::new(&large);
    let folder = written.folder();
    let runtime = runtime();
    let before = runtime.block_on(async {
        let store = open(folder).unwrap();
        let gone = messages(&store, written.jane, written.inbox).await[3].uid;
        store
            .mail
            .expunge(written.jane, written.inbox, &[gone])
            .await
            .unwrap();
        store
            .mail
            .rename_mailbox(written.jane, "INBOX", "old")
            .await
            .unwrap();
        let before = everything(&store).await;
        store.close().await;
        before
    });
    let after = || {
        runtime.block_on(async {
            let store = open(folder).unwrap();
            let after = everything(&store).await;
            store.close().await;
            after
        })
    };
    let report = EmbeddedStore::rebuild_index(folder).unwrap();
    assert!(report.is_sound());
    assert_eq!(report.shards[0].contents, 9);
    assert_eq!(after(), before);
    remove_index(folder);
    EmbeddedStore::rebuild_index(folder).unwrap();
    assert!(EmbeddedStore::verify(folder).unwrap().is_sound());
    assert_eq!(after(), before);
    // Opening does the same where there is none.
    remove_index(folder);
    assert_eq!(after(), before);
    // One that is no database is told of, and made anew.
    remove_index(folder);
    std::fs::write(shard(folder).join("index.sqlite"), [7; 9000]).unwrap();
    let refused = open(folder).unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    assert!(!EmbeddedStore::verify(folder).unwrap().is_sound());
    EmbeddedStore::rebuild_index(folder).unwrap();
    assert_eq!(after(), before);
}

#[test]
fn a_store_is_had_by_one_at_a_time() {
    let written = Written::new(&bodies(1));
    let folder = written.folder();
    let in_use = StoreError::InUse {
        path: folder.to_owned(),
    };
    let store = open(folder).unwrap();
    assert_eq!(open(folder).unwrap_err(), in_use);
    assert_eq!(EmbeddedStore::verify(folder).unwrap_err(), in_use);
    assert_eq!(EmbeddedStore::rebuild_index(folder).unwrap_err(), in_use);
    drop(store);
    assert!(EmbeddedStore::verify(folder).unwrap().is_sound());
    let found = runtime().block_on(written.contents(folder));
    assert_eq!(found, bodies(1));
}
