//! The operator's exceptions for passwords in the clear.

use std::net::IpAddr;

use pillarbox_policy::{CleartextGrant, Timestamp};
use pillarbox_store::Stores;

use crate::Place;
use crate::steps::NOW;

fn grant(account: &str, networks: &[&str], until: Timestamp) -> CleartextGrant {
    CleartextGrant {
        account: account.to_owned(),
        networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
        until,
        reason: "fax machine in room 12".to_owned(),
        given: NOW,
    }
}

async fn is_open(store: &Stores, peer: &str) -> bool {
    let peer: IpAddr = peer.parse().unwrap();
    store.grants.grants().await.unwrap().window(peer).is_some()
}

const FAR: Timestamp = Timestamp(i64::MAX / 2);

pub(crate) async fn a_grant_is_kept_until_it_is_replaced_or_revoked(place: Place) {
    let store = place.open();
    assert!(!is_open(&store, "192.0.2.1").await);
    let fax = grant("Fax@example.org", &["192.0.2.0/28", "2001:db8::/64"], FAR);
    store.grants.give_grant(fax).await.unwrap();
    let store = place.reopen(store).await;
    assert!(is_open(&store, "192.0.2.1").await);
    assert!(is_open(&store, "2001:db8::7").await);
    assert!(!is_open(&store, "192.0.2.77").await);
    let elsewhere = grant("fax@example.org", &["192.0.2.77"], FAR);
    store.grants.give_grant(elsewhere).await.unwrap();
    assert!(!is_open(&store, "192.0.2.1").await);
    assert!(is_open(&store, "192.0.2.77").await);
    store.grants.revoke_grant("FAX@example.org").await.unwrap();
    store
        .grants
        .revoke_grant("nobody@example.org")
        .await
        .unwrap();
    let store = place.reopen(store).await;
    assert!(!is_open(&store, "192.0.2.77").await);
}

pub(crate) async fn a_grant_ends_by_itself(place: Place) {
    let store = place.open();
    let over = Timestamp(1_000_000_000);
    store
        .grants
        .give_grant(grant("fax@example.org", &[], over))
        .await
        .unwrap();
    assert!(!is_open(&store, "192.0.2.1").await);
    store
        .grants
        .give_grant(grant("fax@example.org", &[], FAR))
        .await
        .unwrap();
    assert!(is_open(&store, "192.0.2.1").await);
}
