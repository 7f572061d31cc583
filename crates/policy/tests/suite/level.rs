//! Levels against facts, as a table; and what holds for every pair.

use pillarbox_policy::{
    AccountLevel, ConsentRecord, Credentials, Level, PeerProof, Refusal, RefusalCode, Secret,
    StoredLevel, Timestamp, TlsFacts, TlsVersion,
};
use pillarbox_testkit::facts_with;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_795_000_000);

fn pkix() -> PeerProof {
    PeerProof::Pkix {
        name: "mail.example.org".to_owned(),
    }
}

fn dane() -> PeerProof {
    PeerProof::Dane {
        name: "mail.example.org".to_owned(),
    }
}

fn pinned() -> PeerProof {
    PeerProof::Pinned {
        fingerprint: "00".repeat(32),
    }
}

/// What a server may know of a client; it proves no server.
fn client() -> PeerProof {
    PeerProof::ClientCertificate {
        fingerprint: "ab".repeat(32),
    }
}

fn facts(version: TlsVersion, peer: PeerProof) -> TlsFacts {
    facts_with(|parts| {
        parts.version = version;
        parts.peer = peer;
    })
}

#[test]
fn every_level_against_every_kind_of_facts() {
    use Level::{Default, Tls13, Unprotected};
    use TlsVersion::{Tls12, Tls13 as V13};
    let version = || Some(RefusalCode::LevelTlsVersion);
    let pin = || Some(RefusalCode::PinOnly);
    let peer = || Some(RefusalCode::LevelPeer);
    #[rustfmt::skip]
    let table = [
        // level      version  peer                   refusal
        (Unprotected, Tls12,   pkix(),                None),
        (Unprotected, Tls12,   pinned(),              None),
        (Unprotected, Tls12,   PeerProof::Anonymous,  None),
        (Unprotected, Tls12,   client(),              None),
        (Unprotected, V13,     pkix(),                None),
        (Default,     Tls12,   pkix(),                None),
        (Default,     Tls12,   dane(),                None),
        (Default,     Tls12,   pinned(),              pin()),
        (Default,     Tls12,   PeerProof::Anonymous,  peer()),
        (Default,     V13,     pinned(),              pin()),
        (Default,     V13,     PeerProof::Anonymous,  peer()),
        (Default,     V13,     client(),              peer()),
        (Tls13,       Tls12,   pkix(),                version()),
        (Tls13,       Tls12,   pinned(),              version()),
        (Tls13,       V13,     pkix(),                None),
        (Tls13,       V13,     dane(),                None),
        (Tls13,       V13,     pinned(),              pin()),
        (Tls13,       V13,     PeerProof::Anonymous,  peer()),
        (Tls13,       V13,     client(),              peer()),
    ];
    for (level, version, peer, expected) in table {
        let row = format!("{level} {version} {peer:?}");
        let answer = level.permits(&facts(version, peer)).err();
        assert_eq!(answer.map(|refusal| refusal.code()), expected, "{row}");
    }
}

#[test]
fn a_refusal_names_what_was_needed_and_what_was_offered() {
    let refusal = Level::Tls13
        .permits(&facts(TlsVersion::Tls12, pkix()))
        .unwrap_err();
    assert_eq!(
        refusal,
        Refusal::Version {
            needed: TlsVersion::Tls13,
            offered: TlsVersion::Tls12
        }
    );
}

#[test]
fn the_default_demands_a_validated_certificate_and_tls_1_2() {
    let level = AccountLevel::default().current();
    assert_eq!(level, Level::Default);
    assert_eq!(level.least_version(), TlsVersion::Tls12);
    assert_eq!(
        level
            .permits(&facts(TlsVersion::Tls12, PeerProof::Anonymous))
            .unwrap_err()
            .code(),
        RefusalCode::LevelPeer
    );
}

#[test]
fn levels_are_stored_by_name() {
    for level in Level::ALL {
        assert_eq!(Level::from_name(level.as_str()), Some(level));
    }
    assert_eq!(Level::from_name("automatic"), None);
}

#[test]
fn lowering_needs_the_consent_given_for_that_step() {
    let mut account = AccountLevel::default();
    assert!(account.lowering(Level::Default).is_none());
    assert!(account.lowering(Level::Tls13).is_none());
    let lowering = account.lowering(Level::Unprotected).unwrap();
    let warning = lowering.warning();
    assert!(
        warning.contains("passwords") && warning.contains("messages"),
        "S5.2-7: {warning}"
    );
    let early = lowering.agreed(NOW);

    account.raise(Level::Tls13);
    account.lower(early);
    assert_eq!(
        account.current(),
        Level::Tls13,
        "a consent for another step changes nothing"
    );

    account.lower(account.lowering(Level::Unprotected).unwrap().agreed(NOW));
    assert_eq!(account.current(), Level::Unprotected);
    let consent = ConsentRecord {
        from: Level::Tls13,
        to: Level::Unprotected,
        at: NOW,
    };
    assert_eq!(account.to_store().consent, Some(consent));
    assert_eq!(account.consent(), Some(consent));
}

/// A consent is to one step down, and ends with the next step up; where nothing moves, it stands.
#[test]
fn a_consent_ends_where_the_level_rises() {
    let mut account = AccountLevel::default();
    assert_eq!(account.consent(), None);
    account.lower(account.lowering(Level::Unprotected).unwrap().agreed(NOW));
    let lowered = account.clone();
    assert!(lowered.consent().is_some());
    account.raise(Level::Unprotected);
    assert_eq!(account, lowered, "it stands there already");
    account.raise(Level::Default);
    assert_eq!(
        (account.current(), account.consent()),
        (Level::Default, None)
    );
    account.raise(Level::Unprotected);
    assert_eq!(account.current(), Level::Default, "raising does not lower");
}

fn stored(level: Level, consent: Option<(Level, Level)>) -> StoredLevel {
    let consent = consent.map(|(from, to)| ConsentRecord { from, to, at: NOW });
    StoredLevel { level, consent }
}

#[test]
fn a_stored_consent_counts_only_whole() {
    use Level::{Default, Tls13, Unprotected};
    #[rustfmt::skip]
    let table = [
        // what is stored                                    the level in force, and whether the consent stands
        (stored(Unprotected, None),                          Default, false),
        (stored(Unprotected, Some((Default, Unprotected))),  Unprotected, true),
        (stored(Unprotected, Some((Tls13, Unprotected))),    Unprotected, true),
        (stored(Default,     Some((Tls13, Default))),        Default, true),
        (stored(Tls13,       None),                          Tls13, false),
        // a consent to another step, or to none
        (stored(Unprotected, Some((Tls13, Default))),        Default, false),
        (stored(Unprotected, Some((Unprotected, Unprotected))), Default, false),
        (stored(Tls13,       Some((Default, Tls13))),        Tls13, false),
        (stored(Default,     Some((Default, Unprotected))),  Default, false),
    ];
    for (stored, level, stands) in table {
        let restored = AccountLevel::restore_from_account_file(stored);
        assert_eq!(restored.current(), level, "{stored:?}");
        let consent = restored.to_store().consent;
        assert_eq!(consent, stored.consent.filter(|_| stands), "{stored:?}");
        let again = AccountLevel::restore_from_account_file(restored.to_store());
        assert_eq!(again, restored);
    }
}

#[test]
fn accounts_have_levels_of_their_own() {
    let (mut strict, mut lax) = (AccountLevel::default(), AccountLevel::default());
    strict.raise(Level::Tls13);
    lax.lower(lax.lowering(Level::Unprotected).unwrap().agreed(NOW));
    let channel = facts(TlsVersion::Tls12, pinned());
    assert!(
        Credentials::new("a", Secret::from("x"), &strict)
            .release(&channel)
            .is_err()
    );
    assert!(
        Credentials::new("b", Secret::from("y"), &lax)
            .release(&channel)
            .is_ok()
    );
}

#[test]
fn the_box_opens_only_for_facts_that_meet_the_level() {
    let credentials = Credentials::new("juliet", Secret::from("s3cret"), &AccountLevel::default());
    let refusal = credentials
        .release(&facts(TlsVersion::Tls13, pinned()))
        .unwrap_err();
    assert_eq!(
        refusal,
        Refusal::PinOnly {
            level: Level::Default
        }
    );
    assert_eq!(credentials.login(), "juliet");
    let good = facts(TlsVersion::Tls13, pkix());
    let released = credentials.release(&good).unwrap();
    assert_eq!(
        (released.login(), released.password().expose()),
        ("juliet", "s3cret")
    );
}

#[test]
fn nothing_prints_a_secret() {
    let credentials = Credentials::new("juliet", Secret::from("s3cret"), &AccountLevel::default());
    let good = facts(TlsVersion::Tls13, pkix());
    let released = credentials.release(&good).unwrap();
    let printed = format!(
        "{credentials:?} {released:?} {:?} {good:?}",
        released.password()
    );
    assert!(!printed.contains("s3cret"), "{printed}");
    assert!(
        !printed.contains("7, 7, 7"),
        "channel binding data is not printed: {printed}"
    );
}

fn any_facts() -> impl Strategy<Value = TlsFacts> {
    let version = prop_oneof![Just(TlsVersion::Tls12), Just(TlsVersion::Tls13)];
    let peer = prop_oneof![
        Just(PeerProof::Anonymous),
        Just(pkix()),
        Just(dane()),
        Just(pinned()),
        Just(client())
    ];
    (version, peer).prop_map(|(version, peer)| facts(version, peer))
}

proptest! {
    #[test]
    fn raising_a_level_never_turns_a_refusal_into_a_release(
        facts in any_facts(), low in 0usize..3, high in 0usize..3,
    ) {
        let (low, high) = (Level::ALL[low.min(high)], Level::ALL[low.max(high)]);
        if low.permits(&facts).is_err() {
            prop_assert!(high.permits(&facts).is_err());
        }
    }
}

/// Every proof there is, with whether it proves that a server is the one that was meant (S5-5, S5.3-4): written down
/// here, not asked of the code under test.
#[test]
fn no_level_but_unprotected_is_met_without_proof_of_the_server() {
    for (peer, proves) in [
        (pkix(), true),
        (dane(), true),
        (pinned(), false),
        (client(), false),
        (PeerProof::Anonymous, false),
    ] {
        // A new kind of proof does not compile until it has its row above.
        match peer {
            PeerProof::Pkix { .. }
            | PeerProof::Dane { .. }
            | PeerProof::Pinned { .. }
            | PeerProof::ClientCertificate { .. }
            | PeerProof::Anonymous => {}
        }
        let facts = facts(TlsVersion::Tls13, peer);
        assert!(Level::Unprotected.permits(&facts).is_ok(), "{facts:?}");
        for level in [Level::Default, Level::Tls13] {
            assert_eq!(level.permits(&facts).is_ok(), proves, "{level} {facts:?}");
        }
    }
}
