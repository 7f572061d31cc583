//! Mailboxes: names, levels, identity, counts.

use pillarbox_store::{AccountId, FlagChange, Flags, MailboxId, StoreError, Stores};

use crate::steps::{
    append, append_with, changes_since, content, create_account, mailbox, messages, set_flags, uid,
};
use crate::{Place, assert_refused};

async fn names(store: &Stores, account: AccountId) -> Vec<String> {
    let mut names: Vec<String> = store
        .mail
        .mailboxes(account)
        .await
        .unwrap()
        .into_iter()
        .map(|mailbox| mailbox.name)
        .filter(|name| !["Archive", "Drafts", "Junk", "Sent", "Trash"].contains(&name.as_str()))
        .collect();
    names.sort_unstable();
    names
}

pub(crate) async fn inbox_is_found_in_any_case(place: Place) {
    let (store, jane) = place.with_jane().await;
    let inbox = mailbox(&store, jane, "INBOX").await;
    assert_eq!(mailbox(&store, jane, "iNbOx").await, inbox);
    assert_eq!(inbox.name, "INBOX");
    let made = store
        .mail
        .create_mailbox(jane, "inbox/Lists")
        .await
        .unwrap();
    assert_eq!(made.name, "INBOX/Lists");
    assert_eq!(mailbox(&store, jane, "Inbox/Lists").await.id, made.id);
    let other = store.mail.mailbox(jane, "Inbox/lists").await;
    assert_refused!(other, StoreError::NotFound { .. });
}

pub(crate) async fn a_mailbox_is_made_with_those_above_it(place: Place) {
    let (store, jane) = place.with_jane().await;
    let made = store.mail.create_mailbox(jane, "a/b/c").await.unwrap();
    assert_eq!(made.name, "a/b/c");
    assert_eq!((made.messages, made.uid_next.get()), (0, 1));
    assert!(!made.subscribed);
    assert_eq!(names(&store, jane).await, ["INBOX", "a", "a/b", "a/b/c"]);
    assert_eq!(mailbox(&store, jane, "a/b/c").await, made);
    let all = store.mail.mailboxes(jane).await.unwrap();
    let mut ids: Vec<MailboxId> = all.iter().map(|mailbox| mailbox.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all.len());
}

pub(crate) async fn a_mailbox_that_is_there_is_not_made_again(place: Place) {
    let (store, jane) = place.with_jane().await;
    store.mail.create_mailbox(jane, "a/b").await.unwrap();
    for name in ["a", "a/b", "Sent", "INBOX", "inbox"] {
        let again = store.mail.create_mailbox(jane, name).await;
        assert_refused!(again, StoreError::Exists { .. });
    }
    // Only INBOX is without regard to case.
    store.mail.create_mailbox(jane, "A").await.unwrap();
    store.mail.create_mailbox(jane, "sent").await.unwrap();
    assert_eq!(
        names(&store, jane).await,
        ["A", "INBOX", "a", "a/b", "sent"]
    );
}

pub(crate) async fn names_that_cannot_be_used_are_refused(place: Place) {
    let (store, jane) = place.with_jane().await;
    store.mail.create_mailbox(jane, "a").await.unwrap();
    let long = "x".repeat(1001);
    for name in [
        "", "/", "/a", "a/", "a//b", "a\0b", "a\r\nb", "a*", "%", &long,
    ] {
        let refused = store.mail.create_mailbox(jane, name).await;
        assert_refused!(refused, StoreError::BadName { .. });
        let refused = store.mail.rename_mailbox(jane, "a", name).await;
        assert_refused!(refused, StoreError::BadName { .. });
    }
    assert_eq!(names(&store, jane).await, ["INBOX", "a"]);
}

pub(crate) async fn names_of_any_script_can_be_used(place: Place) {
    let (store, jane) = place.with_jane().await;
    let script = [
        "Entwürfe 2026",
        "受信箱/下書き",
        "a.b\\c\"d'e&f",
        "x".repeat(1000).as_str(),
    ]
    .map(str::to_owned);
    for name in &script {
        store.mail.create_mailbox(jane, name).await.unwrap();
    }
    let store = place.reopen(store).await;
    for name in &script {
        assert_eq!(mailbox(&store, jane, name).await.name, *name);
    }
}

pub(crate) async fn a_renamed_mailbox_keeps_all_and_takes_those_below_along(place: Place) {
    let (store, jane) = place.with_jane().await;
    let outer = store.mail.create_mailbox(jane, "old").await.unwrap();
    let inner = store
        .mail
        .create_mailbox(jane, "old/in/most")
        .await
        .unwrap();
    let alike = store.mail.create_mailbox(jane, "older").await.unwrap();
    let appended = append(&store, jane, inner.id, b"deep").await;
    store
        .mail
        .set_subscribed(jane, "old/in/most", true)
        .await
        .unwrap();
    store
        .mail
        .rename_mailbox(jane, "old", "new/er")
        .await
        .unwrap();
    let store = place.reopen(store).await;
    let expected = [
        "INBOX",
        "new",
        "new/er",
        "new/er/in",
        "new/er/in/most",
        "older",
    ];
    assert_eq!(names(&store, jane).await, expected);
    let renamed = mailbox(&store, jane, "new/er").await;
    assert_eq!(
        (renamed.id, renamed.uid_validity),
        (outer.id, outer.uid_validity)
    );
    let deep = mailbox(&store, jane, "new/er/in/most").await;
    assert_eq!((deep.id, deep.uid_validity), (inner.id, inner.uid_validity));
    assert!(deep.subscribed);
    assert_eq!(mailbox(&store, jane, "older").await.id, alike.id);
    let found = messages(&store, jane, inner.id).await;
    assert_eq!(
        (found[0].uid, found[0].content),
        (appended.uid, appended.content)
    );
    store
        .mail
        .rename_mailbox(jane, "Sent", "Gesendet")
        .await
        .unwrap();
    let sent = mailbox(&store, jane, "Gesendet").await;
    assert_eq!(sent.special_use.as_deref(), Some("Sent"));
    // One level out, where the name that is given up is taken by another of them.
    store.mail.create_mailbox(jane, "p/q/q").await.unwrap();
    let before = mailbox(&store, jane, "p/q/q").await.id;
    store.mail.delete_mailbox(jane, "p").await.unwrap();
    store.mail.rename_mailbox(jane, "p/q", "p").await.unwrap();
    assert_eq!(mailbox(&store, jane, "p/q").await.id, before);
}

pub(crate) async fn renames_that_cannot_be(place: Place) {
    let (store, jane) = place.with_jane().await;
    for name in ["a/b", "c", "d/b"] {
        store.mail.create_mailbox(jane, name).await.unwrap();
    }
    let before = names(&store, jane).await;
    for to in ["c", "a", "inbox", "Sent"] {
        let refused = store.mail.rename_mailbox(jane, "a", to).await;
        assert_refused!(refused, StoreError::Exists { .. });
    }
    let refused = store.mail.rename_mailbox(jane, "INBOX", "c").await;
    assert_refused!(refused, StoreError::Exists { .. });
    let refused = store.mail.rename_mailbox(jane, "nowhere", "e").await;
    assert_refused!(refused, StoreError::NotFound { .. });
    let refused = store.mail.rename_mailbox(jane, "a", "a/b/c").await;
    assert_refused!(refused, StoreError::BadName { .. });
    // What would be below the new name is there already.
    store.mail.delete_mailbox(jane, "d").await.unwrap();
    let refused = store.mail.rename_mailbox(jane, "a", "d").await;
    assert_refused!(refused, StoreError::Exists { .. });
    let mut after = names(&store, jane).await;
    after.push("d".to_owned());
    after.sort_unstable();
    assert_eq!(after, before);
}

pub(crate) async fn renaming_inbox_moves_its_messages(place: Place) {
    let (store, jane) = place.with_jane().await;
    let inbox = mailbox(&store, jane, "INBOX").await;
    store
        .mail
        .create_mailbox(jane, "INBOX/below")
        .await
        .unwrap();
    append_with(&store, jane, inbox.id, &["\\Seen"], b"one").await;
    append(&store, jane, inbox.id, b"two").await;
    store
        .mail
        .rename_mailbox(jane, "inbox", "old/mail")
        .await
        .unwrap();
    let store = place.reopen(store).await;
    let expected = ["INBOX", "INBOX/below", "old", "old/mail"];
    assert_eq!(names(&store, jane).await, expected);
    let emptied = mailbox(&store, jane, "INBOX").await;
    assert_eq!(
        (emptied.id, emptied.uid_validity),
        (inbox.id, inbox.uid_validity)
    );
    assert_eq!((emptied.messages, emptied.unseen, emptied.size), (0, 0, 0));
    assert_eq!(emptied.uid_next.get(), 3);
    let changes = changes_since(&store, jane, inbox.id, inbox.highest_modseq).await;
    assert_eq!(changes.unwrap().expunged, [uid(1), uid(2)]);
    let moved = mailbox(&store, jane, "old/mail").await;
    assert!(moved.id != inbox.id);
    assert_eq!((moved.messages, moved.unseen, moved.size), (2, 1, 6));
    let found = messages(&store, jane, moved.id).await;
    for (message, expected) in found.iter().zip([b"one", b"two"]) {
        let read = content(&store, jane, message.content).await.unwrap();
        assert_eq!(read, expected);
    }
    assert!(found[0].flags.contains("\\Seen"));
}

pub(crate) async fn a_deleted_mailbox_leaves_those_below_it(place: Place) {
    let (store, jane) = place.with_jane().await;
    let below = store.mail.create_mailbox(jane, "a/b").await.unwrap();
    let above = mailbox(&store, jane, "a").await;
    let lost = append(&store, jane, above.id, b"lost").await;
    append(&store, jane, below.id, b"kept").await;
    store.mail.delete_mailbox(jane, "a").await.unwrap();
    let store = place.reopen(store).await;
    assert_eq!(names(&store, jane).await, ["INBOX", "a/b"]);
    assert_eq!(messages(&store, jane, below.id).await.len(), 1);
    let read = content(&store, jane, lost.content).await;
    assert_refused!(read, StoreError::NotFound { .. });
    let read = store.mail.messages(jane, above.id, &[]).await;
    assert_refused!(read, StoreError::NotFound { .. });
    let refused = store.mail.delete_mailbox(jane, "a").await;
    assert_refused!(refused, StoreError::NotFound { .. });
    for inbox in ["INBOX", "inbox"] {
        let refused = store.mail.delete_mailbox(jane, inbox).await;
        assert_refused!(refused, StoreError::BadName { .. });
    }
}

pub(crate) async fn a_mailbox_made_again_is_another(place: Place) {
    let mut store = place.open();
    let jane = create_account(&store, "jane@example.org").await;
    let mut last = store.mail.create_mailbox(jane, "a").await.unwrap();
    for reopened in [false, true] {
        append(&store, jane, last.id, b"lost").await;
        store.mail.delete_mailbox(jane, "a").await.unwrap();
        if reopened {
            store = place.reopen(store).await;
        }
        let anew = store.mail.create_mailbox(jane, "a").await.unwrap();
        assert!(anew.uid_validity > last.uid_validity);
        assert!(anew.id != last.id);
        assert_eq!((anew.messages, anew.uid_next.get()), (0, 1));
        last = anew;
    }
    // The name may also have come free, or been taken, by a rename.
    store.mail.rename_mailbox(jane, "a", "b").await.unwrap();
    let anew = store.mail.create_mailbox(jane, "a").await.unwrap();
    assert!(anew.uid_validity > last.uid_validity);
}

pub(crate) async fn subscriptions_are_kept(place: Place) {
    let (store, jane) = place.with_jane().await;
    store.mail.create_mailbox(jane, "a").await.unwrap();
    store.mail.set_subscribed(jane, "a", true).await.unwrap();
    store.mail.set_subscribed(jane, "a", true).await.unwrap();
    store
        .mail
        .set_subscribed(jane, "inbox", false)
        .await
        .unwrap();
    let store = place.reopen(store).await;
    assert!(mailbox(&store, jane, "a").await.subscribed);
    assert!(!mailbox(&store, jane, "INBOX").await.subscribed);
    let refused = store.mail.set_subscribed(jane, "nowhere", true).await;
    assert_refused!(refused, StoreError::NotFound { .. });
}

pub(crate) async fn counts_follow_the_messages(place: Place) {
    let (store, jane) = place.with_jane().await;
    let id = mailbox(&store, jane, "INBOX").await.id;
    let counts = async || {
        let inbox = mailbox(&store, jane, "INBOX").await;
        (
            inbox.messages,
            inbox.unseen,
            inbox.deleted,
            inbox.size,
            inbox.uid_next.get(),
        )
    };
    assert_eq!(counts().await, (0, 0, 0, 0, 1));
    let one = append(&store, jane, id, &[b'x'; 100]).await.uid;
    let two = append_with(&store, jane, id, &["\\SEEN", "\\Deleted"], b"")
        .await
        .uid;
    assert_eq!(counts().await, (2, 1, 1, 100, 3));
    let seen = FlagChange::Add(Flags::new(["\\Seen", "\\deleted"]));
    set_flags(&store, jane, id, &[one, two], &seen, None).await;
    assert_eq!(counts().await, (2, 0, 2, 100, 3));
    let none = FlagChange::Replace(Flags::default());
    set_flags(&store, jane, id, &[one], &none, None).await;
    assert_eq!(counts().await, (2, 1, 1, 100, 3));
    store.mail.copy(jane, id, &[one], id).await.unwrap();
    assert_eq!(counts().await, (3, 2, 1, 200, 4));
    store.mail.expunge(jane, id, &[one, two]).await.unwrap();
    assert_eq!(counts().await, (1, 1, 0, 100, 4));
}

pub(crate) async fn a_mailbox_that_is_not_there_is_not_found(place: Place) {
    let (store, jane) = place.with_jane().await;
    for name in ["nowhere", "sent", "INBOX/x", ""] {
        let found = store.mail.mailbox(jane, name).await;
        assert_refused!(found, StoreError::NotFound { .. });
    }
}
