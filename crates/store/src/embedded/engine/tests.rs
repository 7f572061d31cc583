//! The engine as a whole, against its own files: what a crash or damage leaves, and what opening makes of it.

use std::num::NonZeroU32;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use pillarbox_policy::{Ladder, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::embedded::index::{self, IndexSync};
use crate::{
    Accounts, Appended, DeliveryId, FlagChange, Flags, Mail, Mailbox, Message, ModSeq, NewAccount,
    NewDelivery, NewMessage, Recipient, ScramKeys, Uid, UidRange, Verifiers,
};

const NOW: Timestamp = Timestamp(1_800_000_000);

fn options() -> EmbeddedOptions {
    EmbeddedOptions {
        shards: 2,
        segment_size: SMALLEST_SEGMENT,
    }
}

fn open(path: &Path) -> EmbeddedStore {
    EmbeddedStore::open(path, options()).unwrap()
}

fn verifiers(text: &str) -> Verifiers {
    Verifiers {
        argon2id: text.to_owned(),
        scram_sha256: ScramKeys {
            salt: vec![7; 16],
            iterations: 4096,
            stored_key: [1; 32],
            server_key: [2; 32],
        },
    }
}

async fn account(store: &EmbeddedStore, address: &str) -> Result<AccountId, StoreError> {
    let new = NewAccount {
        address: address.to_owned(),
        verifiers: verifiers("$argon2id$first"),
        ladder: Ladder::new(NOW),
    };
    store.create(new, NOW).await
}

async fn message(
    store: &EmbeddedStore,
    mailbox: &Mailbox,
    content: &[u8],
) -> NewMessage<Box<dyn crate::Spool>> {
    let mut spool = store.spool().await.unwrap();
    spool.write(content).await.unwrap();
    NewMessage {
        mailbox: mailbox.id,
        flags: Flags::new(["\\Seen"]),
        internal_date: NOW,
        internal_offset: -90,
        index: content.iter().take(9).copied().collect(),
        body: spool,
    }
}

async fn append(
    store: &EmbeddedStore,
    account: AccountId,
    mailbox: &str,
    content: &[u8],
) -> Result<Appended, StoreError> {
    let mailbox = store.mailbox(account, mailbox).await?;
    let message = message(store, &mailbox, content).await;
    let appended = store.append(account, vec![message]).await?;
    Ok(appended[0])
}

async fn content(store: &EmbeddedStore, account: AccountId, appended: &Appended) -> Vec<u8> {
    let body = store.body(account, appended.content).await.unwrap();
    let all = body.read_at(0, usize::MAX).await.unwrap();
    assert_eq!(all.len() as u64, body.len());
    all
}

/// Everything that can be seen of an account's mail, after checking that its counts are right.
async fn seen(
    store: &EmbeddedStore,
    account: AccountId,
) -> Vec<(Mailbox, Vec<Message>, crate::Changes)> {
    let mut all = Vec::new();
    for mailbox in store.mailboxes(account).await.unwrap() {
        let messages = store
            .messages(account, mailbox.id, &[UidRange::ALL])
            .await
            .unwrap();
        let mut changes = store
            .changes_since(account, mailbox.id, ModSeq(0), u32::MAX)
            .await
            .unwrap();
        changes.changed.sort_by_key(|message| message.uid);
        assert_eq!(changes.changed, messages);
        assert_eq!(changes.upto, mailbox.highest_modseq);
        let snapshot = store.snapshot(account, mailbox.id).await.unwrap();
        let uids = messages.iter().map(|message| message.uid);
        assert!(snapshot.uids.from(0).eq(uids));
        assert_eq!(snapshot.modseq, mailbox.highest_modseq);
        let with = |flag: &str| messages.iter().filter(|m| m.flags.contains(flag)).count();
        assert_eq!(mailbox.messages as usize, messages.len());
        assert_eq!(mailbox.unseen as usize, messages.len() - with("\\Seen"));
        assert_eq!(mailbox.deleted as usize, with("\\Deleted"));
        assert_eq!(mailbox.size, messages.iter().map(|m| m.size).sum::<u64>());
        for message in &messages {
            assert!(message.uid.0 < mailbox.uid_next);
            assert!(message.modseq <= mailbox.highest_modseq);
        }
        all.push((mailbox, messages, changes));
    }
    all
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect();
    all.sort();
    all
}

/// A store with one account in shard 1 and `count` messages of 500 octets in its `INBOX`.
async fn filled(path: &Path, count: usize) -> (AccountId, Vec<Appended>) {
    let store = open(path);
    let id = account(&store, "jane@example.org").await.unwrap();
    assert_eq!(id, AccountId(1));
    let mut all = Vec::new();
    for number in 0..count {
        let content = vec![number as u8 + 1; 500];
        all.push(append(&store, id, "INBOX", &content).await.unwrap());
    }
    store.close().await;
    (id, all)
}

fn index_at(path: &Path) -> rusqlite::Connection {
    index::open(path, IndexSync::EveryCommit).unwrap()
}

fn remove_index(shard: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(shard.join(format!("index.sqlite{suffix}")));
    }
}

#[tokio::test]
async fn an_account_made_again_has_higher_uid_validities_and_another_identity() {
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let first = account(&store, "a@b").await.unwrap();
    let before = store.create_mailbox(first, "x/y").await.unwrap();
    store.delete(first).await.unwrap();
    assert!(store.find("a@b").await.unwrap().is_none());
    store.close().await;
    drop(store);
    let store = open(place.path());
    let second = account(&store, "a@b").await.unwrap();
    assert!(second > first);
    let inbox = store.mailbox(second, "inbox").await.unwrap();
    assert!(inbox.uid_validity > before.uid_validity);
}

/// RFC 6851 section 3.3: whoever moves is told what was moved, also when the rest was not.
#[tokio::test]
async fn a_deletion_that_a_crash_interrupted_is_finished_at_the_next_start() {
    let place = tempfile::tempdir().unwrap();
    let (id, _) = filled(place.path(), 0).await;
    let store = open(place.path());
    let mailbox = store.create_mailbox(id, "big").await.unwrap();
    let mut batch = Vec::new();
    for _ in 0..3 {
        batch.push(message(&store, &mailbox, b"x").await);
    }
    store.append(id, batch).await.unwrap();
    let first_step = store
        .change(id, |index| index.delete_mailbox("big", 2))
        .await;
    assert_eq!(first_step.unwrap(), Some(mailbox.id));
    assert!(store.mailbox(id, "big").await.is_err());
    assert!(store.snapshot(id, mailbox.id).await.is_ok());
    store.close().await;
    drop(store);
    let store = open(place.path());
    // Whatever is written comes after it.
    store.create_mailbox(id, "next").await.unwrap();
    let gone = store.snapshot(id, mailbox.id).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{gone:?}");
    store.close().await;
    drop(store);
    assert!(EmbeddedStore::verify(place.path()).unwrap().is_sound());
}

#[tokio::test]
async fn a_move_that_fails_in_the_middle_answers_what_it_moved() {
    let place = tempfile::tempdir().unwrap();
    let (id, _) = filled(place.path(), 0).await;
    let store = open(place.path());
    let inbox = store.mailbox(id, "INBOX").await.unwrap();
    let mut batch = Vec::new();
    for _ in 0..1030 {
        batch.push(message(&store, &inbox, b"x").await);
    }
    let all: Vec<Uid> = store
        .append(id, batch)
        .await
        .unwrap()
        .iter()
        .map(|one| one.uid)
        .collect();
    store.close().await;
    drop(store);
    // The target has UIDs left for the first slice alone.
    let left = format!(
        "UPDATE mailbox SET uid_next = {} WHERE name = 'Trash'",
        u32::MAX - 1026
    );
    index_at(&place.path().join("shard-001/index.sqlite"))
        .execute(&left, [])
        .unwrap();
    let store = open(place.path());
    let trash = store.mailbox(id, "Trash").await.unwrap();
    let moved = store
        .move_messages(id, inbox.id, &all, trash.id)
        .await
        .unwrap();
    assert_eq!(moved.pairs.len(), 1024);
    assert!(moved.pairs.iter().map(|(old, _)| old).eq(&all[..1024]));
    assert!(
        matches!(moved.failed, Some(StoreError::TooLarge { .. })),
        "{:?}",
        moved.failed
    );
    let rest = store
        .messages(id, inbox.id, &[UidRange::ALL])
        .await
        .unwrap();
    assert!(rest.iter().map(|message| &message.uid).eq(&all[1024..]));
    // Nothing more goes, and then it is an error; a copy takes back what it had made.
    let refused = store.move_messages(id, inbox.id, &all, trash.id).await;
    assert!(
        matches!(refused, Err(StoreError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(store.mailbox(id, "Trash").await.unwrap().messages, 1024);
}

#[tokio::test]
async fn a_message_larger_than_a_segment_gets_one_of_its_size() {
    let place = tempfile::tempdir().unwrap();
    let (id, _) = filled(place.path(), 1).await;
    let store = open(place.path());
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n % 253) as u8).collect();
    let appended = append(&store, id, "INBOX", &large).await.unwrap();
    let small = append(&store, id, "INBOX", b"").await.unwrap();
    assert_eq!(content(&store, id, &appended).await, large);
    assert_eq!(content(&store, id, &small).await, b"");
    drop(store);
    assert!(EmbeddedStore::verify(place.path()).unwrap().is_sound());
    assert_eq!(content(&open(place.path()), id, &appended).await, large);
}

/// One body for each shard, however many accounts.
#[tokio::test]
async fn a_delivery_to_many_is_on_disk_once_a_shard() {
    const OCTETS: u64 = 1 << 20;
    let place = tempfile::tempdir().unwrap();
    let store = open(place.path());
    let mut recipients = Vec::new();
    for number in 0..50 {
        recipients.push(Recipient {
            account: account(&store, &format!("{number}@x")).await.unwrap(),
            mailbox: "INBOX".to_owned(),
            flags: Flags::default(),
        });
    }
    let mut body = store.spool().await.unwrap();
    body.write(&vec![7; OCTETS as usize]).await.unwrap();
    let on_disk = || -> u64 {
        let mut files = vec![place.path().to_owned()];
        let mut octets = 0;
        while let Some(path) = files.pop() {
            match std::fs::read_dir(&path) {
                Ok(entries) => files.extend(entries.map(|entry| entry.unwrap().path())),
                Err(_) => octets += std::fs::metadata(&path).unwrap().blocks() * 512,
            }
        }
        octets
    };
    let before = on_disk();
    let delivery = NewDelivery {
        id: DeliveryId([1; 16]),
        recipients: recipients.clone(),
        internal_date: NOW,
        internal_offset: 0,
        index: Vec::new(),
        body,
    };
    let answers = store.deliver(delivery).await.unwrap();
    let used = on_disk() - before;
    assert!(used < 3 * OCTETS, "{used} octets for 2 shards");
    for (recipient, answer) in recipients.iter().zip(answers) {
        let content = content(&store, recipient.account, &answer.unwrap()).await;
        assert_eq!(content.len() as u64, OCTETS);
    }
    drop(store);
    assert!(EmbeddedStore::verify(place.path()).unwrap().is_sound());
    remove_index(&place.path().join("shard-000"));
    let store = open(place.path());
    let inbox = store.mailbox(recipients[1].account, "INBOX").await.unwrap();
    assert_eq!((inbox.messages, inbox.size), (1, OCTETS));
}

#[tokio::test]
async fn an_index_of_an_earlier_version_is_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let (id, _) = filled(place.path(), 4).await;
    let store = open(place.path());
    let before = seen(&store, id).await;
    drop(store);
    let path = place.path().join("shard-001/index.sqlite");
    let index = index_at(&path);
    index.pragma_update(None, "user_version", 1).unwrap();
    drop(index);
    assert!(EmbeddedStore::verify(place.path()).unwrap().is_sound());
    assert_eq!(seen(&open(place.path()), id).await, before);
}

#[tokio::test]
async fn counts_that_are_wrong_are_found() {
    let place = tempfile::tempdir().unwrap();
    let _ = filled(place.path(), 4).await;
    let path = place.path().join("shard-001/index.sqlite");
    let index = index_at(&path);
    for wrong in ["messages", "unseen", "deleted", "size"] {
        let count = |index| verify::miscounted(index).unwrap();
        assert_eq!(count(&index), 0);
        let more = format!("UPDATE mailbox SET {wrong} = {wrong} + 1 WHERE name = 'INBOX'");
        index.execute(&more, []).unwrap();
        assert_eq!(count(&index), 1, "{wrong}");
        index.execute(&more.replace("+ 1", "- 1"), []).unwrap();
    }
}

#[tokio::test]
async fn an_index_that_is_missing_is_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let (id, _) = filled(place.path(), 40).await;
    let store = open(place.path());
    let before = seen(&store, id).await;
    drop(store);
    let shard = place.path().join("shard-001");
    assert!(segments(&shard).len() > 3);
    remove_index(&shard);
    let store = open(place.path());
    assert_eq!(seen(&store, id).await, before);
    drop(store);
    assert!(EmbeddedStore::verify(place.path()).unwrap().is_sound());
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_nothing_else_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let (id, all) = filled(place.path(), 5).await;
    let shard = place.path().join("shard-001");
    // The last message was never acknowledged: its index commit and its last octets are missing.
    remove_index(&shard);
    let last = segments(&shard).pop().unwrap();
    let octets = std::fs::read(&last).unwrap();
    let end = octets.iter().rposition(|octet| *octet != 0).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&last).unwrap();
    file.write_all_at(&[0; 100], end as u64 - 99).unwrap();
    let report = EmbeddedStore::verify(place.path()).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert!(report.shards[1].torn_tail);
    let store = open(place.path());
    let inbox = store.mailbox(id, "INBOX").await.unwrap();
    assert_eq!((inbox.messages, inbox.uid_next.get()), (4, 5));
    for (number, appended) in all.iter().take(4).enumerate() {
        assert_eq!(content(&store, id, appended).await, [number as u8 + 1; 500]);
    }
    let again = append(&store, id, "INBOX", b"again").await.unwrap();
    assert_eq!(content(&store, id, &again).await, b"again");
    drop(store);
    let report = EmbeddedStore::verify(place.path()).unwrap();
    assert!(
        report.is_sound() && !report.shards[1].torn_tail,
        "{report:?}"
    );
}

#[tokio::test]
async fn damage_before_the_tail_is_reported_and_never_skipped() {
    let place = tempfile::tempdir().unwrap();
    let (_, _) = filled(place.path(), 20).await;
    let shard = place.path().join("shard-001");
    let first = segments(&shard).remove(0);
    let octets = std::fs::read(&first).unwrap();
    // Within the content of the first message.
    let at = octets
        .windows(100)
        .position(|window| window == [1; 100])
        .unwrap();
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&first)
        .unwrap();
    file.write_all_at(b"!", at as u64 + 50).unwrap();
    let report = EmbeddedStore::verify(place.path()).unwrap();
    let damage = &report.shards[1].damage;
    assert!(
        matches!(&damage[..], [StoreError::Damaged { path, offset, .. }] if *path == first && *offset == at as u64),
        "{damage:?}"
    );
    assert!(!report.is_sound());
    let refused = EmbeddedStore::rebuild_index(place.path()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Damaged { path, .. } if *path == first),
        "{refused:?}"
    );
    remove_index(&shard);
    let report = EmbeddedStore::verify(place.path()).unwrap();
    let damage = &report.shards[1].damage;
    assert!(
        matches!(&damage[..], [StoreError::Damaged { path, .. }] if *path == first),
        "{damage:?}"
    );
    let refused = EmbeddedStore::open(place.path(), options()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Damaged { path, .. } if *path == first),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_acknowledged_record_that_is_gone_is_damage() {
    let place = tempfile::tempdir().unwrap();
    let _ = filled(place.path(), 3).await;
    let shard = place.path().join("shard-001");
    let last = segments(&shard).pop().unwrap();
    let octets = std::fs::read(&last).unwrap();
    let end = octets.iter().rposition(|octet| *octet != 0).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&last).unwrap();
    file.set_len(end as u64 - 300).unwrap();
    let refused = EmbeddedStore::open(place.path(), options()).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Damaged { path, .. } if *path == last),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_index_that_differs_from_its_log_is_found_and_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let (id, _) = filled(place.path(), 3).await;
    let path = place.path().join("shard-001/index.sqlite");
    let index = index_at(&path);
    index
        .execute("UPDATE message SET flags = '' WHERE uid = 2", [])
        .unwrap();
    drop(index);
    let report = EmbeddedStore::verify(place.path()).unwrap();
    let damage = &report.shards[1].damage;
    assert!(
        matches!(&damage[..], [StoreError::Damaged { path: found, .. }] if *found == path),
        "{damage:?}"
    );
    assert!(
        EmbeddedStore::rebuild_index(place.path())
            .unwrap()
            .is_sound()
    );
    assert!(EmbeddedStore::verify(place.path()).unwrap().is_sound());
    seen(&open(place.path()), id).await;
}

#[tokio::test]
async fn verifying_what_is_no_store_says_so() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(
        EmbeddedStore::verify(place.path()),
        Err(StoreError::NotFound {
            what: format!("a store in {}", place.path().display())
        })
    );
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Append(u8, u16),
    Flag(u8, Vec<u32>, bool),
    Expunge(u8, Vec<u32>),
    Copy(u8, Vec<u32>, u8),
    Move(u8, Vec<u32>, u8),
    Replace(u8, u32, u8),
    Create(u8),
    Rename(u8, u8),
    Delete(u8),
    Subscribe(u8, bool),
    Reopen,
    Replay,
}

const NAMES: [&str; 7] = ["INBOX", "Sent", "a", "a/b", "a/b/c", "d", "d/b"];

fn name(pick: u8) -> &'static str {
    NAMES[usize::from(pick) % NAMES.len()]
}

fn step() -> impl Strategy<Value = Step> {
    let uids = || prop::collection::vec(1_u32..12, 0..6);
    prop_oneof![
        6 => (any::<u8>(), 0_u16..3000).prop_map(|(m, size)| Step::Append(m, size)),
        3 => (any::<u8>(), uids(), any::<bool>()).prop_map(|(m, u, add)| Step::Flag(m, u, add)),
        2 => (any::<u8>(), uids()).prop_map(|(m, u)| Step::Expunge(m, u)),
        2 => (any::<u8>(), uids(), any::<u8>()).prop_map(|(m, u, to)| Step::Copy(m, u, to)),
        2 => (any::<u8>(), uids(), any::<u8>()).prop_map(|(m, u, to)| Step::Move(m, u, to)),
        2 => (any::<u8>(), 1_u32..12, any::<u8>()).prop_map(|(m, u, to)| Step::Replace(m, u, to)),
        3 => any::<u8>().prop_map(Step::Create),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => any::<u8>().prop_map(Step::Delete),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(m, on)| Step::Subscribe(m, on)),
        1 => Just(Step::Reopen),
        1 => Just(Step::Replay),
    ]
}

fn uids(numbers: &[u32]) -> Vec<Uid> {
    numbers
        .iter()
        .map(|n| Uid(NonZeroU32::new(*n).unwrap()))
        .collect()
}

/// Does one step. A step that makes no sense in this state has to be refused with one of these errors.
async fn take(store: &EmbeddedStore, id: AccountId, step: &Step) -> Result<(), StoreError> {
    match step {
        Step::Append(m, size) => {
            let octets = vec![(*size % 251) as u8; usize::from(*size)];
            append(store, id, name(*m), &octets).await?;
        }
        Step::Flag(m, numbers, add) => {
            let mailbox = store.mailbox(id, name(*m)).await?.id;
            let flags = Flags::new(["\\Deleted", "\\Seen", "$x"]);
            let change = match add {
                true => FlagChange::Add(flags),
                false => FlagChange::Remove(flags),
            };
            store
                .set_flags(id, mailbox, &uids(numbers), &change, None)
                .await?;
        }
        Step::Expunge(m, numbers) => {
            let mailbox = store.mailbox(id, name(*m)).await?.id;
            store.expunge(id, mailbox, &uids(numbers)).await?;
        }
        Step::Copy(m, numbers, to) => {
            let from = store.mailbox(id, name(*m)).await?.id;
            let to = store.mailbox(id, name(*to)).await?.id;
            store.copy(id, from, &uids(numbers), to).await?;
        }
        Step::Move(m, numbers, to) => {
            let from = store.mailbox(id, name(*m)).await?.id;
            let to = store.mailbox(id, name(*to)).await?.id;
            let moved = store.move_messages(id, from, &uids(numbers), to).await?;
            assert_eq!(moved.failed, None);
        }
        Step::Replace(m, number, to) => {
            let from = store.mailbox(id, name(*m)).await?.id;
            let to = store.mailbox(id, name(*to)).await?;
            let new = message(store, &to, b"in its place").await;
            store.replace(id, from, uids(&[*number])[0], new).await?;
        }
        Step::Create(m) => drop(store.create_mailbox(id, name(*m)).await?),
        Step::Rename(from, to) => store.rename_mailbox(id, name(*from), name(*to)).await?,
        Step::Delete(m) => store.delete_mailbox(id, name(*m)).await?,
        Step::Subscribe(m, on) => store.set_subscribed(id, name(*m), *on).await?,
        Step::Reopen | Step::Replay => {}
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever is done, the index is the one that the log makes, counts are right, and no UID, UIDVALIDITY
    /// or MODSEQ ever goes back.
    #[test]
    fn whatever_is_done_the_log_says_the_same_as_the_index(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let place = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (id, _) = filled(place.path(), 4).await;
            let mut store = open(place.path());
            let mut before = seen(&store, id).await;
            for step in &steps {
                match take(&store, id, step).await {
                    Ok(())
                    | Err(StoreError::NotFound { .. }
                        | StoreError::Exists { .. }
                        | StoreError::BadName { .. }) => {}
                    Err(other) => panic!("{step:?}: {other:?}"),
                }
                let now = seen(&store, id).await;
                for (was, _, _) in &before {
                    if let Some((is, _, _)) = now.iter().find(|(m, _, _)| m.id == was.id) {
                        assert_eq!(is.uid_validity, was.uid_validity);
                        assert!(is.uid_next >= was.uid_next);
                        assert!(is.highest_modseq >= was.highest_modseq);
                    }
                }
                for (is, _, _) in &now {
                    assert!(before.iter().all(|(was, _, _)| {
                        was.id == is.id || was.uid_validity != is.uid_validity
                    }));
                }
                before = now;
                if matches!(step, Step::Reopen | Step::Replay) {
                    store.close().await;
                    drop(store);
                    if matches!(step, Step::Replay) {
                        remove_index(&place.path().join("shard-001"));
                    }
                    store = open(place.path());
                    assert_eq!(seen(&store, id).await, before);
                }
            }
            store.close().await;
            drop(store);
            let report = EmbeddedStore::verify(place.path()).unwrap();
            assert!(report.is_sound(), "{report:?}");
            assert!(EmbeddedStore::rebuild_index(place.path()).unwrap().is_sound());
            assert_eq!(seen(&open(place.path()), id).await, before);
        });
    }
}
