//! The authenticator as a whole: what is answered, what goes on record, how long it takes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_policy::{
    CleartextGrant, Grant, Ladder, LadderRefusal, LoginAbort, LoginOutcome, LoginRefusal,
    MayAuthenticate, Rung, Secret, Tampering, Timestamp, TlsEnd, TlsVersion, may_authenticate,
};
use pillarbox_proto::sasl::server::ScramOutcome;
use pillarbox_proto::sasl::{
    Authentication, AuthenticationStep, LoginAnswer, LoginEvent, LoginMethod, LoginQuestion,
    LoginReply, Mechanism, ScramKeys,
};
use pillarbox_proto::{ChannelState, Clear, Sealed};
use pillarbox_store::{LadderMove, LoginMechanism, LoginRecord, StoreError, Stores};
use pillarbox_testkit::{Faults, FaultyEngine, clear_facts, facts, facts_with, starttls_facts};
use tokio::time::Instant;

use super::{LoginSecret, Origin, SessionLogins};
use crate::auth::accounts::{NewPassword, new_account};
use crate::auth::{SCRAM_ITERATIONS, SCRAM_SALT};
use crate::core::clock;
use crate::core::config;
use crate::session::context::Context;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";
const PASSWORD: &str = "correct horse";

struct House {
    _folder: tempfile::TempDir,
    store: Stores,
    faults: Arc<Faults>,
    cx: Context,
}

impl House {
    /// Alice has a new account; Bob may use cleartext for another day.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, faults) = FaultyEngine::embedded(&folder.path().join("store")).unwrap();
        let verifiers = NewPassword::new(&Secret::from(PASSWORD))
            .unwrap()
            .verifiers()
            .unwrap();
        let now = clock::now();
        for address in [ALICE, BOB] {
            let account = new_account(address.to_owned(), verifiers.clone(), now);
            store.accounts.create(account, now).await.unwrap();
        }
        store
            .grants
            .give_grant(CleartextGrant {
                account: BOB.to_owned(),
                networks: Vec::new(),
                until: now.plus_days(1),
                reason: "a fax machine".to_owned(),
                given: now,
            })
            .await
            .unwrap();
        let house = Self {
            cx: Context::new(
                store.clone(),
                LoginSecret::ephemeral().unwrap(),
                config::parse(
                    "hostname = \"mail.example.org\"\ndomains = [\"example.org\"]\n[[certificates]]\nchain = \"c\"\nkey = \"k\"\n",
                    Path::new("p.toml"),
                )
                .unwrap(),
            )
            .unwrap(),
            store,
            faults,
            _folder: folder,
        };
        house
            .set_ladder(BOB, |ladder| {
                ladder.grant(&Grant {
                    rung: Rung::Cleartext {
                        until: now.plus_days(1),
                    },
                    least_version: TlsVersion::Tls12,
                    reason: "a fax machine".to_owned(),
                    at: now,
                });
            })
            .await;
        house
    }

    async fn set_ladder(&self, address: &str, change: impl FnOnce(&mut Ladder)) {
        let account = self.store.accounts.find(address).await.unwrap().unwrap();
        let mut ladder = account.ladder.clone();
        change(&mut ladder);
        let accounts = &self.store.accounts;
        let moved = accounts
            .move_ladder(account.id, &account.ladder, ladder)
            .await;
        assert_eq!(moved, Ok(LadderMove::Moved));
    }

    async fn password(
        &self,
        channel: &impl ChannelState,
        login: &str,
        password: &str,
    ) -> Result<String, LoginReply> {
        let window = self.cx.legacy_window(clear_facts().peer()).await;
        let MayAuthenticate::Yes(permit) = may_authenticate(channel.view(), window.as_ref()) else {
            panic!("there is a window");
        };
        let mut exchange = Authentication::new(&permit);
        let method = LoginMethod::LoginCommand;
        let mut step = exchange.password(method, login.as_bytes(), password.as_bytes());
        let mut logins = SessionLogins::default();
        loop {
            match step {
                AuthenticationStep::Ask(event) => {
                    let authenticator = &self.cx.authenticator;
                    let answer = authenticator
                        .answer(&mut logins, &origin(channel), event)
                        .await;
                    step = exchange.answer(answer).unwrap();
                }
                AuthenticationStep::Reply(LoginReply::Success { .. }) => {
                    let account = logins.account().cloned();
                    assert_eq!(account, logins.take_account());
                    return Ok(account.unwrap().address);
                }
                AuthenticationStep::Reply(reply) => {
                    assert_eq!(logins.account(), None);
                    return Err(reply);
                }
                AuthenticationStep::Challenge(_) => panic!("there is no SASL in it"),
            }
        }
    }

    /// One question about a SCRAM exchange.
    async fn scram(&self, channel: &impl ChannelState, question: LoginQuestion) -> LoginAnswer {
        let event = LoginEvent {
            method: LoginMethod::Sasl(Mechanism::ScramSha256),
            question,
        };
        self.cx
            .authenticator
            .answer(&mut SessionLogins::default(), &origin(channel), event)
            .await
    }

    async fn scram_keys(
        &self,
        channel: &impl ChannelState,
        login: &str,
    ) -> Result<ScramKeys, LoginRefusal> {
        let login = login.to_owned();
        match self
            .scram(channel, LoginQuestion::ScramKeys { login })
            .await
        {
            LoginAnswer::Keys(keys) => Ok(keys),
            LoginAnswer::Refuse(refusal) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    async fn refuted(&self, channel: &impl ChannelState) -> LoginAnswer {
        let question = LoginQuestion::Proof {
            login: ALICE.to_owned(),
            outcome: ScramOutcome::Refuted,
        };
        self.scram(channel, question).await
    }

    /// Every attempt, the first one first.
    async fn logins(&self) -> Vec<LoginRecord> {
        let mut logins = self.store.logins.newest(None, 100).await.unwrap();
        logins.reverse();
        logins
    }

    async fn outcomes(&self) -> Vec<&'static str> {
        let logins = self.logins().await;
        logins
            .iter()
            .map(|record| record.outcome.as_str())
            .collect()
    }
}

fn origin(channel: &impl ChannelState) -> Origin<'_> {
    Origin {
        listener: Label::new(Service::Imap, TlsStart::Implicit),
        remote: "192.0.2.7:40000".parse().unwrap(),
        channel: channel.view(),
        client: Some("tests"),
    }
}

fn parts(keys: &ScramKeys) -> (&[u8], u32, [u8; 32], [u8; 32]) {
    (
        &keys.salt,
        keys.iterations,
        keys.stored_key,
        keys.server_key,
    )
}

fn sealed() -> Sealed {
    Sealed::new(facts())
}

fn by_starttls() -> Sealed {
    Sealed::new(starttls_facts())
}

fn clear() -> Clear {
    Clear::new(clear_facts())
}

#[tokio::test]
async fn the_right_password_logs_in_by_address_or_local_part() {
    let house = House::new().await;
    for login in [ALICE, "ALICE@Example.org", "alice"] {
        assert_eq!(
            house.password(&sealed(), login, PASSWORD).await,
            Ok(ALICE.to_owned()),
            "{login}"
        );
    }
    assert_eq!(house.outcomes().await, ["ok", "ok", "ok"]);
}

#[tokio::test]
async fn passwords_are_compared_in_their_prepared_form() {
    let house = House::new().await;
    let soft_hyphen = "cor\u{ad}rect horse";
    assert!(house.password(&sealed(), ALICE, soft_hyphen).await.is_ok());
    for unusable in ["", "correct\0horse", &"x".repeat(5000)] {
        assert_eq!(
            house.password(&sealed(), ALICE, unusable).await,
            Err(LoginReply::WrongCredentials)
        );
    }
}

#[tokio::test]
async fn wrong_password_and_unknown_name_are_refused_alike() {
    let house = House::new().await;
    assert_eq!(
        house.password(&sealed(), ALICE, "wrong").await,
        Err(LoginReply::WrongCredentials)
    );
    assert_eq!(
        house
            .password(&sealed(), "nobody@example.org", PASSWORD)
            .await,
        Err(LoginReply::WrongCredentials)
    );
    assert_eq!(
        house.outcomes().await,
        ["bad-credentials", "bad-credentials"]
    );
    let logins = house.logins().await;
    assert!(logins[0].account.is_some());
    assert_eq!(logins[1].account, None);
}

#[tokio::test]
async fn a_second_login_costs_no_hash_until_the_password_changes() {
    let house = House::new().await;
    assert!(house.password(&sealed(), ALICE, PASSWORD).await.is_ok());
    let begun = Instant::now();
    for _ in 0..100 {
        assert!(house.password(&sealed(), ALICE, PASSWORD).await.is_ok());
    }
    assert!(
        begun.elapsed() < Duration::from_millis(500),
        "100 remembered logins took {:?}",
        begun.elapsed()
    );

    let verifiers = NewPassword::new(&Secret::from("battery staple"))
        .unwrap()
        .verifiers()
        .unwrap();
    let id = house.store.accounts.find(ALICE).await.unwrap().unwrap().id;
    house
        .store
        .accounts
        .set_verifiers(id, verifiers)
        .await
        .unwrap();
    assert_eq!(
        house.password(&sealed(), ALICE, PASSWORD).await,
        Err(LoginReply::WrongCredentials)
    );
    assert!(
        house
            .password(&sealed(), ALICE, "battery staple")
            .await
            .is_ok()
    );
}

/// S4.1-4, S4.1-5: on a cleartext channel nothing that a peer can see depends on the credentials, the
/// account, or whether there is one.
#[tokio::test(start_paused = true)]
async fn every_refusal_in_the_clear_is_the_same_at_the_same_time() {
    let house = House::new().await;
    // The clock stands still but for what is waited for, so that a millisecond too many is seen.
    for work in [0, 1, 300, 999].map(Duration::from_millis) {
        for (login, password) in [
            (ALICE, PASSWORD),
            (ALICE, "wrong"),
            ("nobody@example.org", PASSWORD),
            ("nobody", ""),
            (BOB, "wrong"),
        ] {
            let looked_up = house.faults.hold("Accounts::find", 0);
            tokio::spawn(async move {
                tokio::time::sleep(work).await;
                looked_up.add_permits(10);
            });
            let begun = Instant::now();
            assert_eq!(
                house.password(&clear(), login, password).await,
                Err(LoginReply::PrivacyRequired),
                "{login} {password}"
            );
            let answered = begun.elapsed().as_millis();
            // Timers fire at whole milliseconds.
            assert!(
                (1000..=1001).contains(&answered),
                "{login} {password} after {work:?}: {answered} ms"
            );
        }
    }
    assert_eq!(
        house.outcomes().await[..5],
        [
            "PRIVACY_REQUIRED",
            "PRIVACY_REQUIRED",
            "PRIVACY_REQUIRED",
            // An empty password is refused by the exchange, before the ladder is asked.
            "bad-credentials",
            "bad-credentials"
        ],
        "only the record may tell"
    );
}

#[tokio::test(start_paused = true)]
async fn a_granted_account_logs_in_in_the_clear_until_the_day() {
    let house = House::new().await;
    assert_eq!(
        house.password(&clear(), BOB, PASSWORD).await,
        Ok(BOB.to_owned())
    );
    house
        .set_ladder(BOB, |ladder| {
            let now = clock::now();
            ladder.grant(&Grant {
                rung: Rung::Cleartext { until: now },
                least_version: TlsVersion::Tls12,
                reason: "over".to_owned(),
                at: now,
            });
        })
        .await;
    assert_eq!(
        house.password(&clear(), BOB, PASSWORD).await,
        Err(LoginReply::PrivacyRequired)
    );
}

#[tokio::test(start_paused = true)]
async fn throttling_in_the_clear_looks_like_any_refusal() {
    let house = House::new().await;
    for _ in 0..12 {
        let begun = Instant::now();
        assert_eq!(
            house.password(&clear(), ALICE, PASSWORD).await,
            Err(LoginReply::PrivacyRequired)
        );
        assert!((1000..=1001).contains(&begun.elapsed().as_millis()));
    }
    assert_eq!(house.outcomes().await[11], "too-many-failures");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_climbed_is_told_where_to_go_whatever_the_password() {
    let house = House::new().await;
    let now = clock::now();
    house
        .set_ladder(ALICE, |ladder| {
            ladder.climb(Rung::ImplicitTls, TlsVersion::Tls12, now);
        })
        .await;
    for password in [PASSWORD, "wrong"] {
        assert_eq!(
            house.password(&by_starttls(), ALICE, password).await,
            Err(LoginReply::ChannelTooWeak(LadderRefusal::NeedsImplicitTls))
        );
    }
    assert!(house.password(&sealed(), ALICE, PASSWORD).await.is_ok());
    house
        .set_ladder(ALICE, |ladder| {
            ladder.climb(Rung::ImplicitTls, TlsVersion::Tls13, now);
        })
        .await;
    let old = Sealed::new(facts_with(|facts| facts.version = TlsVersion::Tls12));
    assert_eq!(
        house.password(&old, ALICE, PASSWORD).await,
        Err(LoginReply::ChannelTooWeak(LadderRefusal::NeedsVersion(
            TlsVersion::Tls13
        )))
    );
    assert_eq!(
        house.outcomes().await,
        ["LADDER_RUNG", "LADDER_RUNG", "ok", "LEVEL_TLS_VERSION"]
    );
}

#[tokio::test(start_paused = true)]
async fn too_many_failures_are_turned_away_without_a_look() {
    let house = House::new().await;
    for _ in 0..10 {
        assert_eq!(
            house.password(&sealed(), ALICE, "wrong").await,
            Err(LoginReply::WrongCredentials)
        );
    }
    assert_eq!(
        house.password(&sealed(), ALICE, PASSWORD).await,
        Err(LoginReply::Unavailable)
    );
    assert_eq!(
        house.scram_keys(&sealed(), ALICE).await.unwrap_err(),
        LoginRefusal::TooManyFailures
    );
    assert!(house.password(&sealed(), BOB, PASSWORD).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_not_a_wrong_password() {
    let house = House::new().await;
    house.faults.fail("Accounts::find", 1, StoreError::Closed);
    assert_eq!(
        house.password(&sealed(), ALICE, PASSWORD).await,
        Err(LoginReply::Unavailable)
    );
    let answer = house.refuted(&clear()).await;
    assert!(matches!(
        answer,
        LoginAnswer::Refuse(LoginRefusal::Unavailable)
    ));
    // In the clear not even that is told (S4.1-5).
    assert_eq!(
        house.password(&clear(), ALICE, PASSWORD).await,
        Err(LoginReply::PrivacyRequired)
    );
    assert_eq!(house.outcomes().await.last(), Some(&"unavailable"));
}

/// S4-17.
#[tokio::test]
async fn a_record_holds_all_tls_facts_and_no_password() {
    let house = House::new().await;
    let channel = Sealed::new(facts_with(|facts| facts.alpn = Some("imap".to_owned())));
    assert!(house.password(&channel, ALICE, PASSWORD).await.is_ok());
    assert_eq!(
        house
            .password(&clear(), "x".repeat(300).as_str(), "hunter2hunter2")
            .await,
        Err(LoginReply::PrivacyRequired)
    );
    let logins = house.logins().await;
    let record = &logins[0];
    assert_eq!(record.outcome.as_str(), "ok");
    assert_eq!(record.listener.as_str(), "imaps");
    assert_eq!(record.remote.to_string(), "192.0.2.7:40000");
    let tls = record.tls.as_ref().unwrap();
    assert_eq!((tls.start, tls.end), (TlsStart::Implicit, TlsEnd::Here));
    assert_eq!(tls.version, TlsVersion::Tls13);
    assert_eq!(tls.suite, "TLS_AES_256_GCM_SHA384");
    assert_eq!(tls.group.as_deref(), Some("X25519MLKEM768"));
    assert_eq!(tls.sni.as_deref(), Some("mail.example.org"));
    assert_eq!(tls.alpn.as_deref(), Some("imap"));
    assert_eq!(record.mechanism, LoginMechanism::Login);
    assert_eq!(record.client.as_deref(), Some("tests"));
    let record = &logins[1];
    assert_eq!(record.tls, None);
    assert_eq!(record.login.len(), 255);
    assert!(!format!("{logins:?}").contains("hunter2"));
    assert!(!format!("{logins:?}").contains(PASSWORD));
}

#[tokio::test]
async fn scram_keys_are_those_of_the_account() {
    let house = House::new().await;
    let keys = |login: &'static str| {
        let house = &house;
        async move { house.scram_keys(&sealed(), login).await.unwrap() }
    };
    let alice = house.store.accounts.find(ALICE).await.unwrap().unwrap();
    assert_eq!(keys(ALICE).await.salt, alice.verifiers.scram_sha256.salt);
    assert_eq!(keys("alice").await.salt, alice.verifiers.scram_sha256.salt);

    let nobody = keys("nobody@example.org").await;
    for other in ["NOBODY@example.org", "nobody"] {
        assert_eq!(parts(&nobody), parts(&keys(other).await), "always the same");
    }
    assert_ne!(nobody.salt, keys("somebody@example.org").await.salt);
    assert_eq!(nobody.salt.len(), SCRAM_SALT, "shaped like a real one");
    assert_eq!(nobody.iterations, SCRAM_ITERATIONS);
}

#[tokio::test]
async fn decoys_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let decoy = LoginSecret::open(folder.path())
        .unwrap()
        .decoy("nobody@example.org");
    let again = LoginSecret::open(folder.path())
        .unwrap()
        .decoy("nobody@example.org");
    assert_eq!(parts(&decoy), parts(&again));
    let other = LoginSecret::ephemeral()
        .unwrap()
        .decoy("nobody@example.org");
    assert_ne!(parts(&decoy), parts(&other));
    let file = folder.path().join("login.secret");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // What cannot be read is not made anew: it may be there again tomorrow.
    let unreadable = tempfile::tempdir().unwrap();
    std::fs::create_dir(unreadable.path().join("login.secret")).unwrap();
    let error = LoginSecret::open(unreadable.path()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::IsADirectory);
    std::fs::write(&file, b"short").unwrap();
    assert!(
        LoginSecret::open(folder.path())
            .unwrap_err()
            .to_string()
            .ends_with("should hold 32 bytes and holds 5; remove it to have a new one made")
    );
}

#[tokio::test(start_paused = true)]
async fn in_the_clear_keys_of_an_account_that_may_not_are_decoys() {
    let house = House::new().await;
    let keys = house.scram_keys(&clear(), ALICE).await.unwrap();
    let alice = house.store.accounts.find(ALICE).await.unwrap().unwrap();
    assert_ne!(keys.salt, alice.verifiers.scram_sha256.salt);
    let needs_tls = LoginRefusal::Ladder(LadderRefusal::NeedsTls);
    let answer = house.refuted(&clear()).await;
    assert!(matches!(answer, LoginAnswer::Refuse(refusal) if refusal == needs_tls));
}

#[tokio::test(start_paused = true)]
async fn a_refuted_scram_proof_is_a_wrong_password() {
    let house = House::new().await;
    let answer = house.refuted(&sealed()).await;
    let LoginAnswer::Refuse(LoginRefusal::Credentials) = answer else {
        panic!("{answer:?}");
    };
}

#[tokio::test]
async fn weaker_use_is_noted_once_an_hour_and_implicit_tls_never() {
    let house = House::new().await;
    let before = house.faults.calls("Accounts::move_ladder");
    let writes = || house.faults.calls("Accounts::move_ladder") - before;
    assert!(house.password(&sealed(), ALICE, PASSWORD).await.is_ok());
    assert_eq!(writes(), 0);
    for _ in 0..3 {
        assert!(
            house
                .password(&by_starttls(), ALICE, PASSWORD)
                .await
                .is_ok()
        );
    }
    assert_eq!(writes(), 1);
    let long_ago = Timestamp(clock::now().0 - 3601);
    house
        .set_ladder(ALICE, |ladder| ladder.used(by_starttls().view(), long_ago))
        .await;
    let before = house.faults.calls("Accounts::move_ladder");
    let writes = || house.faults.calls("Accounts::move_ladder") - before;
    assert!(
        house
            .password(&by_starttls(), ALICE, PASSWORD)
            .await
            .is_ok()
    );
    assert_eq!(writes(), 1);
    let ladder = house
        .store
        .accounts
        .find(ALICE)
        .await
        .unwrap()
        .unwrap()
        .ladder;
    assert!(ladder.weaker_use().is_some_and(|at| at > long_ago));
}

/// What a client broke off, or what shows that somebody stands between, is on record with its account, and counts
/// as the failures that it may hide.
#[tokio::test(start_paused = true)]
async fn attempts_without_an_end_are_on_record_and_counted() {
    let house = House::new().await;
    let mut outcomes = vec![LoginOutcome::Aborted(LoginAbort::Disconnected); 10];
    outcomes[0] = LoginOutcome::TamperingSuspected(Tampering::ChannelBinding);
    let begun = Instant::now();
    for outcome in outcomes {
        let question = LoginQuestion::Ended {
            login: Some(ALICE.to_owned()),
            outcome,
        };
        house.scram(&sealed(), question).await;
    }
    let waited = begun.elapsed();
    assert_eq!(
        waited.as_millis() / 100,
        5,
        "only the first one was refused"
    );
    assert_eq!(
        house.scram_keys(&sealed(), ALICE).await.unwrap_err(),
        LoginRefusal::TooManyFailures
    );
    let id = house.store.accounts.find(ALICE).await.unwrap().unwrap().id;
    let logins = house.logins().await;
    assert_eq!(logins.len(), 10);
    assert!(logins.iter().all(|record| record.account == Some(id)));
    assert_eq!(logins[0].outcome.as_str(), "tampering-channel-binding");
    assert_eq!(logins[9].outcome.as_str(), "disconnected");
}

/// What is our own doing is on record and counts for nothing. Who is turned away, or did not come to say a login, costs
/// no look at the accounts.
#[tokio::test(start_paused = true)]
async fn attempts_that_cost_nobody_anything() {
    let house = House::new().await;
    let shut_down = LoginOutcome::Aborted(LoginAbort::ShutDown);
    let unavailable = LoginOutcome::Refused(LoginRefusal::Unavailable);
    let too_many = LoginOutcome::Refused(LoginRefusal::TooManyFailures);
    let cancelled = LoginOutcome::Aborted(LoginAbort::Cancelled);
    for (login, outcome, looks) in [
        (Some(ALICE), shut_down, 1),
        (Some(ALICE), unavailable, 0),
        (Some(ALICE), too_many, 0),
        (None, cancelled, 0),
    ] {
        let before = house.faults.calls("Accounts::find");
        for _ in 0..11 {
            let login = login.map(str::to_owned);
            let question = LoginQuestion::Ended { login, outcome };
            house.scram(&sealed(), question).await;
        }
        let looked = house.faults.calls("Accounts::find") - before;
        assert_eq!(looked, 11 * looks, "{outcome:?}");
        let record = house.logins().await.pop().unwrap();
        assert_eq!(record.account.is_some(), looks == 1);
        assert_eq!(record.outcome, outcome);
    }
    assert!(house.scram_keys(&sealed(), ALICE).await.is_ok());
}
