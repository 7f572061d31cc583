//! Wake-ups.

use std::time::Duration;

use pillarbox_store::{FlagChange, Flags, MailboxId, Wake, Watch};

use crate::Place;
use crate::steps::{append, create_account, expunge, mailbox, move_all, set_flags, uid};

/// A wake-up without the modification sequence it carries.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Mailbox(MailboxId),
    List,
    Lagged,
}

/// Wake-ups there are, in order, each once.
async fn woken(watch: &mut Watch) -> Vec<Seen> {
    let mut wakes = Vec::new();
    while let Ok(wake) = tokio::time::timeout(Duration::from_millis(50), watch.next()).await {
        let wake = match wake.unwrap() {
            Wake::Mailbox { mailbox, .. } => Seen::Mailbox(mailbox),
            Wake::MailboxList => Seen::List,
            Wake::Lagged => Seen::Lagged,
        };
        if !wakes.contains(&wake) {
            wakes.push(wake);
        }
    }
    wakes
}

pub(crate) async fn every_change_wakes(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let sent = mailbox(&store, jane, "Sent").await.id;
    let mut watch = store.wakeups.watch(jane);
    assert_eq!(woken(&mut watch).await, []);
    append(&store, jane, inbox, b"one").await;
    assert_eq!(woken(&mut watch).await, [Seen::Mailbox(inbox)]);
    let seen = FlagChange::Add(Flags::new(["\\Seen"]));
    set_flags(&store, jane, inbox, &[uid(1)], &seen, None).await;
    assert_eq!(woken(&mut watch).await, [Seen::Mailbox(inbox)]);
    store.mail.copy(jane, inbox, &[uid(1)], sent).await.unwrap();
    assert_eq!(woken(&mut watch).await, [Seen::Mailbox(sent)]);
    move_all(&store, jane, sent, &[uid(1)], inbox).await;
    let both = woken(&mut watch).await;
    assert_eq!(both.len(), 2);
    assert!(both.contains(&Seen::Mailbox(inbox)) && both.contains(&Seen::Mailbox(sent)));
    store.mail.expunge(jane, inbox, &[uid(1)]).await.unwrap();
    assert_eq!(woken(&mut watch).await, [Seen::Mailbox(inbox)]);
    store.mail.create_mailbox(jane, "a").await.unwrap();
    assert_eq!(woken(&mut watch).await, [Seen::List]);
    store.mail.set_subscribed(jane, "a", true).await.unwrap();
    assert_eq!(woken(&mut watch).await, [Seen::List]);
    store.mail.rename_mailbox(jane, "a", "b").await.unwrap();
    assert_eq!(woken(&mut watch).await, [Seen::List]);
    store.mail.delete_mailbox(jane, "b").await.unwrap();
    assert_eq!(woken(&mut watch).await, [Seen::List]);
    store
        .mail
        .rename_mailbox(jane, "INBOX", "old")
        .await
        .unwrap();
    let woken = woken(&mut watch).await;
    assert!(woken.contains(&Seen::List) && woken.contains(&Seen::Mailbox(inbox)));
}

pub(crate) async fn other_accounts_do_not_wake(place: Place) {
    let store = place.open();
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(create_account(&store, &format!("{number}@example.org")).await);
    }
    let mut watches: Vec<_> = ids.iter().map(|id| store.wakeups.watch(*id)).collect();
    let inbox = mailbox(&store, ids[2], "INBOX").await.id;
    append(&store, ids[2], inbox, b"").await;
    for (number, watch) in watches.iter_mut().enumerate() {
        assert_eq!(woken(watch).await.is_empty(), number != 2, "{number}");
    }
    // Two who watch the same account are both woken.
    let mut first = store.wakeups.watch(ids[2]);
    let mut second = store.wakeups.watch(ids[2]);
    append(&store, ids[2], inbox, b"").await;
    assert_eq!(woken(&mut first).await, [Seen::Mailbox(inbox)]);
    assert_eq!(woken(&mut second).await, [Seen::Mailbox(inbox)]);
}

pub(crate) async fn who_does_not_look_is_told_that_it_lags(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let mut watch = store.wakeups.watch(jane);
    for number in 0..1200 {
        let flag = ["a", "b"][number % 2];
        if number == 0 {
            append(&store, jane, inbox, b"").await;
        }
        let change = FlagChange::Replace(Flags::new([flag]));
        set_flags(&store, jane, inbox, &[uid(1)], &change, None).await;
    }
    let woken = woken(&mut watch).await;
    assert_eq!(woken[0], Seen::Lagged);
    assert!(woken.contains(&Seen::Mailbox(inbox)));
}

pub(crate) async fn a_watch_ends_with_the_store(place: Place) {
    let (store, jane) = place.with_jane().await;
    let mut watch = store.wakeups.watch(jane);
    let waiting = tokio::spawn(async move { watch.next().await });
    store.close().await;
    assert_eq!(waiting.await.unwrap(), None);
    assert_eq!(store.wakeups.watch(jane).next().await, None);
}

pub(crate) async fn a_wake_up_says_how_far_the_mailbox_has_got(place: Place) {
    let (store, jane, inbox) = place.with_inbox().await;
    let mut watch = store.wakeups.watch(jane);
    let appended = append(&store, jane, inbox, b"one").await;
    // It is there before the operation answers.
    let wake = Wake::Mailbox {
        mailbox: inbox,
        modseq: appended.modseq,
    };
    assert_eq!(watch.try_next(), Some(wake));
    assert_eq!(watch.try_next(), None);
    expunge(&store, jane, inbox, &[appended.uid]).await;
    let modseq = mailbox(&store, jane, "INBOX").await.highest_modseq;
    let wake = Wake::Mailbox {
        mailbox: inbox,
        modseq,
    };
    assert_eq!(watch.try_next(), Some(wake));
}
