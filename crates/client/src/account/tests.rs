//! An account as text.

use super::*;

pub(crate) fn account() -> Account {
    let server = |service, host: &str, source| AccountServer {
        label: Label::new(service, TlsStart::Implicit),
        host: Host::parse(host).unwrap(),
        port: Label::new(service, TlsStart::Implicit).default_port(),
        source,
    };
    Account {
        address: AccountAddress::parse("alice@example.org").unwrap(),
        name: Some("Alice".to_owned()),
        login: "alice@example.org".to_owned(),
        level: AccountLevel::default(),
        access: server(Service::Imap, "imap.example.org", Source::Srv),
        submission: server(Service::Submission, "smtp.host.test", Source::Typed),
        password: PasswordPlace::File,
        network: NetworkSettings::default(),
    }
}

#[test]
fn text_and_back() {
    let account = account();
    let text = account.to_text().unwrap();
    assert_eq!(Account::from_text(&text), Ok((account, None)));
}

#[test]
fn a_missing_port_or_mode_is_an_incomplete_account() {
    // S2-7: never guessed
    let text = account().to_text().unwrap();
    for line in [
        "port = 993\n",
        "tls = \"implicit\"\n",
        "login = \"alice@example.org\"\n",
        "level = \"default\"\n",
    ] {
        let cut = text.replacen(line, "", 1);
        assert_ne!(cut, text, "{line}");
        assert!(
            matches!(Account::from_text(&cut), Err(AccountError::Text(_))),
            "{line}"
        );
    }
    for (line, other) in [
        ("tls = \"implicit\"", "tls = \"none\""),
        ("port = 993", "port = 0"),
        ("service = \"imap\"", "service = \"submission\""),
    ] {
        let changed = text.replacen(line, other, 1);
        assert!(
            matches!(
                Account::from_text(&changed),
                Err(AccountError::Value { .. })
            ),
            "{other}"
        );
    }
    let extra = text.replacen("login =", "accept-invalid = true\nlogin =", 1);
    assert!(matches!(
        Account::from_text(&extra),
        Err(AccountError::Text(_))
    ));
}

#[test]
fn a_level_lowered_by_hand_is_not_followed_and_warned_about() {
    // S5.2-7, S5.2-1
    let text = account()
        .to_text()
        .unwrap()
        .replace("level = \"default\"", "level = \"unprotected\"");
    let (account, notice) = Account::from_text(&text).unwrap();
    assert_eq!(account.level.current(), Level::Default);
    let notice = notice.unwrap().to_string();
    assert!(
        notice.contains("password") && notice.contains("messages"),
        "{notice}"
    );
}

#[test]
fn an_unknown_level_is_the_strictest() {
    // S5-3
    let text = account()
        .to_text()
        .unwrap()
        .replace("level = \"default\"", "level = \"none\"");
    let (account, notice) = Account::from_text(&text).unwrap();
    assert_eq!(account.level.current(), Level::Tls13);
    assert_eq!(
        notice,
        Some(LevelNotice::Unknown {
            word: "none".to_owned()
        })
    );
}

#[test]
fn a_consent_is_stored_with_its_date() {
    let mut account = account();
    let lowering = account.level.lowering(Level::Unprotected).unwrap();
    account
        .level
        .lower(lowering.agreed(Timestamp(1_800_000_000)));
    let text = account.to_text().unwrap();
    assert!(text.contains("agreed = 1800000000"), "{text}");
    let (back, notice) = Account::from_text(&text).unwrap();
    assert_eq!((back.level.current(), notice), (Level::Unprotected, None));
    assert_eq!(back.level, account.level, "the level that was left, too");
}

#[test]
fn a_stored_server_can_be_connected_to_again_without_asking() {
    let account = account();
    let approved = account.submission.approved(account.address.domain());
    assert_eq!(approved.candidate().host().as_str(), "smtp.host.test");
    let references = approved.references();
    assert_eq!(references.host.as_str(), "smtp.host.test");
    assert_eq!(references.mail_domain.as_str(), "example.org");
}
