//! Opening, closing and opening again.

use std::time::Duration;

use pillarbox_policy::Ladder;
use pillarbox_store::{
    AccountId, ContentId, FlagChange, Flags, Mailbox, MailboxId, ModSeq, NewMessage, StoreError,
    Stores, UidRange,
};

use crate::steps::{
    NOW, account, append, append_with, changes_since, content, create_account, delivery,
    everything, mailbox, message, messages, move_all, new_account, octets, uid, verifiers,
};
use crate::{Place, assert_refused};

/// A store in which everything happened that can.
async fn fill(store: &Stores) {
    for number in 0..3_u64 {
        let id = create_account(store, &format!("{number}@example.org")).await;
        let inbox = mailbox(store, id, "INBOX").await.id;
        let archive = mailbox(store, id, "Archive").await.id;
        for length in [0, 10, 70_000, 300_000] {
            let octets = octets(length, number);
            append_with(store, id, inbox, &["\\Seen", "x"], &octets).await;
        }
        let mut with_structure = message(store, inbox, &[], b"structured").await;
        with_structure.index = octets(1000, 9);
        store.mail.append(id, vec![with_structure]).await.unwrap();
        let replace = FlagChange::Replace(Flags::new(["\\Deleted"]));
        store
            .mail
            .set_flags(id, inbox, &[uid(2)], &replace, None)
            .await
            .unwrap();
        store
            .mail
            .copy(id, inbox, &[uid(1), uid(3)], archive)
            .await
            .unwrap();
        move_all(store, id, inbox, &[uid(4)], archive).await;
        store.mail.expunge(id, inbox, &[uid(2)]).await.unwrap();
        store.mail.create_mailbox(id, "a/b").await.unwrap();
        store.mail.rename_mailbox(id, "a", "c").await.unwrap();
        store.mail.delete_mailbox(id, "Junk").await.unwrap();
        store.mail.set_subscribed(id, "c/b", true).await.unwrap();
    }
    store
        .accounts
        .set_verifiers(account(store, "1@example.org").await, verifiers(7))
        .await
        .unwrap();
    store
        .accounts
        .delete(account(store, "0@example.org").await)
        .await
        .unwrap();
}

pub(crate) async fn a_store_opened_again_has_everything(place: Place) {
    let mut store = place.open();
    fill(&store).await;
    let before = everything(&store).await;
    assert_eq!(before.len(), 2);
    for _ in 0..3 {
        store = place.reopen(store).await;
        assert_eq!(everything(&store).await, before);
    }
}

pub(crate) async fn a_store_dropped_without_close_has_everything(place: Place) {
    let store = place.open();
    fill(&store).await;
    let before = everything(&store).await;
    drop(store);
    let store = place.open();
    assert_eq!(everything(&store).await, before);
}

pub(crate) async fn a_closed_store_refuses_everything(place: Place) {
    let store = place.open();
    let jane = create_account(&store, "jane@example.org").await;
    let inbox = mailbox(&store, jane, "INBOX").await.id;
    let appended = append(&store, jane, inbox, b"one").await;
    let waiting = message(&store, inbox, &[], b"late").await;
    let late = delivery(&store, 1, &[jane], b"late").await;
    store.close().await;
    // Once more does no harm.
    store.close().await;
    let refused = store.mail.append(jane, vec![waiting]).await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store
        .accounts
        .create(new_account("joe@example.org"), NOW)
        .await;
    assert_refused!(refused, StoreError::Closed);
    for address in ["jane@example.org", "nobody@example.org"] {
        assert_refused!(store.accounts.find(address).await, StoreError::Closed);
    }
    assert_refused!(store.accounts.page(None, 100).await, StoreError::Closed);
    let refused = store.accounts.set_verifiers(jane, verifiers(3)).await;
    assert_refused!(refused, StoreError::Closed);
    let ladder = Ladder::new(NOW);
    let refused = store
        .accounts
        .move_ladder(jane, &ladder, ladder.clone())
        .await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store.accounts.set_password_exposed(jane, NOW).await;
    assert_refused!(refused, StoreError::Closed);
    assert_refused!(store.accounts.delete(jane).await, StoreError::Closed);
    assert_refused!(store.logins.newest(None, 1).await, StoreError::Closed);
    assert_refused!(store.mail.mailboxes(jane).await, StoreError::Closed);
    let refused: Result<Mailbox, _> = store.mail.mailbox(jane, "INBOX").await;
    assert_refused!(refused, StoreError::Closed);
    assert_refused!(
        store.mail.create_mailbox(jane, "x").await,
        StoreError::Closed
    );
    let refused = store.mail.rename_mailbox(jane, "Sent", "x").await;
    assert_refused!(refused, StoreError::Closed);
    assert_refused!(
        store.mail.delete_mailbox(jane, "Sent").await,
        StoreError::Closed
    );
    let refused = store.mail.set_subscribed(jane, "Sent", false).await;
    assert_refused!(refused, StoreError::Closed);
    assert_refused!(store.mail.spool().await, StoreError::Closed);
    let refused = store.mail.messages(jane, inbox, &[UidRange::ALL]).await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store.mail.index(jane, appended.content).await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store.mail.body(jane, appended.content).await;
    assert_refused!(refused, StoreError::Closed);
    let none = FlagChange::Replace(Flags::default());
    let refused = store
        .mail
        .set_flags(jane, inbox, &[uid(1)], &none, None)
        .await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store.mail.expunge(jane, inbox, &[uid(1)]).await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store.mail.copy(jane, inbox, &[uid(1)], inbox).await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store
        .mail
        .move_messages(jane, inbox, &[uid(1)], inbox)
        .await;
    assert_refused!(refused, StoreError::Closed);
    let refused = changes_since(&store, jane, inbox, ModSeq(0)).await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store.mail.snapshot(jane, inbox).await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store.mail.marked_deleted(jane, inbox).await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store.mail.open_mailbox(jane, "INBOX").await;
    assert_refused!(refused, StoreError::Closed);
    let refused = store.mail.deliver(late).await.unwrap();
    assert_eq!(refused, [Err(StoreError::Closed)]);
    let refused = store.leases.take(jane, Duration::MAX).await;
    assert_refused!(refused, StoreError::Closed);
    // It can be opened although the closed one is still held.
    let anew = place.open();
    assert_eq!(
        content(&anew, jane, appended.content).await.unwrap(),
        b"one"
    );
    assert_eq!(messages(&anew, jane, inbox).await.len(), 1);
}

pub(crate) async fn what_was_under_way_when_the_store_closed_is_whole(place: Place) {
    let store = place.open();
    let jane = create_account(&store, "jane@example.org").await;
    let inbox = mailbox(&store, jane, "INBOX").await.id;
    let writers: Vec<_> = (0..16)
        .map(|writer| tokio::spawn(write_until_closed(store.clone(), jane, inbox, writer)))
        .collect();
    tokio::time::sleep(Duration::from_millis(60)).await;
    store.close().await;
    let anew = place.open();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    let found = messages(&anew, jane, inbox).await;
    // Whoever was told that the store was closed left nothing.
    assert_eq!(found.len(), acknowledged.len());
    for (id, octets) in acknowledged {
        assert!(content(&anew, jane, id).await.unwrap() == octets);
    }
}

async fn write_until_closed(
    store: Stores,
    jane: AccountId,
    inbox: MailboxId,
    writer: u64,
) -> Vec<(ContentId, Vec<u8>)> {
    let mut own = Vec::new();
    for number in 0.. {
        let octets = octets(1 + (number % 7 * 13_000) as usize, writer << 32 | number);
        let mut spool = match store.mail.spool().await {
            Ok(spool) => spool,
            refused => {
                assert_refused!(refused, StoreError::Closed);
                break;
            }
        };
        spool.write(&octets).await.unwrap();
        let new = NewMessage {
            mailbox: inbox,
            flags: Flags::default(),
            internal_date: NOW,
            internal_offset: 0,
            index: Vec::new(),
            body: spool,
        };
        match store.mail.append(jane, vec![new]).await {
            Ok(appended) => own.push((appended[0].content, octets)),
            refused => {
                assert_refused!(refused, StoreError::Closed);
                break;
            }
        }
    }
    own
}
