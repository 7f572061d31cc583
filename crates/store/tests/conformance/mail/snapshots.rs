//! Which messages a mailbox holds, for all who look at it; and what they are told of it.

use std::sync::Arc;

use pillarbox_store::{FlagChange, Flags, MailboxId, ModSeq, Stores, Uid};

use crate::steps::{
    append, append_with, copy, create_account, expunge, mailbox, message, set_flags, uid,
};
use crate::{Place, assert_refused};

pub(crate) async fn all_who_look_share_one_list(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let empty = store.mail.snapshot(jane, inbox).await.unwrap();
    assert!(empty.uids.is_empty());
    let mut batch = Vec::new();
    for _ in 0..3_000 {
        batch.push(message(&store, inbox, &[], b"").await);
    }
    store.mail.append(jane, batch).await.unwrap();
    let first = store.mail.snapshot(jane, inbox).await.unwrap();
    let second = store.mail.snapshot(jane, inbox).await.unwrap();
    assert!(Arc::ptr_eq(&first.uids, &second.uids));
    assert_eq!(first.uids.len(), 3_000);
    append(&store, jane, inbox, b"one more").await;
    store.mail.expunge(jane, inbox, &[uid(1)]).await.unwrap();
    let third = store.mail.snapshot(jane, inbox).await.unwrap();
    assert!(third.uids.octets_beside(&first.uids) < 9_000);
    assert_eq!(first.uids.without(&third.uids), [uid(1)]);
    assert_eq!(third.uids.without(&first.uids), [uid(3_001)]);
    assert_eq!(first.uids.len(), 3_000, "who holds a list keeps it");
    let highest = mailbox(&store, jane, "INBOX").await.highest_modseq;
    assert_eq!(third.modseq, highest);
    // Flags change no list, but how far it is.
    let seen = FlagChange::Add(Flags::new(["\\Seen"]));
    let changed = store
        .mail
        .set_flags(jane, inbox, &[uid(2)], &seen, None)
        .await;
    let fourth = store.mail.snapshot(jane, inbox).await.unwrap();
    assert!(Arc::ptr_eq(&third.uids, &fourth.uids));
    assert_eq!(fourth.modseq, changed.unwrap()[0].message.modseq);
    let store = place.reopen(store).await;
    let anew = store.mail.snapshot(jane, inbox).await.unwrap();
    assert_eq!(anew, fourth);
    store.mail.delete_mailbox(jane, "Sent").await.unwrap();
    let nowhere = store.mail.snapshot(jane, MailboxId(999_999)).await;
    assert_refused!(nowhere, pillarbox_store::StoreError::NotFound { .. });
}

pub(crate) async fn lists_are_right_while_many_write(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let writing: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..40 {
                    let appended = append(&store, jane, inbox, b"").await;
                    if number % 3 == 0 {
                        expunge(&store, jane, inbox, &[appended.uid]).await;
                    }
                    // One's own change is in the list as soon as it is answered.
                    let now = store.mail.snapshot(jane, inbox).await.unwrap();
                    assert!(now.modseq >= appended.modseq);
                    assert_eq!(now.uids.contains(appended.uid), number % 3 != 0);
                }
            })
        })
        .collect();
    for one in writing {
        one.await.unwrap();
    }
    assert_same(&store, jane, inbox).await;
    let store = place.reopen(store).await;
    assert_same(&store, jane, inbox).await;
}

async fn assert_same(store: &Stores, jane: pillarbox_store::AccountId, inbox: MailboxId) {
    let list = store.mail.snapshot(jane, inbox).await.unwrap().uids;
    let listed: Vec<Uid> = crate::steps::messages(store, jane, inbox)
        .await
        .iter()
        .map(|message| message.uid)
        .collect();
    assert_eq!(list.from(0).collect::<Vec<_>>(), listed);
}

pub(crate) async fn a_mailbox_is_opened_with_all_that_a_session_needs(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let open = store.mail.open_mailbox(jane, "inbox").await.unwrap();
    assert_eq!((open.first_unseen, open.keywords.len()), (None, 0));
    append_with(&store, jane, inbox, &["\\seen", "b"], b"").await;
    append_with(&store, jane, inbox, &["a", "B", "unseen"], b"").await;
    append_with(&store, jane, inbox, &["\\Flagged"], b"").await;
    let store = place.reopen(store).await;
    let open = store.mail.open_mailbox(jane, "INBOX").await.unwrap();
    assert_eq!(open.mailbox, mailbox(&store, jane, "INBOX").await);
    assert_eq!(
        open.snapshot,
        store.mail.snapshot(jane, inbox).await.unwrap()
    );
    assert_eq!(open.first_unseen, Some(uid(2)));
    assert_eq!(open.keywords, ["a", "b", "unseen"]);
    let seen = FlagChange::Add(Flags::new(["\\Seen", "c"]));
    set_flags(&store, jane, inbox, &[uid(2)], &seen, None).await;
    let sent = mailbox(&store, jane, "Sent").await.id;
    copy(&store, jane, inbox, &[uid(2), uid(3)], sent).await;
    let open = store.mail.open_mailbox(jane, "INBOX").await.unwrap();
    assert_eq!(open.first_unseen, Some(uid(3)));
    assert_eq!(open.keywords, ["a", "b", "c", "unseen"]);
    let open = store.mail.open_mailbox(jane, "Sent").await.unwrap();
    assert_eq!(open.first_unseen, Some(uid(2)));
    assert_eq!(open.keywords, ["a", "B", "c", "unseen"]);
    let many: Vec<String> = (0..400).map(|number| format!("k{number}")).collect();
    for some in many.chunks(100) {
        let flags = FlagChange::Replace(Flags::new(some));
        set_flags(&store, jane, inbox, &[uid(1)], &flags, None).await;
    }
    let open = store.mail.open_mailbox(jane, "INBOX").await.unwrap();
    assert_eq!(open.keywords.len(), 256);
}

pub(crate) async fn changes_come_in_pieces(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    for number in 0..30 {
        append(&store, jane, inbox, &[number]).await;
    }
    let seen = FlagChange::Add(Flags::new(["\\Seen"]));
    let some: Vec<Uid> = (3..15).map(uid).collect();
    set_flags(&store, jane, inbox, &some, &seen, None).await;
    store.mail.expunge(jane, inbox, &[uid(20)]).await.unwrap();
    let highest = mailbox(&store, jane, "INBOX").await.highest_modseq;
    for limit in [1, 7, 29, 100] {
        let (mut since, mut changed, mut expunged) = (ModSeq(0), Vec::new(), Vec::new());
        while since < highest {
            let some = store
                .mail
                .changes_since(jane, inbox, since, limit)
                .await
                .unwrap();
            assert!(some.upto > since && some.upto <= highest);
            // What one operation changed comes together.
            assert!(some.changed.len() < limit as usize + 12);
            let within = |modseq| since < modseq && modseq <= some.upto;
            assert!(some.changed.iter().all(|message| within(message.modseq)));
            since = some.upto;
            changed.extend(some.changed);
            expunged.extend(some.expunged);
        }
        assert!(changed.is_sorted_by_key(|message| (message.modseq, message.uid)));
        changed.sort_by_key(|message| message.uid);
        assert_eq!(changed, crate::steps::messages(&store, jane, inbox).await);
        assert_eq!(expunged, [uid(20)]);
    }
}

/// The account's modification sequence counts the slices: each has one of its own.
pub(crate) async fn others_get_in_between_the_slices_of_a_long_operation(place: Place) {
    const MESSAGES: u32 = 200_000;
    let store = place.open();
    // Neighbours, however an engine spreads accounts.
    let jane = create_account(&store, "jane@example.org").await;
    let mut others = Vec::new();
    for number in 0..4 {
        others.push(create_account(&store, &format!("{number}@example.org")).await);
    }
    let inbox = mailbox(&store, jane, "INBOX").await.id;
    fill(&store, jane, inbox, MESSAGES).await;
    let all: Vec<Uid> = (1..=MESSAGES).map(uid).collect();
    let long = {
        let store = store.clone();
        tokio::spawn(async move {
            let seen = FlagChange::Add(Flags::new(["\\Seen"]));
            store.mail.set_flags(jane, inbox, &all, &seen, None).await
        })
    };
    let slices = async || mailbox(&store, jane, "INBOX").await.highest_modseq.0;
    let start = slices().await;
    let mut waited = Vec::new();
    for number in 0.. {
        if long.is_finished() {
            break;
        }
        let other = others[number % others.len()];
        let inbox = mailbox(&store, other, "INBOX").await.id;
        let before = slices().await;
        append(&store, other, inbox, b"hello").await;
        waited.push(slices().await - before);
    }
    let changed = long.await.unwrap().unwrap();
    assert_eq!(changed.len(), MESSAGES as usize);
    assert!(slices().await - start > 50);
    assert!(waited.len() > 20, "{} got in between", waited.len());
    let longest = waited.iter().max();
    assert!(
        longest < Some(&12),
        "an append waited for {longest:?} slices"
    );
    let unseen = mailbox(&store, jane, "INBOX").await.unseen;
    assert_eq!(unseen, 0);
}

/// Many messages, made by copying.
async fn fill(store: &Stores, jane: pillarbox_store::AccountId, inbox: MailboxId, count: u32) {
    let mut batch = Vec::new();
    for _ in 0..1_000 {
        batch.push(message(store, inbox, &[], b"x").await);
    }
    store.mail.append(jane, batch).await.unwrap();
    let mut there = 1_000;
    while there < count {
        let more = there.min(count - there);
        let uids: Vec<Uid> = (1..=more).map(uid).collect();
        let copied = store.mail.copy(jane, inbox, &uids, inbox).await.unwrap();
        assert_eq!(copied.len(), more as usize);
        there += more;
    }
}

/// A mailbox that is deleted in slices is out of the way at once: it is neither found again under another name, nor
/// does a new one under its name lose anything.
pub(crate) async fn a_name_that_is_taken_while_its_mailbox_is_deleted_is_another_mailbox(
    place: Place,
) {
    const MESSAGES: u32 = 20_000;
    let store = place.open();
    let jane = create_account(&store, "jane@example.org").await;
    let others = store.mail.mailboxes(jane).await.unwrap().len();
    let old = store.mail.create_mailbox(jane, "big").await.unwrap().id;
    fill(&store, jane, old, MESSAGES).await;
    let long = {
        let store = store.clone();
        tokio::spawn(async move { store.mail.delete_mailbox(jane, "big").await })
    };
    let mut kept = Vec::new();
    while kept.is_empty() {
        if store.mail.rename_mailbox(jane, "big", "keep").await.is_ok() {
            // It was quicker than the deletion.
            assert!(matches!(
                long.await.unwrap(),
                Err(pillarbox_store::StoreError::NotFound { .. })
            ));
            assert_eq!(mailbox(&store, jane, "keep").await.messages, MESSAGES);
            return;
        }
        if let Ok(new) = store.mail.create_mailbox(jane, "big").await {
            append(&store, jane, new.id, b"new").await;
            kept.push(new.id);
        }
    }
    long.await.unwrap().unwrap();
    let store = place.reopen(store).await;
    let new = mailbox(&store, jane, "big").await;
    assert_eq!((new.id, new.messages), (kept[0], 1));
    let names = store.mail.mailboxes(jane).await.unwrap();
    assert_eq!(names.len(), others + 1, "{names:?}");
}
