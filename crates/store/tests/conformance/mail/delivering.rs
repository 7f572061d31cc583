//! One message for many accounts.

use std::collections::BTreeSet;

use pillarbox_store::{
    AccountId, Appended, Flags, NewDelivery, Recipient, StoreError, Stores, Wake,
};

use crate::steps::{
    NOW, content, create_account, delivery, expunge, mailbox, messages, octets, recipient,
};
use crate::{Place, assert_refused};

async fn accounts(store: &Stores, count: usize) -> Vec<AccountId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(create_account(store, &format!("{number}@example.org")).await);
    }
    ids
}

async fn deliver(store: &Stores, delivery: NewDelivery) -> Vec<Appended> {
    let answers = store.mail.deliver(delivery).await.unwrap();
    answers.into_iter().map(Result::unwrap).collect()
}

pub(crate) async fn each_account_has_the_message_as_its_own(place: Place) {
    let store = place.open();
    let ids = accounts(&store, 7).await;
    let all = octets(150_000, 1);
    let mut watch = store.wakeups.watch(ids[3]);
    let mut wanted = delivery(&store, 1, &ids, &all).await;
    wanted.index = b"structure".to_vec();
    wanted.recipients[2].mailbox = "Junk".to_owned();
    wanted.recipients[2].flags = Flags::new(["\\Seen", "x"]);
    let got = deliver(&store, wanted).await;
    assert_eq!(got.len(), 7);
    let wake = Wake::Mailbox {
        mailbox: got[3].mailbox,
        modseq: got[3].modseq,
    };
    assert_eq!(watch.try_next(), Some(wake));
    let store = place.reopen(store).await;
    for (place, id) in ids.iter().enumerate() {
        let name = if place == 2 { "Junk" } else { "INBOX" };
        let there = mailbox(&store, *id, name).await;
        assert_eq!(got[place].mailbox, there.id);
        assert_eq!(got[place].uid_validity, there.uid_validity);
        let found = messages(&store, *id, there.id).await;
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].uid, found[0].modseq),
            (got[place].uid, got[place].modseq)
        );
        assert_eq!((found[0].size, found[0].internal_date), (150_000, NOW));
        assert_eq!(found[0].flags.contains("x"), place == 2);
        assert!(content(&store, *id, got[place].content).await.unwrap() == all);
        let index = store.mail.index(*id, got[place].content).await.unwrap();
        assert_eq!(index, b"structure");
    }
    // What one of them does with it is nothing to the others.
    expunge(&store, ids[0], got[0].mailbox, &[got[0].uid]).await;
    store.accounts.delete(ids[1]).await.unwrap();
    let gone = content(&store, ids[0], got[0].content).await;
    assert_refused!(gone, StoreError::NotFound { .. });
    for (id, got) in ids.iter().zip(&got).skip(2) {
        assert!(content(&store, *id, got.content).await.unwrap() == all);
    }
    for (other, of) in [(3, 4), (4, 3)] {
        let read = content(&store, ids[other], got[of].content).await;
        if got[other].content != got[of].content {
            assert_refused!(read, StoreError::NotFound { .. });
        }
    }
}

pub(crate) async fn the_same_delivery_again_delivers_nothing(place: Place) {
    let store = place.open();
    let ids = accounts(&store, 5).await;
    let first = deliver(&store, delivery(&store, 1, &ids[..3], b"once").await).await;
    let other = deliver(&store, delivery(&store, 2, &ids[..1], b"another").await).await;
    // To more accounts than before, in another order, after a restart, and after what came is gone.
    let store = place.reopen(store).await;
    let mailbox_of = |number: usize| first[number].mailbox;
    expunge(&store, ids[1], mailbox_of(1), &[first[1].uid]).await;
    let again: Vec<AccountId> = ids.iter().rev().copied().collect();
    let second = deliver(&store, delivery(&store, 1, &again, b"once").await).await;
    let known: Vec<Appended> = second.iter().rev().take(3).copied().collect();
    assert_eq!(known, first);
    for (place, expected) in [2, 0, 1, 1, 1].into_iter().enumerate() {
        let inbox = mailbox(&store, ids[place], "INBOX").await;
        assert_eq!(inbox.messages, expected, "{place}");
    }
    assert_ne!(other[0].uid, first[0].uid);
}

pub(crate) async fn many_who_deliver_the_same_deliver_it_once(place: Place) {
    let store = place.open();
    let ids = accounts(&store, 4).await;
    let mut delivering = Vec::new();
    for _ in 0..8 {
        let wanted = delivery(&store, 1, &ids, b"once").await;
        let store = store.clone();
        delivering.push(tokio::spawn(async move { deliver(&store, wanted).await }));
    }
    let mut answers = Vec::new();
    for one in delivering {
        answers.push(one.await.unwrap());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    for id in ids {
        assert_eq!(mailbox(&store, id, "INBOX").await.messages, 1);
    }
}

pub(crate) async fn each_recipient_has_an_answer_of_its_own(place: Place) {
    let store = place.open();
    let ids = accounts(&store, 3).await;
    let mut wanted = delivery(&store, 1, &[], b"hello").await;
    wanted.recipients = vec![
        recipient(ids[0]),
        recipient(AccountId(999_999)),
        Recipient {
            mailbox: "nowhere".to_owned(),
            ..recipient(ids[1])
        },
        Recipient {
            flags: Flags::new(["two words"]),
            ..recipient(ids[2])
        },
        Recipient {
            mailbox: "Junk".to_owned(),
            ..recipient(ids[0])
        },
    ];
    let answers = store.mail.deliver(wanted).await.unwrap();
    let [first, nobody, nowhere, bad, second] = answers.try_into().unwrap();
    assert_refused!(nobody, StoreError::NotFound { .. });
    assert_refused!(nowhere, StoreError::NotFound { .. });
    assert_refused!(bad, StoreError::BadName { .. });
    assert_eq!(first, second, "an account gets it once");
    assert_eq!(mailbox(&store, ids[0], "Junk").await.messages, 0);
    // One that was refused is tried again.
    store.mail.create_mailbox(ids[1], "nowhere").await.unwrap();
    let mut again = delivery(&store, 1, &[], b"hello").await;
    again.recipients = vec![
        recipient(ids[0]),
        Recipient {
            mailbox: "nowhere".to_owned(),
            ..recipient(ids[1])
        },
    ];
    let answers = deliver(&store, again).await;
    assert_eq!(answers[0], first.unwrap());
    let uids: BTreeSet<u32> = answers.iter().map(|got| got.uid.0.get()).collect();
    assert_eq!(uids, BTreeSet::from([1]));
    let nobody = delivery(&store, 3, &[], b"").await;
    assert_eq!(store.mail.deliver(nobody).await.unwrap(), []);
}
