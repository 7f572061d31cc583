//! Login records.

use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_policy::{LoginOutcome, LoginRefusal, Timestamp, TlsEnd, TlsVersion};
use pillarbox_store::{AccountId, LoginMechanism, LoginRecord, LoginTls};

use crate::Place;
use crate::steps::NOW;

fn record(number: i64, account: Option<i64>) -> LoginRecord {
    LoginRecord {
        at: Timestamp(NOW.0 + number),
        account: account.map(AccountId),
        login: format!("login {number}"),
        listener: Label::new(Service::Imap, TlsStart::Implicit),
        remote: "[2001:db8::1]:4000".parse().unwrap(),
        tls: None,
        mechanism: LoginMechanism::Plain,
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
        listener: Label::new(Service::Submission, TlsStart::StartTls),
        remote: "192.0.2.1:4000".parse().unwrap(),
        tls: Some(LoginTls {
            start: TlsStart::StartTls,
            end: TlsEnd::Balancer("2001:db8::7".parse().unwrap()),
            version: TlsVersion::Tls12,
            suite: "TLS_AES_256_GCM_SHA384".to_owned(),
            group: Some("X25519MLKEM768".to_owned()),
            sni: Some("mail.example.org".to_owned()),
            alpn: Some("imap".to_owned()),
            resumed: true,
            client_certificate: Some("ab".repeat(32)),
        }),
        mechanism: LoginMechanism::ScramSha256Plus,
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

pub(crate) async fn every_listener_and_mechanism_is_kept(place: Place) {
    let store = place.open();
    let mut expected = Vec::new();
    for (number, listener) in (0..).zip(Label::ALL) {
        for mechanism in LoginMechanism::ALL {
            let record = LoginRecord {
                listener,
                mechanism,
                ..record(number, None)
            };
            store.logins.record(record.clone()).await.unwrap();
            expected.insert(0, record);
        }
    }
    let store = place.reopen(store).await;
    assert_eq!(store.logins.newest(None, 100).await.unwrap(), expected);
}
