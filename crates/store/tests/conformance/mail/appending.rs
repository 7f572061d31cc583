//! Bringing messages in.

use std::collections::BTreeSet;
use std::path::Path;

use pillarbox_policy::Timestamp;
use pillarbox_store::{Appended, Flags, MailboxId, NewMessage, StoreError, Stores};

use crate::steps::{append, append_with, content, mailbox, message, messages, octets, spooled};
use crate::{Place, assert_refused};

pub(crate) async fn content_of_every_size_comes_back(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let edge = 64 << 10;
    // Around where memory, buffers and segments of engines end, and far beyond.
    let mut lengths = vec![
        0,
        1,
        2,
        7,
        8,
        9,
        4095,
        4096,
        edge - 1,
        edge,
        edge + 1,
        2 * edge + 1,
    ];
    lengths.extend([
        (256 << 10) - 64,
        (256 << 10) + 1,
        (1 << 20) + 3,
        (5 << 20) + 17,
    ]);
    let mut stored = Vec::new();
    for (seed, length) in lengths.into_iter().enumerate() {
        let octets = octets(length, seed as u64);
        let appended = append(&store, jane, inbox, &octets).await;
        assert!(
            content(&store, jane, appended.content).await.unwrap() == octets,
            "{length}"
        );
        stored.push((appended, octets));
    }
    let store = place.reopen(store).await;
    let found = messages(&store, jane, inbox).await;
    assert_eq!(found.len(), stored.len());
    for (message, (appended, octets)) in found.iter().zip(&stored) {
        assert_eq!(message.uid, appended.uid);
        assert_eq!(message.size, octets.len() as u64);
        let read = content(&store, jane, message.content).await.unwrap();
        assert!(read == *octets, "{}", octets.len());
    }
}

pub(crate) async fn a_spool_can_be_read_while_it_grows(place: Place) {
    let store = place.open();
    let all = octets(200_000, 1);
    let mut spool = store.mail.spool().await.unwrap();
    assert!(spool.is_empty());
    assert!(spool.read_at(0, 10).await.unwrap().is_empty());
    for (number, piece) in all.chunks(30_000).enumerate() {
        spool.write(piece).await.unwrap();
        let end = number * 30_000 + piece.len();
        assert_eq!(spool.len(), end as u64);
        assert_eq!(spool.read_at(0, end + 9).await.unwrap(), all[..end]);
        let middle = end / 2;
        let read = spool.read_at(middle as u64, 5000).await.unwrap();
        assert_eq!(read, all[middle..(middle + 5000).min(end)]);
        assert!(spool.read_at(end as u64, 1).await.unwrap().is_empty());
    }
}

pub(crate) async fn many_go_in_together_and_in_order(place: Place) {
    let (store, jane) = place.with_jane().await;
    let inbox = mailbox(&store, jane, "INBOX").await;
    let sent = mailbox(&store, jane, "Sent").await;
    append(&store, jane, sent.id, b"before").await;
    let mut batch = Vec::new();
    for number in 0..20_u64 {
        let to = if number % 3 == 0 { sent.id } else { inbox.id };
        let length = [0, 10, 70_000][(number % 3) as usize];
        batch.push(message(&store, to, &[], &octets(length, number)).await);
    }
    let appended = store.mail.append(jane, batch).await.unwrap();
    assert_eq!(appended.len(), 20);
    let mut next = [(inbox.id, 1), (sent.id, 2)];
    for (number, one) in appended.iter().enumerate() {
        let of = usize::from(number % 3 == 0);
        assert_eq!((one.mailbox, one.uid.0.get()), next[of]);
        let validity = [inbox.uid_validity, sent.uid_validity][of];
        assert_eq!(one.uid_validity, validity);
        next[of].1 += 1;
        let length = [0, 10, 70_000][number % 3];
        let read = content(&store, jane, one.content).await.unwrap();
        assert!(read == octets(length, number as u64), "{number}");
    }
}

pub(crate) async fn all_go_in_or_none(place: Place) {
    let (store, jane) = place.with_jane().await;
    let inbox = mailbox(&store, jane, "INBOX").await;
    let nowhere = MailboxId(999_999);
    let batch = vec![
        message(&store, inbox.id, &[], b"one").await,
        message(&store, nowhere, &[], b"two").await,
    ];
    let refused = store.mail.append(jane, batch).await;
    assert_refused!(refused, StoreError::NotFound { .. });
    let batch = vec![
        message(&store, inbox.id, &[], b"one").await,
        message(&store, inbox.id, &["two words"], b"two").await,
    ];
    let refused = store.mail.append(jane, batch).await;
    assert_refused!(refused, StoreError::BadName { .. });
    assert_eq!(mailbox(&store, jane, "INBOX").await, inbox);
    let store = place.reopen(store).await;
    assert_eq!(mailbox(&store, jane, "INBOX").await, inbox);
    assert_eq!(
        append(&store, jane, inbox.id, b"three").await.uid.0.get(),
        1
    );
}

pub(crate) async fn dates_offsets_flags_and_structure_are_kept(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let structure = octets(5000, 3);
    let dates = [
        (0, 0),
        (-1, -720),
        (1_800_000_000, 840),
        (253_402_300_799, i16::MIN),
    ];
    let flags = Flags::new(["\\Seen", "\\Flagged", "$Forwarded", "NonJunk", "Größe"]);
    let mut stored = Vec::new();
    for (date, offset) in dates {
        let new = NewMessage {
            mailbox: inbox,
            flags: flags.clone(),
            internal_date: Timestamp(date),
            internal_offset: offset,
            index: structure.clone(),
            body: spooled(&store, b"dated").await,
        };
        stored.extend(store.mail.append(jane, vec![new]).await.unwrap());
    }
    let store = place.reopen(store).await;
    let found = messages(&store, jane, inbox).await;
    for ((message, appended), (date, offset)) in found.iter().zip(&stored).zip(dates) {
        assert_eq!(message.internal_date, Timestamp(date));
        assert_eq!(message.internal_offset, offset);
        assert_eq!(message.flags, flags);
        assert_eq!(message.modseq, appended.modseq);
        let kept = store.mail.index(jane, message.content).await.unwrap();
        assert_eq!(kept, structure);
    }
    let plain = append(&store, jane, inbox, b"x").await;
    assert!(
        store
            .mail
            .index(jane, plain.content)
            .await
            .unwrap()
            .is_empty()
    );
}

pub(crate) async fn the_limits_of_structure_and_flags(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let long = "x".repeat(255);
    append_with(&store, jane, inbox, &[&long], b"").await;
    for (length, fits) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let mut new = message(&store, inbox, &[], b"").await;
        new.index = octets(length, 5);
        match store.mail.append(jane, vec![new]).await {
            Ok(_) => assert!(fits),
            refused => {
                assert_refused!(
                    refused,
                    StoreError::TooLarge {
                        limit: 1_048_576,
                        ..
                    }
                );
                assert!(!fits);
            }
        }
    }
    let longer = "x".repeat(256);
    let new = message(&store, inbox, &[&longer], b"").await;
    let refused = store.mail.append(jane, vec![new]).await;
    assert_refused!(refused, StoreError::TooLarge { limit: 255, .. });
    assert_eq!(messages(&store, jane, inbox).await.len(), 2);
}

/// Names of all files below a folder with their lengths.
fn files(folder: &Path) -> BTreeSet<(String, u64)> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.metadata().unwrap();
        if metadata.is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.insert((entry.path().display().to_string(), metadata.len()));
        }
    }
    found
}

pub(crate) async fn a_spool_dropped_unfinished_leaves_nothing(place: Place) {
    let (store, jane) = place.with_jane().await;
    let before = files(place.folder.path());
    let dropped = spooled(&store, &octets(3 << 20, 4)).await;
    drop(dropped);
    drop(spooled(&store, b"small").await);
    assert_eq!(files(place.folder.path()), before);
    let given_up = tokio::spawn({
        let store = store.clone();
        async move {
            let mut spool = store.mail.spool().await.unwrap();
            loop {
                spool.write(&[0; 50_000]).await.unwrap();
            }
        }
    });
    tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    // A write that was under way may still end on a thread of its own.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert_eq!(files(place.folder.path()), before);
    let inbox = mailbox(&store, jane, "INBOX").await;
    assert_eq!((inbox.messages, inbox.uid_next.get()), (0, 1));
}

pub(crate) async fn nothing_is_lost_among_many_writers(place: Place) {
    const WRITERS: u64 = 32;
    const EACH: u64 = 8;
    let (store, jane, inbox) = place.with_inbox().await;
    let body = |writer: u64, number: u64| octets(1 + (writer * 997 + number) as usize, writer);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store: Stores = store.clone();
            tokio::spawn(async move {
                let mut own: Vec<Appended> = Vec::new();
                for number in 0..EACH {
                    own.push(append(&store, jane, inbox, &body(writer, number)).await);
                }
                own
            })
        })
        .collect();
    let mut stored = Vec::new();
    for (writer, one) in writers.into_iter().enumerate() {
        let own = one.await.unwrap();
        assert!(own.is_sorted_by(|a, b| a.uid < b.uid && a.modseq < b.modseq));
        for (number, appended) in own.into_iter().enumerate() {
            stored.push((appended, body(writer as u64, number as u64)));
        }
    }
    stored.sort_by_key(|(appended, _)| appended.uid);
    let store = place.reopen(store).await;
    let found = messages(&store, jane, inbox).await;
    assert_eq!(found.len() as u64, WRITERS * EACH);
    for (number, (message, (appended, octets))) in found.iter().zip(&stored).enumerate() {
        assert_eq!(message.uid.0.get() as usize, number + 1);
        assert_eq!(message.uid, appended.uid);
        assert_eq!(message.content, appended.content);
        let read = content(&store, jane, message.content).await.unwrap();
        assert!(read == *octets);
    }
}

pub(crate) async fn an_empty_append_is_nothing(place: Place) {
    let (store, jane) = place.with_jane().await;
    let before = store.mail.mailboxes(jane).await.unwrap();
    assert!(
        store
            .mail
            .append(jane, Vec::new())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.mail.mailboxes(jane).await.unwrap(), before);
}
