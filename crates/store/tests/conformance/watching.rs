//! Wake-ups.

use std::time::Duration;

use pillarbox_store::{FlagChange, Flags, Wake, Watch};

use crate::Place;
use crate::steps::{append, create_account, mailbox, uid};

/// Wake-ups there are, in order, each once.
async fn woken(watch: &mut Watch) -> Vec<Wake> {
    let mut wakes = Vec::new();
    while let Ok(wake) = tokio::time::timeout(Duration::from_millis(50), watch.next()).await {
        let wake = wake.unwrap();
        if !wakes.contains(&wake) {
            wakes.push(wake);
        }
    }
    wakes
}

pub(crate) async fn every_change_wakes(place: Place) {
    let store = place.open();
    let jane = create_account(&*store, "jane@example.org").await;
    let inbox = mailbox(&*store, jane, "INBOX").await.id;
    let sent = mailbox(&*store, jane, "Sent").await.id;
    let mut watch = store.watch(jane);
    assert_eq!(woken(&mut watch).await, []);
    append(&*store, jane, inbox, b"one").await;
    assert_eq!(woken(&mut watch).await, [Wake::Mailbox(inbox)]);
    let seen = FlagChange::Add(Flags::new(["\\Seen"]));
    store
        .set_flags(jane, inbox, &[uid(1)], &seen, None)
        .await
        .unwrap();
    assert_eq!(woken(&mut watch).await, [Wake::Mailbox(inbox)]);
    store.copy(jane, inbox, &[uid(1)], sent).await.unwrap();
    assert_eq!(woken(&mut watch).await, [Wake::Mailbox(sent)]);
    store
        .move_messages(jane, sent, &[uid(1)], inbox)
        .await
        .unwrap();
    let both = woken(&mut watch).await;
    assert_eq!(both.len(), 2);
    assert!(both.contains(&Wake::Mailbox(inbox)) && both.contains(&Wake::Mailbox(sent)));
    store.expunge(jane, inbox, &[uid(1)]).await.unwrap();
    assert_eq!(woken(&mut watch).await, [Wake::Mailbox(inbox)]);
    store.create_mailbox(jane, "a").await.unwrap();
    assert_eq!(woken(&mut watch).await, [Wake::MailboxList]);
    store.set_subscribed(jane, "a", true).await.unwrap();
    assert_eq!(woken(&mut watch).await, [Wake::MailboxList]);
    store.rename_mailbox(jane, "a", "b").await.unwrap();
    assert_eq!(woken(&mut watch).await, [Wake::MailboxList]);
    store.delete_mailbox(jane, "b").await.unwrap();
    assert_eq!(woken(&mut watch).await, [Wake::MailboxList]);
    store.rename_mailbox(jane, "INBOX", "old").await.unwrap();
    let woken = woken(&mut watch).await;
    assert!(woken.contains(&Wake::MailboxList) && woken.contains(&Wake::Mailbox(inbox)));
}

pub(crate) async fn other_accounts_do_not_wake(place: Place) {
    let store = place.open();
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(create_account(&*store, &format!("{number}@example.org")).await);
    }
    let mut watches: Vec<_> = ids.iter().map(|id| store.watch(*id)).collect();
    let inbox = mailbox(&*store, ids[2], "INBOX").await.id;
    append(&*store, ids[2], inbox, b"").await;
    for (number, watch) in watches.iter_mut().enumerate() {
        assert_eq!(woken(watch).await.is_empty(), number != 2, "{number}");
    }
    // Two who watch the same account are both woken.
    let mut first = store.watch(ids[2]);
    let mut second = store.watch(ids[2]);
    append(&*store, ids[2], inbox, b"").await;
    assert_eq!(woken(&mut first).await, [Wake::Mailbox(inbox)]);
    assert_eq!(woken(&mut second).await, [Wake::Mailbox(inbox)]);
}

pub(crate) async fn who_does_not_look_is_told_that_it_lags(place: Place) {
    let store = place.open();
    let jane = create_account(&*store, "jane@example.org").await;
    let inbox = mailbox(&*store, jane, "INBOX").await.id;
    let mut watch = store.watch(jane);
    for number in 0..1200 {
        let flag = ["a", "b"][number % 2];
        if number == 0 {
            append(&*store, jane, inbox, b"").await;
        }
        let change = FlagChange::Replace(Flags::new([flag]));
        store
            .set_flags(jane, inbox, &[uid(1)], &change, None)
            .await
            .unwrap();
    }
    let woken = woken(&mut watch).await;
    assert_eq!(woken[0], Wake::Lagged);
    assert!(woken.contains(&Wake::Mailbox(inbox)));
}

pub(crate) async fn a_watch_ends_with_the_store(place: Place) {
    let store = place.open();
    let jane = create_account(&*store, "jane@example.org").await;
    let mut watch = store.watch(jane);
    let waiting = tokio::spawn(async move { watch.next().await });
    store.close().await;
    assert_eq!(waiting.await.unwrap(), None);
    assert_eq!(store.watch(jane).next().await, None);
}
