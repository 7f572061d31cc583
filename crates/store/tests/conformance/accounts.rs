//! Accounts, what verifies their passwords, and where they stand.

use pillarbox_policy::{Ladder, Rung, Timestamp, TlsVersion};
use pillarbox_store::{AccountId, LadderMove, StoreError, UidRange};

use crate::steps::{
    NOW, append, content, create_account, mailbox, messages, new_account, verifiers,
};
use crate::{Place, assert_refused};

pub(crate) async fn an_account_is_found_by_its_address_in_any_case(place: Place) {
    let store = place.open();
    let id = create_account(&store, "Jane.Doe@Example.org").await;
    for address in ["Jane.Doe@Example.org", "jane.doe@example.ORG"] {
        let account = store.accounts.find(address).await.unwrap().unwrap();
        assert_eq!(account.id, id);
        assert_eq!(account.address, "Jane.Doe@Example.org");
        assert_eq!(account.created, NOW);
        assert_eq!(account.password_exposed, None);
        assert_eq!(account.verifiers, verifiers(1));
        assert_eq!(account.ladder, Ladder::new(NOW));
    }
    for address in ["jane.doe@example.com", "jane.doe", "", "@"] {
        assert!(
            store.accounts.find(address).await.unwrap().is_none(),
            "{address}"
        );
    }
}

pub(crate) async fn an_address_is_given_once(place: Place) {
    let store = place.open();
    create_account(&store, "jane@example.org").await;
    for address in ["jane@example.org", "JANE@example.org"] {
        let again = store.accounts.create(new_account(address), NOW).await;
        assert_refused!(again, StoreError::Exists { .. });
    }
    let store = place.reopen(store).await;
    let again = store
        .accounts
        .create(new_account("Jane@Example.Org"), NOW)
        .await;
    assert_refused!(again, StoreError::Exists { .. });
    assert_eq!(store.accounts.page(None, 100).await.unwrap().len(), 1);
}

pub(crate) async fn of_many_who_want_an_address_one_gets_it(place: Place) {
    let store = place.open();
    let wanting: Vec<_> = ["jane", "Jane", "jAne", "jaNe", "janE", "JANE"]
        .into_iter()
        .map(|local| {
            let store = store.clone();
            tokio::spawn(async move {
                let account = new_account(&format!("{local}@example.org"));
                store.accounts.create(account, NOW).await
            })
        })
        .collect();
    let mut given = 0;
    for one in wanting {
        match one.await.unwrap() {
            Ok(_) => given += 1,
            refused => assert_refused!(refused, StoreError::Exists { .. }),
        }
    }
    assert_eq!(given, 1);
    assert_eq!(store.accounts.page(None, 100).await.unwrap().len(), 1);
}

pub(crate) async fn an_address_that_is_none_is_refused(place: Place) {
    let store = place.open();
    let long = format!("{}@example.org", "x".repeat(250));
    for address in [
        "",
        "jane",
        "@example.org",
        "jane@",
        "ja ne@x",
        "a@b\r\n",
        &long,
    ] {
        let refused = store.accounts.create(new_account(address), NOW).await;
        assert_refused!(refused, StoreError::BadName { .. });
    }
    assert!(store.accounts.page(None, 100).await.unwrap().is_empty());
}

pub(crate) async fn a_new_account_has_its_mailboxes(place: Place) {
    let store = place.open();
    let id = create_account(&store, "jane@example.org").await;
    let mailboxes = store.mail.mailboxes(id).await.unwrap();
    let mut found: Vec<_> = mailboxes
        .iter()
        .map(|mailbox| (mailbox.name.as_str(), mailbox.special_use.as_deref()))
        .collect();
    found.sort_unstable();
    let expected = [
        ("Archive", Some("Archive")),
        ("Drafts", Some("Drafts")),
        ("INBOX", None),
        ("Junk", Some("Junk")),
        ("Sent", Some("Sent")),
        ("Trash", Some("Trash")),
    ];
    assert_eq!(found, expected);
    for mailbox in mailboxes {
        assert!(mailbox.subscribed, "{}", mailbox.name);
        assert_eq!(mailbox.uid_next.get(), 1);
        assert_eq!((mailbox.messages, mailbox.size), (0, 0));
    }
}

pub(crate) async fn accounts_are_listed_by_address(place: Place) {
    let store = place.open();
    for local in ["m", "Z", "a", "k", "B"] {
        create_account(&store, &format!("{local}@example.org")).await;
    }
    let listed: Vec<String> = store
        .accounts
        .page(None, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|account| account.address)
        .collect();
    let expected = ["a", "B", "k", "m", "Z"].map(|local| format!("{local}@example.org"));
    assert_eq!(listed, expected);
}

pub(crate) async fn accounts_come_page_by_page(place: Place) {
    let store = place.open();
    let mut expected = Vec::new();
    for number in 10..37 {
        let address = format!("{number}@example.org");
        create_account(&store, &address).await;
        expected.push(address);
    }
    for limit in [1, 5, 27, 100] {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let after = listed.last().map(String::as_str);
            let page = store.accounts.page(after, limit).await.unwrap();
            let left = expected.len() - listed.len();
            assert_eq!(page.len(), left.min(limit as usize));
            if page.is_empty() {
                break;
            }
            listed.extend(page.into_iter().map(|account| account.address));
        }
        assert_eq!(listed, expected, "{limit}");
    }
    // The address behind which a page begins need not be there, and its case does not matter.
    let page = store
        .accounts
        .page(Some("35A@EXAMPLE.ORG"), 9)
        .await
        .unwrap();
    assert_eq!(page[0].address, "36@example.org");
    assert!(store.accounts.page(None, 0).await.unwrap().is_empty());
}

pub(crate) async fn of_many_who_move_a_ladder_one_does(place: Place) {
    let store = place.open();
    let id = create_account(&store, "jane@example.org").await;
    let from = Ladder::new(NOW);
    let moving: Vec<_> = (1..=8)
        .map(|number| {
            let (store, from) = (store.clone(), from.clone());
            let at = Timestamp(NOW.0 + number);
            let to = Ladder::restore(Rung::ImplicitTls, TlsVersion::Tls13, None, at);
            tokio::spawn(async move {
                let moved = store.accounts.move_ladder(id, &from, to.clone()).await;
                (to, moved.unwrap())
            })
        })
        .collect();
    let mut moved = Vec::new();
    let mut others = Vec::new();
    for one in moving {
        match one.await.unwrap() {
            (to, LadderMove::Moved) => moved.push(to),
            (_, LadderMove::Changed { now }) => others.push(now),
        }
    }
    assert_eq!(moved.len(), 1);
    assert!(others.iter().all(|now| *now == moved[0]));
    let account = store.accounts.find("jane@example.org").await.unwrap();
    assert_eq!(account.unwrap().ladder, moved[0]);
}

pub(crate) async fn new_verifiers_replace_the_old_and_end_the_exposure(place: Place) {
    let store = place.open();
    let id = create_account(&store, "jane@example.org").await;
    let other = create_account(&store, "joe@example.org").await;
    let seen = Timestamp(NOW.0 + 7);
    store.accounts.set_password_exposed(id, seen).await.unwrap();
    let store = place.reopen(store).await;
    let account = store
        .accounts
        .find("jane@example.org")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.password_exposed, Some(seen));
    store
        .accounts
        .set_verifiers(id, verifiers(9))
        .await
        .unwrap();
    let store = place.reopen(store).await;
    let account = store
        .accounts
        .find("jane@example.org")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.verifiers, verifiers(9));
    assert_eq!(account.password_exposed, None);
    let joe = store
        .accounts
        .find("joe@example.org")
        .await
        .unwrap()
        .unwrap();
    assert_eq!((joe.id, joe.verifiers), (other, verifiers(1)));
}

pub(crate) async fn the_ladder_is_kept_on_every_rung(place: Place) {
    let mut store = place.open();
    let id = create_account(&store, "jane@example.org").await;
    let rungs = [
        Rung::Cleartext {
            until: Timestamp(NOW.0 + 86_400),
        },
        Rung::StartTls,
        Rung::ImplicitTls,
    ];
    for rung in rungs {
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            for weaker_use in [None, Some(Timestamp(NOW.0 - 3))] {
                let ladder = Ladder::restore(rung, version, weaker_use, Timestamp(NOW.0 - 9));
                let before = store.accounts.find("jane@example.org").await.unwrap();
                let before = before.unwrap().ladder;
                let moved = store
                    .accounts
                    .move_ladder(id, &before, ladder.clone())
                    .await;
                assert_eq!(moved, Ok(LadderMove::Moved));
                let account = store
                    .accounts
                    .find("jane@example.org")
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!(account.ladder, ladder);
            }
        }
        store = place.reopen(store).await;
        let account = store
            .accounts
            .find("jane@example.org")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(account.ladder.rung(), rung);
    }
}

pub(crate) async fn a_deleted_account_is_gone_and_its_neighbour_is_not(place: Place) {
    let store = place.open();
    let mut ids = Vec::new();
    // Enough for any two of them to be neighbours, however an engine spreads them.
    for number in 0..6 {
        let id = create_account(&store, &format!("{number}@example.org")).await;
        let inbox = mailbox(&store, id, "INBOX").await.id;
        let appended = append(&store, id, inbox, format!("of {number}").as_bytes()).await;
        ids.push((id, inbox, appended.content));
    }
    let (gone, its_inbox, its_content) = ids.remove(2);
    store.accounts.delete(gone).await.unwrap();
    let store = place.reopen(store).await;
    assert!(
        store
            .accounts
            .find("2@example.org")
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.accounts.page(None, 100).await.unwrap().len(), 5);
    assert_refused!(
        store.mail.mailboxes(gone).await,
        StoreError::NotFound { .. }
    );
    let read = store.mail.messages(gone, its_inbox, &[UidRange::ALL]).await;
    assert_refused!(read, StoreError::NotFound { .. });
    let read = content(&store, gone, its_content).await;
    assert_refused!(read, StoreError::NotFound { .. });
    let again = store.accounts.delete(gone).await;
    assert_refused!(again, StoreError::NotFound { .. });
    for (number, (id, inbox, its_content)) in [0, 1, 3, 4, 5].into_iter().zip(&ids) {
        assert_eq!(messages(&store, *id, *inbox).await.len(), 1);
        assert_eq!(
            content(&store, *id, *its_content).await.unwrap(),
            format!("of {number}").as_bytes()
        );
    }
    let anew = create_account(&store, "2@example.org").await;
    assert!(anew > gone && ids.iter().all(|(id, ..)| *id != anew));
    let inbox = mailbox(&store, anew, "INBOX").await;
    assert_eq!(inbox.messages, 0);
    // An account deleted as the last one gives its identity to nobody either.
    store.accounts.delete(anew).await.unwrap();
    let store = place.reopen(store).await;
    assert!(create_account(&store, "2@example.org").await > anew);
}

pub(crate) async fn what_is_asked_of_no_account_is_not_found(place: Place) {
    let store = place.open();
    create_account(&store, "jane@example.org").await;
    for nobody in [
        AccountId(0),
        AccountId(-1),
        AccountId(999_999),
        AccountId(i64::MIN),
    ] {
        let verified = store.accounts.set_verifiers(nobody, verifiers(2)).await;
        assert_refused!(verified, StoreError::NotFound { .. });
        let ladder = Ladder::new(NOW);
        let climbed = store
            .accounts
            .move_ladder(nobody, &ladder, ladder.clone())
            .await;
        assert_refused!(climbed, StoreError::NotFound { .. });
        let exposed = store.accounts.set_password_exposed(nobody, NOW).await;
        assert_refused!(exposed, StoreError::NotFound { .. });
        let deleted = store.accounts.delete(nobody).await;
        assert_refused!(deleted, StoreError::NotFound { .. });
        assert_refused!(
            store.mail.mailboxes(nobody).await,
            StoreError::NotFound { .. }
        );
        let inbox = store.mail.mailbox(nobody, "INBOX").await;
        assert_refused!(inbox, StoreError::NotFound { .. });
        let made = store.mail.create_mailbox(nobody, "x").await;
        assert_refused!(made, StoreError::NotFound { .. });
    }
}
