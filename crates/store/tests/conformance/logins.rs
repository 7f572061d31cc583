//! Login records.

use pillarbox_policy::{LoginOutcome, LoginRefusal, Timestamp};
use pillarbox_store::{AccountId, LoginRecord};

use crate::Place;
use crate::steps::NOW;

fn record(number: i64, account: Option<i64>) -> LoginRecord {
    LoginRecord {
        at: Timestamp(NOW.0 + number),
        account: account.map(AccountId),
        login: format!("login {number}"),
        listener: "imaps".to_owned(),
        remote: "[2001:db8::1]:4000".to_owned(),
        how: None,
        tls_version: None,
        cipher_suite: None,
        group: None,
        sni: None,
        alpn: None,
        resumed: false,
        client_certificate: None,
        mechanism: "PLAIN".to_owned(),
        client: None,
        outcome: LoginOutcome::Refused(LoginRefusal::Credentials),
    }
}

pub(crate) async fn records_come_newest_first_by_account_and_up_to_a_limit(place: Place) {
    let store = place.open();
    assert!(store.logins.newest(None, 10).await.unwrap().is_empty());
    for number in 0..10 {
        let account = [Some(1), Some(2), None][(number % 3) as usize];
        store.logins.record(record(number, account)).await.unwrap();
    }
    let store = place.reopen(store).await;
    let asked = async |account: Option<i64>, limit| {
        let found = store
            .logins
            .newest(account.map(AccountId), limit)
            .await
            .unwrap();
        found
            .iter()
            .map(|record| record.at.0 - NOW.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(None, 100).await, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(asked(None, 3).await, [9, 8, 7]);
    assert_eq!(asked(None, 0).await, []);
    assert_eq!(asked(Some(1), 100).await, [9, 6, 3, 0]);
    assert_eq!(asked(Some(2), 2).await, [7, 4]);
    assert_eq!(asked(Some(3), 100).await, []);
    assert_eq!(asked(None, u32::MAX).await.len(), 10);
}

pub(crate) async fn a_record_keeps_all_it_says(place: Place) {
    let store = place.open();
    let full = LoginRecord {
        at: NOW,
        account: Some(AccountId(7)),
        login: "jane@example.org".to_owned(),
        listener: "submissions".to_owned(),
        remote: "192.0.2.1:4000".to_owned(),
        how: Some("implicit".to_owned()),
        tls_version: Some("TLSv1.3".to_owned()),
        cipher_suite: Some("TLS_AES_256_GCM_SHA384".to_owned()),
        group: Some("X25519MLKEM768".to_owned()),
        sni: Some("mail.example.org".to_owned()),
        alpn: Some("imap".to_owned()),
        resumed: true,
        client_certificate: Some("ab".repeat(32)),
        mechanism: "SCRAM-SHA-256-PLUS".to_owned(),
        client: Some("Größe 日本語".to_owned()),
        outcome: LoginOutcome::Succeeded,
    };
    let bare = record(1, None);
    store.logins.record(full.clone()).await.unwrap();
    store.logins.record(bare.clone()).await.unwrap();
    assert_eq!(
        store.logins.newest(None, 9).await.unwrap(),
        [bare.clone(), full.clone()]
    );
    let store = place.reopen(store).await;
    assert_eq!(store.logins.newest(None, 9).await.unwrap(), [bare, full]);
}

pub(crate) async fn what_strangers_say_is_cut(place: Place) {
    let store = place.open();
    let mut long = record(1, None);
    long.login = "x".repeat(10_000);
    long.client = Some("é".repeat(10_000));
    store.logins.record(long).await.unwrap();
    let found = store.logins.newest(None, 1).await.unwrap();
    assert_eq!(found[0].login, "x".repeat(255));
    assert_eq!(found[0].client, Some("é".repeat(127)));
}

pub(crate) async fn every_outcome_is_kept(place: Place) {
    let store = place.open();
    for (number, outcome) in (0..).zip(LoginOutcome::ALL) {
        let record = LoginRecord {
            outcome,
            ..record(number, None)
        };
        store.logins.record(record).await.unwrap();
    }
    let store = place.reopen(store).await;
    let mut kept = store.logins.newest(None, 100).await.unwrap();
    kept.reverse();
    let kept: Vec<_> = kept.into_iter().map(|record| record.outcome).collect();
    assert_eq!(kept, LoginOutcome::ALL);
}
