//! Authentication on the real store: what it keeps is what decides, and every attempt is kept.

use std::path::Path;

use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_policy::{LadderRefusal, LoginOutcome, LoginRefusal, Secret};
use pillarbox_proto::sasl::{LoginAnswer, LoginEvent, LoginMethod, LoginQuestion};
use pillarbox_proto::{ChannelState, Clear, Sealed};
use pillarbox_server::accounts::{NewPassword, new_account};
use pillarbox_server::auth::LoginSecret;
use pillarbox_server::{Context, Origin, SessionLogins, clock, config, storage};
use pillarbox_testkit::{clear_facts, facts, starttls_facts};

const ALICE: &str = "alice@example.org";

async fn context(folder: &Path) -> Context {
    let settings = config::parse(
        "hostname = \"mail.example.org\"\ndomains = [\"example.org\"]\ndata = \"data\"\n\
         [[certificates]]\nchain = \"c\"\nkey = \"k\"\n",
        &folder.join("pillarboxd.toml"),
    )
    .unwrap();
    let store = storage::open(&settings).await.unwrap();
    let secret = LoginSecret::open(&settings.data).unwrap();
    Context::new(store, secret, settings).unwrap()
}

fn verifiers(password: &str) -> pillarbox_store::Verifiers {
    NewPassword::new(&Secret::from(password))
        .unwrap()
        .verifiers()
        .unwrap()
}

/// Asks about a password, and puts on record what comes of it.
async fn log_in(
    cx: &Context,
    channel: &impl ChannelState,
    password: &str,
) -> Result<String, LoginRefusal> {
    let origin = Origin {
        listener: Label::new(Service::Imap, TlsStart::StartTls),
        remote: "192.0.2.7:40000".parse().unwrap(),
        channel: channel.view(),
        client: None,
    };
    let mut logins = SessionLogins::default();
    let event = |question| LoginEvent {
        method: LoginMethod::LoginCommand,
        question,
    };
    let question = event(LoginQuestion::Password {
        login: ALICE.to_owned(),
        password: Secret::from(password),
    });
    let answer = cx
        .authenticator
        .answer(&mut logins, &origin, question)
        .await;
    let refused = match answer {
        LoginAnswer::Refuse(refusal) => Some(refusal),
        _ => None,
    };
    let end = event(LoginQuestion::Ended {
        login: Some(ALICE.to_owned()),
        outcome: refused.map_or(LoginOutcome::Succeeded, LoginOutcome::Refused),
    });
    cx.authenticator.answer(&mut logins, &origin, end).await;
    let address = logins.account().map(|account| account.address.clone());
    address.ok_or_else(|| refused.unwrap())
}

#[tokio::test]
async fn accounts_passwords_ladders_and_records_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let sealed = Sealed::new(facts());
    let by_starttls = Sealed::new(starttls_facts());
    let clear = Clear::new(clear_facts());

    let cx = context(folder.path()).await;
    let account = new_account(ALICE.to_owned(), verifiers("correct horse"), clock::now());
    let id = cx
        .stores
        .accounts
        .create(account, clock::now())
        .await
        .unwrap();
    assert_eq!(
        log_in(&cx, &sealed, "correct horse").await,
        Ok(ALICE.to_owned())
    );
    assert_eq!(
        log_in(&cx, &by_starttls, "correct horse").await,
        Ok(ALICE.to_owned())
    );
    assert_eq!(
        log_in(&cx, &clear, "correct horse").await,
        Err(LoginRefusal::Ladder(LadderRefusal::NeedsTls))
    );
    cx.stores
        .accounts
        .set_verifiers(id, verifiers("battery staple"))
        .await
        .unwrap();
    assert_eq!(
        log_in(&cx, &sealed, "correct horse").await,
        Err(LoginRefusal::Credentials)
    );
    cx.stores.close().await;
    drop(cx);

    let cx = context(folder.path()).await;
    assert_eq!(
        log_in(&cx, &sealed, "battery staple").await,
        Ok(ALICE.to_owned())
    );
    let ladder = cx
        .stores
        .accounts
        .find(ALICE)
        .await
        .unwrap()
        .unwrap()
        .ladder;
    assert!(ladder.weaker_use().is_some(), "STARTTLS was used (S4.1-2)");
    let outcomes: Vec<_> = cx
        .stores
        .logins
        .newest(Some(id), 10)
        .await
        .unwrap()
        .into_iter()
        .map(|record| (record.outcome.as_str(), record.tls.map(|tls| tls.start)))
        .collect();
    let implicit = || Some(TlsStart::Implicit);
    assert_eq!(
        outcomes,
        [
            ("ok", implicit()),
            ("bad-credentials", implicit()),
            ("PRIVACY_REQUIRED", None),
            ("ok", Some(TlsStart::StartTls)),
            ("ok", implicit()),
        ]
    );

    cx.stores.accounts.delete(id).await.unwrap();
    assert_eq!(
        log_in(&cx, &sealed, "battery staple").await,
        Err(LoginRefusal::Credentials),
        "what was remembered goes with the account"
    );
    cx.stores.close().await;
}
