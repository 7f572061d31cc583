//! What [`Queue`](pillarbox_store::Queue) promises.

use std::collections::BTreeSet;
use std::time::Duration;

use pillarbox_policy::Timestamp;
use pillarbox_store::{
    Enqueued, ItemState, Job, NewQueued, Outcome, QueueId, QueueWatch, Settled, StoreError, Stores,
};

use crate::steps::{NOW, octets, spooled};
use crate::{Place, assert_refused};

/// Seconds after the start.
fn at(seconds: i64) -> Timestamp {
    Timestamp(NOW.0 + seconds)
}

async fn message(store: &Stores, number: u8, recipients: &[&str], content: &[u8]) -> NewQueued {
    NewQueued {
        id: QueueId([number; 16]),
        sender: "jane@example.org".to_owned(),
        recipients: recipients.iter().map(|&to| to.to_owned()).collect(),
        about: vec![number],
        queued: at(0),
        body: spooled(store, content).await,
    }
}

async fn enqueue(store: &Stores, number: u8, recipients: &[&str]) -> Enqueued {
    let message = message(store, number, recipients, b"hello").await;
    store.queue.enqueue(message).await.unwrap()
}

async fn lease(store: &Stores, now: i64, deadline: i64, limit: u32) -> Vec<Job> {
    let leased = store.queue.lease(at(now), at(deadline), limit).await;
    leased.unwrap()
}

fn recipients(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.recipient.as_str()).collect()
}

pub(crate) async fn each_recipient_is_one_workers_at_a_time(place: Place) {
    let store = place.open();
    assert_eq!(
        enqueue(&store, 1, &["a@x", "b@y", "c@z"]).await,
        Enqueued::New
    );
    let first = lease(&store, 0, 60, 2).await;
    let second = lease(&store, 0, 60, 2).await;
    let all: BTreeSet<&str> = recipients(&first)
        .into_iter()
        .chain(recipients(&second))
        .collect();
    assert_eq!((first.len(), second.len()), (2, 1));
    assert_eq!(all, BTreeSet::from(["a@x", "b@y", "c@z"]));
    assert_eq!(lease(&store, 59, 90, 9).await, []);
    let job = &first[0];
    assert_eq!(
        (job.sender.as_str(), &job.about[..]),
        ("jane@example.org", &[1][..])
    );
    assert_eq!((job.attempts, job.size, job.queued), (0, 5, at(0)));
    // Many at once get each of them once.
    let leasing: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { lease(&store, 60, 90, 1).await })
        })
        .collect();
    let mut leased = Vec::new();
    for one in leasing {
        leased.extend(one.await.unwrap());
    }
    let items: BTreeSet<_> = leased.iter().map(|job| job.item).collect();
    assert_eq!((leased.len(), items.len()), (3, 3));
}

pub(crate) async fn the_same_message_is_queued_once(place: Place) {
    let store = place.open();
    assert_eq!(enqueue(&store, 1, &["a@x"]).await, Enqueued::New);
    assert_eq!(enqueue(&store, 1, &["a@x"]).await, Enqueued::Known);
    let store = place.reopen(store).await;
    assert_eq!(enqueue(&store, 1, &["b@x"]).await, Enqueued::Known);
    let [job] = lease(&store, 0, 60, 9).await.try_into().unwrap();
    let settled = store.queue.settle(&job, Outcome::Done, at(1)).await;
    assert_eq!(settled, Ok(Settled::Recorded));
    // Also when it is done with.
    assert_eq!(enqueue(&store, 1, &["a@x"]).await, Enqueued::Known);
    assert_eq!(lease(&store, 1_000, 2_000, 9).await, []);
}

pub(crate) async fn a_deadline_that_passed_gives_the_item_to_another(place: Place) {
    let store = place.open();
    enqueue(&store, 1, &["a@x"]).await;
    let [slow] = lease(&store, 0, 10, 9).await.try_into().unwrap();
    assert_eq!(store.queue.next_due().await, Ok(Some(at(10))));
    let [quick] = lease(&store, 10, 20, 9).await.try_into().unwrap();
    assert_eq!(quick.item, slow.item);
    for (job, now) in [(&slow, 11), (&quick, 20)] {
        let settled = store.queue.settle(job, Outcome::Done, at(now)).await;
        assert_eq!(settled, Ok(Settled::TooLate));
    }
    let settled = store.queue.settle(&quick, Outcome::Done, at(19)).await;
    assert_eq!(settled, Ok(Settled::Recorded));
    let again = store.queue.settle(&quick, Outcome::Done, at(19)).await;
    assert_eq!(again, Ok(Settled::TooLate));
    assert_eq!(store.queue.next_due().await, Ok(None));
}

pub(crate) async fn what_is_tried_again_waits_for_its_time(place: Place) {
    let store = place.open();
    enqueue(&store, 1, &["a@x", "b@x"]).await;
    for job in lease(&store, 0, 60, 9).await {
        let later = if job.recipient == "a@x" { 300 } else { 900 };
        let retry = Outcome::Retry {
            at: at(later),
            why: "busy".repeat(1_000),
        };
        let settled = store.queue.settle(&job, retry, at(5)).await;
        assert_eq!(settled, Ok(Settled::Recorded));
    }
    assert_eq!(store.queue.next_due().await, Ok(Some(at(300))));
    let store = place.reopen(store).await;
    assert_eq!(store.queue.next_due().await, Ok(Some(at(300))));
    assert_eq!(lease(&store, 299, 400, 9).await, []);
    let [job] = lease(&store, 300, 400, 9).await.try_into().unwrap();
    assert_eq!((job.recipient.as_str(), job.attempts), ("a@x", 1));
    // That one is taken until 400, the other comes at 900.
    assert_eq!(store.queue.next_due().await, Ok(Some(at(400))));
    let items = store.queue.items(None, 9).await.unwrap();
    let [first, second] = items.try_into().unwrap();
    assert_eq!((first.attempts, second.attempts), (1, 1));
    assert_eq!(
        second.state,
        ItemState::Waiting {
            due: at(900),
            why: "busy".repeat(250),
        }
    );
}

pub(crate) async fn what_ended_is_over_and_says_how(place: Place) {
    let store = place.open();
    enqueue(&store, 1, &["a@x", "b@x", "c@x"]).await;
    for job in lease(&store, 0, 60, 9).await {
        let outcome = match job.recipient.as_str() {
            "a@x" => Outcome::Done,
            "b@x" => Outcome::Failed {
                why: "550 no such user".to_owned(),
            },
            _ => continue,
        };
        let settled = store.queue.settle(&job, outcome, at(5)).await;
        assert_eq!(settled, Ok(Settled::Recorded));
    }
    let store = place.reopen(store).await;
    let items = store.queue.items(None, 9).await.unwrap();
    let states: Vec<_> = items
        .iter()
        .map(|item| (item.recipient.as_str(), &item.state))
        .collect();
    let failed = ItemState::Failed {
        why: "550 no such user".to_owned(),
    };
    let waiting = ItemState::Waiting {
        due: at(0),
        why: String::new(),
    };
    let expected = [
        ("a@x", &ItemState::Done),
        ("b@x", &failed),
        ("c@x", &waiting),
    ];
    assert_eq!(states, expected);
    assert_eq!(recipients(&lease(&store, 100, 200, 9).await), ["c@x"]);
}

pub(crate) async fn what_nobody_settled_is_leased_again_after_a_restart(place: Place) {
    let store = place.open();
    enqueue(&store, 1, &["a@x"]).await;
    assert_eq!(lease(&store, 0, 60, 9).await.len(), 1);
    drop(store);
    let store = place.open();
    assert_eq!(recipients(&lease(&store, 60, 90, 9).await), ["a@x"]);
}

pub(crate) async fn one_content_is_read_by_all(place: Place) {
    let store = place.open();
    let all = octets(300_000, 5);
    let many: Vec<String> = (0..300).map(|number| format!("{number}@x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let queued = message(&store, 7, &many, &all).await;
    assert_eq!(store.queue.enqueue(queued).await, Ok(Enqueued::New));
    let store = place.reopen(store).await;
    let jobs = lease(&store, 0, 60, 1_000).await;
    assert_eq!(jobs.len(), 300);
    for job in [&jobs[0], &jobs[299]] {
        let body = store.queue.queued_body(job.item.message).await.unwrap();
        assert_eq!((body.len(), job.size), (300_000, 300_000));
        assert!(body.read_at(0, 300_000).await.unwrap() == all);
    }
    let nothing = store.queue.queued_body(QueueId([9; 16])).await;
    assert_refused!(nothing, StoreError::NotFound { .. });
}

pub(crate) async fn the_longest_due_come_first_and_items_page_by_page(place: Place) {
    let store = place.open();
    for number in [3, 1, 4, 2, 5] {
        let mut queued = message(&store, number, &["a@x", "b@x"], b"").await;
        queued.queued = at(i64::from(number));
        assert_eq!(store.queue.enqueue(queued).await, Ok(Enqueued::New));
    }
    let mut order = Vec::new();
    for _ in 0..5 {
        let jobs = lease(&store, 100, 200, 2).await;
        order.extend(jobs.iter().map(|job| job.about[0]));
    }
    assert_eq!(order, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    let mut listed = Vec::new();
    loop {
        let after = listed.last().copied();
        let page = store.queue.items(after, 3).await.unwrap();
        assert_eq!(page.len(), 3.min(10 - listed.len()));
        if page.is_empty() {
            break;
        }
        listed.extend(page.iter().map(|item| item.id));
    }
    assert!(listed.is_sorted() && listed.len() == 10);
}

pub(crate) async fn messages_that_cannot_be_queued(place: Place) {
    let store = place.open();
    let nobody = message(&store, 1, &[], b"").await;
    let refused = store.queue.enqueue(nobody).await;
    assert_refused!(refused, StoreError::NotFound { .. });
    let mut long = message(&store, 1, &["a@x"], b"").await;
    long.about = vec![0; (1 << 20) + 1];
    let refused = store.queue.enqueue(long).await;
    assert_refused!(refused, StoreError::TooLarge { .. });
    let endless = "x".repeat(1_001);
    let endless = message(&store, 1, &[&endless], b"").await;
    let refused = store.queue.enqueue(endless).await;
    assert_refused!(refused, StoreError::TooLarge { .. });
    assert_eq!(store.queue.items(None, 9).await, Ok(Vec::new()));
}

pub(crate) async fn what_ended_long_ago_is_forgotten(place: Place) {
    let store = place.open();
    enqueue(&store, 1, &["a@x"]).await;
    let [job] = lease(&store, 0, 60, 9).await.try_into().unwrap();
    let settled = store.queue.settle(&job, Outcome::Done, at(1)).await;
    assert_eq!(settled, Ok(Settled::Recorded));
    // Enough others for the same part of the engine to have one.
    for number in 10..20 {
        let mut later = message(&store, number, &["b@x"], b"").await;
        later.queued = at(8 * Timestamp::DAY);
        assert_eq!(store.queue.enqueue(later).await, Ok(Enqueued::New));
    }
    let items = store.queue.items(None, 99).await.unwrap();
    assert_eq!(items.len(), 10);
}

pub(crate) async fn who_waits_for_the_queue_is_woken(place: Place) {
    let store = place.open();
    let mut first = store.wakeups.watch_queue();
    let mut second = store.wakeups.watch_queue();
    assert!(!is_woken(&mut first).await);
    // Told before the operation answers, and once however many there were.
    for number in 1..=4 {
        assert_eq!(enqueue(&store, number, &["a@x"]).await, Enqueued::New);
    }
    for watch in [&mut first, &mut second] {
        assert!(is_woken(watch).await);
        assert!(!is_woken(watch).await);
    }
    // Nothing came of these.
    assert_eq!(enqueue(&store, 1, &["a@x"]).await, Enqueued::Known);
    let jobs = lease(&store, 0, 60, 9).await;
    let settled = store.queue.settle(&jobs[0], Outcome::Done, at(1)).await;
    assert_eq!(settled, Ok(Settled::Recorded));
    assert!(!is_woken(&mut first).await);
    // What is tried again may be due before all that others wait for.
    let retry = Outcome::Retry {
        at: at(30),
        why: String::new(),
    };
    let settled = store.queue.settle(&jobs[1], retry, at(2)).await;
    assert_eq!(settled, Ok(Settled::Recorded));
    assert!(is_woken(&mut first).await);
    assert_eq!(store.queue.next_due().await, Ok(Some(at(30))));
    let waiting = tokio::spawn(async move { first.next().await });
    store.close().await;
    assert_eq!(waiting.await.unwrap(), None);
    assert_eq!(store.wakeups.watch_queue().next().await, None);
}

async fn is_woken(watch: &mut QueueWatch) -> bool {
    match tokio::time::timeout(Duration::from_millis(50), watch.next()).await {
        Ok(woken) => woken.is_some(),
        Err(_) => false,
    }
}
