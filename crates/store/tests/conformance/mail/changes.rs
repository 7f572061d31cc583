//! Expunging, copying, moving, and the history that tells of it.

use pillarbox_store::{FlagChange, Flags, MailboxId, ModSeq, StoreError, Uid};

use crate::steps::{
    append, append_with, changes_since, content, copy, create_account, expunge, mailbox, messages,
    move_all, octets, set_flags, uid,
};
use crate::{Place, assert_refused};

pub(crate) async fn expunge_answers_what_it_removed(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    for number in 0..5 {
        append(&store, jane, inbox, &[number]).await;
    }
    let wanted = [uid(4), uid(2), uid(99), uid(2)];
    let gone = store.mail.expunge(jane, inbox, &wanted).await.unwrap();
    assert_eq!(gone, [uid(2), uid(4)]);
    let again = store.mail.expunge(jane, inbox, &wanted).await.unwrap();
    assert!(again.is_empty());
    let deleted = FlagChange::Add(Flags::new(["\\Deleted"]));
    let mail = &store.mail;
    mail.set_flags(jane, inbox, &[uid(1), uid(3)], &deleted, None)
        .await
        .unwrap();
    let wanted = [uid(3), uid(5), uid(99)];
    let gone = store.mail.expunge_deleted(jane, inbox, &wanted).await;
    let gone = gone.unwrap();
    assert_eq!(gone, [uid(3)], "one of them has \\Deleted");
    let store = place.reopen(store).await;
    let left = messages(&store, jane, inbox).await;
    let left: Vec<Uid> = left.iter().map(|message| message.uid).collect();
    assert_eq!(left, [uid(1), uid(5)]);
}

pub(crate) async fn the_history_of_a_mailbox_is_told_from_any_point(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let highest = async || mailbox(&store, jane, "INBOX").await.highest_modseq;
    let mut points = vec![highest().await];
    for number in 0..4 {
        append(&store, jane, inbox, &[number]).await;
    }
    points.push(highest().await);
    let seen = FlagChange::Add(Flags::new(["\\Seen"]));
    set_flags(&store, jane, inbox, &[uid(3)], &seen, None).await;
    points.push(highest().await);
    store.mail.expunge(jane, inbox, &[uid(1)]).await.unwrap();
    points.push(highest().await);
    store.mail.expunge(jane, inbox, &[uid(4)]).await.unwrap();
    append(&store, jane, inbox, b"new").await;
    points.push(highest().await);
    assert!(points.is_sorted_by(|a, b| a < b), "{points:?}");
    let expected: [(&[u32], &[u32]); 5] = [
        (&[2, 3, 5], &[1, 4]),
        (&[3, 5], &[1, 4]),
        (&[5], &[1, 4]),
        (&[5], &[4]),
        (&[], &[]),
    ];
    let store = place.reopen(store).await;
    for (since, (changed, expunged)) in points.iter().zip(expected) {
        let changes = changes_since(&store, jane, inbox, *since).await.unwrap();
        let uids = |uids: Vec<Uid>| uids.iter().map(|uid| uid.0.get()).collect::<Vec<_>>();
        let told = changes.changed.iter().map(|message| message.uid).collect();
        assert_eq!(uids(told), changed, "{since:?}");
        assert_eq!(uids(changes.expunged), expunged, "{since:?}");
        assert_eq!(Some(&changes.upto), points.last());
    }
    let all = changes_since(&store, jane, inbox, ModSeq(0)).await.unwrap();
    assert_eq!(all.changed, messages(&store, jane, inbox).await);
    let none = changes_since(&store, jane, inbox, ModSeq(u64::MAX)).await;
    let none = none.unwrap();
    assert!(none.changed.is_empty() && none.expunged.is_empty());
}

pub(crate) async fn uids_of_expunged_messages_are_never_given_again(place: Place) {
    let mut store = place.open();
    let jane = create_account(&store, "jane@example.org").await;
    let inbox = mailbox(&store, jane, "INBOX").await.id;
    let mut last = None;
    for reopened in [false, true, false] {
        let one = append(&store, jane, inbox, b"").await;
        assert!(Some(one.uid) > last);
        store.mail.expunge(jane, inbox, &[one.uid]).await.unwrap();
        if reopened {
            store = place.reopen(store).await;
        }
        last = Some(one.uid);
        let next = mailbox(&store, jane, "INBOX").await.uid_next;
        assert!(next > one.uid.0);
    }
}

pub(crate) async fn a_copy_has_flags_date_and_content_of_its_original(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let archive = mailbox(&store, jane, "Archive").await;
    let all = octets(70_000, 1);
    append_with(&store, jane, inbox, &["\\Seen", "Work"], &all).await;
    append(&store, jane, inbox, b"two").await;
    append(&store, jane, archive.id, b"before").await;
    let wanted = [uid(2), uid(77), uid(1), uid(2)];
    let pairs = copy(&store, jane, inbox, &wanted, archive.id).await;
    let told: Vec<_> = pairs.iter().map(|(old, new)| (*old, new.uid)).collect();
    assert_eq!(told, [(uid(1), uid(2)), (uid(2), uid(3))]);
    for (_, new) in &pairs {
        assert_eq!(
            (new.mailbox, new.uid_validity),
            (archive.id, archive.uid_validity)
        );
    }
    let originals = messages(&store, jane, inbox).await;
    expunge(&store, jane, inbox, &[uid(1), uid(2)]).await;
    let store = place.reopen(store).await;
    let copies = messages(&store, jane, archive.id).await;
    assert_eq!(copies.len(), 3);
    for (copy, original) in copies[1..].iter().zip(&originals) {
        assert_eq!(copy.flags, original.flags);
        assert_eq!(copy.internal_date, original.internal_date);
        assert_eq!(copy.internal_offset, original.internal_offset);
        assert_eq!(copy.size, original.size);
        assert_eq!(copy.content, original.content);
        assert!(copy.modseq > original.modseq);
    }
    let read = content(&store, jane, copies[1].content).await.unwrap();
    assert!(read == all);
    expunge(&store, jane, archive.id, &[uid(2)]).await;
    let read = content(&store, jane, copies[1].content).await;
    assert_refused!(read, StoreError::NotFound { .. });
    let none = store.mail.copy(jane, inbox, &[uid(1)], archive.id).await;
    assert!(none.unwrap().is_empty());
}

pub(crate) async fn a_copy_into_the_same_mailbox_is_another_message(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    append(&store, jane, inbox, b"one").await;
    let pairs = copy(&store, jane, inbox, &[uid(1)], inbox).await;
    assert_eq!((pairs[0].0, pairs[0].1.uid), (uid(1), uid(2)));
    let pairs = move_all(&store, jane, inbox, &[uid(1)], inbox).await;
    assert_eq!((pairs[0].0, pairs[0].1.uid), (uid(1), uid(3)));
    let found = messages(&store, jane, inbox).await;
    assert_eq!(found.len(), 2);
    for message in found {
        let read = content(&store, jane, message.content).await.unwrap();
        assert_eq!(read, b"one");
    }
}

pub(crate) async fn a_replacement_is_one_change_or_none(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let sent = mailbox(&store, jane, "Sent").await.id;
    append(&store, jane, inbox, b"one").await;
    let before = mailbox(&store, jane, "INBOX").await.highest_modseq;
    let message = crate::steps::message(&store, inbox, &["\\Draft"], b"two").await;
    let replaced = store.mail.replace(jane, inbox, uid(1), message).await;
    let replaced = replaced.unwrap().unwrap();
    assert_eq!((replaced.mailbox, replaced.uid), (inbox, uid(2)));
    let store = place.reopen(store).await;
    let history = changes_since(&store, jane, inbox, before).await.unwrap();
    assert_eq!(history.expunged, [uid(1)]);
    assert_eq!(history.changed.len(), 1);
    assert_eq!(history.upto, replaced.modseq);
    let read = content(&store, jane, history.changed[0].content).await;
    assert_eq!(read.unwrap(), b"two");
    // What is gone cannot be replaced, and then nothing is stored.
    let message = crate::steps::message(&store, sent, &[], b"six").await;
    let refused = store.mail.replace(jane, inbox, uid(1), message).await;
    assert_eq!(refused.unwrap(), None);
    assert_eq!(messages(&store, jane, sent).await.len(), 0);
    // From one mailbox into another.
    let message = crate::steps::message(&store, sent, &[], b"six").await;
    let replaced = store.mail.replace(jane, inbox, uid(2), message).await;
    assert_eq!(replaced.unwrap().map(|new| new.mailbox), Some(sent));
    assert_eq!(messages(&store, jane, inbox).await.len(), 0);
    assert_eq!(messages(&store, jane, sent).await.len(), 1);
}

pub(crate) async fn a_move_leaves_nothing_behind(place: Place) {
    let (store, jane) = place.with_jane().await;
    let inbox = mailbox(&store, jane, "INBOX").await;
    let trash = mailbox(&store, jane, "Trash").await;
    for body in [b"one", b"two", b"six"] {
        append_with(&store, jane, inbox.id, &["\\Flagged"], body).await;
    }
    let before = mailbox(&store, jane, "INBOX").await.highest_modseq;
    let wanted = [uid(3), uid(1), uid(50)];
    let pairs = move_all(&store, jane, inbox.id, &wanted, trash.id).await;
    let told: Vec<_> = pairs.iter().map(|(old, new)| (*old, new.uid)).collect();
    assert_eq!(told, [(uid(1), uid(1)), (uid(3), uid(2))]);
    let store = place.reopen(store).await;
    let left = messages(&store, jane, inbox.id).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].uid, uid(2));
    let history = changes_since(&store, jane, inbox.id, before).await.unwrap();
    assert!(history.changed.is_empty());
    assert_eq!(history.expunged, [uid(1), uid(3)]);
    let moved = messages(&store, jane, trash.id).await;
    for (message, body) in moved.iter().zip([b"one", b"six"]) {
        assert!(message.flags.contains("\\Flagged"));
        let read = content(&store, jane, message.content).await.unwrap();
        assert_eq!(read, body);
    }
    assert_eq!(mailbox(&store, jane, "Trash").await.messages, 2);
}

pub(crate) async fn a_copy_to_nowhere_is_refused_whole(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    append(&store, jane, inbox, b"one").await;
    let before = store.mail.mailboxes(jane).await.unwrap();
    let nowhere = MailboxId(999_999);
    for (from, to) in [(inbox, nowhere), (nowhere, inbox)] {
        let refused = store.mail.copy(jane, from, &[uid(1)], to).await;
        assert_refused!(refused, StoreError::NotFound { .. });
        let refused = store.mail.move_messages(jane, from, &[uid(1)], to).await;
        assert_refused!(refused, StoreError::NotFound { .. });
    }
    assert_eq!(store.mail.mailboxes(jane).await.unwrap(), before);
}

pub(crate) async fn modseqs_ascend_over_the_whole_account(place: Place) {
    let mut store = place.open();
    let jane = create_account(&store, "jane@example.org").await;
    let inbox = mailbox(&store, jane, "INBOX").await.id;
    let sent = mailbox(&store, jane, "Sent").await.id;
    let mut told = vec![append(&store, jane, inbox, b"").await.modseq];
    told.push(append(&store, jane, sent, b"").await.modseq);
    let pairs = store.mail.copy(jane, inbox, &[uid(1)], sent).await.unwrap();
    told.push(pairs[0].1.modseq);
    store.mail.expunge(jane, sent, &[uid(2)]).await.unwrap();
    told.push(mailbox(&store, jane, "Sent").await.highest_modseq);
    store = place.reopen(store).await;
    let made = store.mail.create_mailbox(jane, "new").await.unwrap();
    told.push(made.highest_modseq);
    told.push(append(&store, jane, inbox, b"").await.modseq);
    store.mail.delete_mailbox(jane, "new").await.unwrap();
    told.push(append(&store, jane, sent, b"").await.modseq);
    assert!(told.is_sorted_by(|a, b| a < b), "{told:?}");
    let highest = mailbox(&store, jane, "Sent").await.highest_modseq;
    assert_eq!(Some(&highest), told.last());
}
