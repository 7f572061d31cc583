//! Opening, closing and opening again.

use std::time::Duration;

use pillarbox_policy::Ladder;
use pillarbox_store::{
    AccountId, ContentId, FlagChange, Flags, MailboxId, ModSeq, NewMessage, StoreError, Stores,
    UidRange,
};

use crate::steps::{
    NOW, account, append, append_with, changes_since, content, copy, create_account, delivery,
    everything, mailbox, message, messages, move_all, new_account, octets, set_flags, uid,
    verifiers,
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
        set_flags(store, id, inbox, &[uid(2)], &replace, None).await;
        copy(store, id, inbox, &[uid(1), uid(3)], archive).await;
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

#[track_caller]
fn closed<T: std::fmt::Debug>(result: Result<T, StoreError>) {
    assert_refused!(result, StoreError::Closed);
}

pub(crate) async fn a_closed_store_refuses_everything(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let appended = append(&store, jane, inbox, b"one").await;
    let waiting = message(&store, inbox, &[], b"late").await;
    let replacing = message(&store, inbox, &[], b"late").await;
    let late = delivery(&store, 1, &[jane], b"late").await;
    let one = [uid(1)];
    store.close().await;
    // Once more does no harm.
    store.close().await;
    let accounts = &store.accounts;
    closed(accounts.create(new_account("joe@example.org"), NOW).await);
    closed(accounts.find("jane@example.org").await);
    closed(accounts.find("nobody@example.org").await);
    closed(accounts.page(None, 100).await);
    closed(accounts.set_verifiers(jane, verifiers(3)).await);
    let ladder = Ladder::new(NOW);
    closed(accounts.move_ladder(jane, &ladder, ladder.clone()).await);
    closed(accounts.set_password_exposed(jane, NOW).await);
    closed(accounts.delete(jane).await);
    closed(store.logins.newest(None, 1).await);
    closed(store.leases.take(jane, Duration::MAX).await);
    closed(store.grants.grants().await);
    closed(store.queue.lease(NOW, NOW, 1).await);
    closed(store.queue.next_due().await);
    closed(store.queue.items(None, 1).await);
    let mail = &store.mail;
    closed(mail.append(jane, vec![waiting]).await);
    closed(mail.replace(jane, inbox, uid(1), replacing).await);
    closed(mail.mailboxes(jane).await);
    closed(mail.mailbox(jane, "INBOX").await);
    closed(mail.create_mailbox(jane, "x").await);
    closed(mail.rename_mailbox(jane, "Sent", "x").await);
    closed(mail.delete_mailbox(jane, "Sent").await);
    closed(mail.set_subscribed(jane, "Sent", false).await);
    closed(mail.spool().await);
    closed(mail.messages(jane, inbox, &[UidRange::ALL]).await);
    closed(mail.index(jane, appended.content).await);
    closed(mail.body(jane, appended.content).await);
    let none = FlagChange::Replace(Flags::default());
    closed(mail.set_flags(jane, inbox, &one, &none, None).await);
    closed(mail.expunge(jane, inbox, &one).await);
    closed(mail.expunge_deleted(jane, inbox, &one).await);
    closed(mail.copy(jane, inbox, &one, inbox).await);
    closed(mail.move_messages(jane, inbox, &one, inbox).await);
    closed(changes_since(&store, jane, inbox, ModSeq(0)).await);
    closed(mail.snapshot(jane, inbox).await);
    closed(mail.marked_deleted(jane, inbox).await);
    closed(mail.open_mailbox(jane, "INBOX").await);
    let refused = mail.deliver(late).await.unwrap();
    assert_eq!(refused, [Err(StoreError::Closed)]);
    // It can be opened although the closed one is still held.
    let anew = place.open();
    assert_eq!(
        content(&anew, jane, appended.content).await.unwrap(),
        b"one"
    );
    assert_eq!(messages(&anew, jane, inbox).await.len(), 1);
}

pub(crate) async fn what_was_under_way_when_the_store_closed_is_whole(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
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
