//! Reading messages and their content.

use pillarbox_store::{ContentId, MailboxId, ModSeq, StoreError, UidRange};

use crate::steps::{
    append, changes_since, content, create_account, expunge, mailbox, octets, range, uid,
};
use crate::{Place, assert_refused};

pub(crate) async fn ranges_give_each_message_once_and_in_order(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    for number in 0..9 {
        append(&store, jane, inbox, &[number]).await;
    }
    expunge(&store, jane, inbox, &[uid(4), uid(5)]).await;
    let cases: [(&[UidRange], &[u32]); 9] = [
        (&[], &[]),
        (&[UidRange::ALL], &[1, 2, 3, 6, 7, 8, 9]),
        (&[range(1, 1)], &[1]),
        (&[range(4, 5)], &[]),
        (&[range(3, 6)], &[3, 6]),
        (&[range(6, 3)], &[3, 6]),
        (
            &[range(7, 9), range(1, 2), range(8, 8), range(2, 3)],
            &[1, 2, 3, 7, 8, 9],
        ),
        (&[range(10, u32::MAX)], &[]),
        (&[range(9, u32::MAX), UidRange::ALL], &[1, 2, 3, 6, 7, 8, 9]),
    ];
    for (ranges, expected) in cases {
        let found = store.mail.messages(jane, inbox, ranges).await.unwrap();
        let uids: Vec<u32> = found.iter().map(|message| message.uid.0.get()).collect();
        assert_eq!(uids, expected, "{ranges:?}");
    }
}

pub(crate) async fn a_body_is_read_from_anywhere(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    append(&store, jane, inbox, b"before").await;
    let all = octets(100_000, 1);
    let appended = append(&store, jane, inbox, &all).await;
    append(&store, jane, inbox, b"behind").await;
    let body = store.mail.body(jane, appended.content).await.unwrap();
    assert_eq!(body.len(), 100_000);
    assert!(!body.is_empty());
    for (from, length) in [(0, 1), (99_999, 1), (50_000, 20_000), (3, 7), (0, 100_000)] {
        let read = body.read_at(from as u64, length).await.unwrap();
        assert_eq!(read, all[from..from + length]);
    }
    // Fewer only at the end, and nothing of the neighbour.
    let read = body.read_at(99_990, 1000).await.unwrap();
    assert_eq!(read, all[99_990..]);
    for beyond in [100_000, 100_001, u64::MAX] {
        assert!(body.read_at(beyond, 10).await.unwrap().is_empty());
    }
    assert!(body.read_at(5, 0).await.unwrap().is_empty());
    let empty = append(&store, jane, inbox, b"").await;
    let empty = store.mail.body(jane, empty.content).await.unwrap();
    assert!(empty.is_empty());
    assert!(empty.read_at(0, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_body_held_outlives_its_message(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let all = octets(300_000, 1);
    let appended = append(&store, jane, inbox, &all).await;
    let body = store.mail.body(jane, appended.content).await.unwrap();
    let first = body.read_at(0, 1000).await.unwrap();
    expunge(&store, jane, inbox, &[appended.uid]).await;
    for seed in 0..4 {
        append(&store, jane, inbox, &octets(200_000, seed)).await;
    }
    assert_eq!(first, all[..1000]);
    let rest = body.read_at(1000, 300_000).await.unwrap();
    assert!(rest == all[1000..]);
    let anew = content(&store, jane, appended.content).await;
    assert_refused!(anew, StoreError::NotFound { .. });
    store.accounts.delete(jane).await.unwrap();
    let rest = body.read_at(1000, 300_000).await.unwrap();
    assert!(rest == all[1000..]);
}

pub(crate) async fn content_belongs_to_its_account(place: Place) {
    let store = place.open();
    let mut others = Vec::new();
    for number in 0..4 {
        others.push(create_account(&store, &format!("{number}@example.org")).await);
    }
    let owner = others.remove(1);
    let inbox = mailbox(&store, owner, "INBOX").await.id;
    let appended = append(&store, owner, inbox, b"private").await;
    for other in others {
        let read = content(&store, other, appended.content).await;
        assert_refused!(read, StoreError::NotFound { .. });
        let read = store.mail.index(other, appended.content).await;
        assert_refused!(read, StoreError::NotFound { .. });
    }
}

pub(crate) async fn what_is_not_there_is_not_found(place: Place) {
    let (store, jane) = place.with_jane().await;
    for nothing in [ContentId(0), ContentId(77), ContentId(u64::MAX)] {
        let read = content(&store, jane, nothing).await;
        assert_refused!(read, StoreError::NotFound { .. });
        let read = store.mail.index(jane, nothing).await;
        assert_refused!(read, StoreError::NotFound { .. });
    }
    for nowhere in [MailboxId(0), MailboxId(-1), MailboxId(77)] {
        let read = store.mail.messages(jane, nowhere, &[UidRange::ALL]).await;
        assert_refused!(read, StoreError::NotFound { .. });
        let read = changes_since(&store, jane, nowhere, ModSeq(0)).await;
        assert_refused!(read, StoreError::NotFound { .. });
        let expunged = store.mail.expunge(jane, nowhere, &[uid(1)]).await;
        assert_refused!(expunged, StoreError::NotFound { .. });
    }
}
