//! What [`Leases`](pillarbox_store::Leases) promises.

use std::time::Duration;

use pillarbox_store::Renewal;

use crate::Place;
use crate::steps::create_account;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(50);

pub(crate) async fn a_maildrop_has_one_holder_at_a_time(place: Place) {
    let (store, jane) = place.with_jane().await;
    let joe = create_account(&store, "joe@example.org").await;
    let lease = store.leases.take(jane, LONG).await.unwrap().unwrap();
    assert_eq!(lease.account(), jane);
    assert_eq!(store.leases.take(jane, LONG).await.unwrap(), None);
    assert!(store.leases.take(joe, LONG).await.unwrap().is_some());
    store.leases.give_back(&lease);
    assert!(store.leases.take(jane, LONG).await.unwrap().is_some());
}

pub(crate) async fn a_lease_runs_out_unless_it_is_renewed(place: Place) {
    let (store, jane) = place.with_jane().await;
    let first = store.leases.take(jane, SHORT).await.unwrap().unwrap();
    assert_eq!(
        store.leases.renew(&first, LONG).await.unwrap(),
        Renewal::Held
    );
    tokio::time::sleep(2 * SHORT).await;
    assert_eq!(store.leases.take(jane, LONG).await.unwrap(), None);
    assert_eq!(
        store.leases.renew(&first, SHORT).await.unwrap(),
        Renewal::Held
    );
    tokio::time::sleep(2 * SHORT).await;
    let second = store.leases.take(jane, LONG).await.unwrap().unwrap();
    assert_eq!(
        store.leases.renew(&first, LONG).await.unwrap(),
        Renewal::Lost
    );
    // What was lost cannot be given back: it is somebody else's now.
    store.leases.give_back(&first);
    assert_eq!(store.leases.take(jane, LONG).await.unwrap(), None);
    assert_eq!(
        store.leases.renew(&second, LONG).await.unwrap(),
        Renewal::Held
    );
}

pub(crate) async fn a_lease_does_not_outlive_its_process(place: Place) {
    let (store, jane) = place.with_jane().await;
    store.leases.take(jane, SHORT).await.unwrap().unwrap();
    let store = place.reopen(store).await;
    tokio::time::sleep(2 * SHORT).await;
    assert!(store.leases.take(jane, LONG).await.unwrap().is_some());
}
