//! The ladder: who is admitted where, and that it only climbs.

use pillarbox_names::TlsStart;
use pillarbox_policy::{
    Channel, Code, Grant, Ladder, LadderRefusal, LegacyWindow, MayAuthenticate, NoTls, Ratchet,
    Rung, Timestamp, TlsVersion, may_authenticate,
};
use pillarbox_testkit::facts_with;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_795_000_000);

fn clear() -> Channel {
    Channel::Clear(NoTls::NotOffered)
}

fn sealed(tls_start: TlsStart, version: TlsVersion) -> Channel {
    Channel::Sealed(facts_with(|parts| {
        parts.tls_start = tls_start;
        parts.version = version;
    }))
}

#[test]
fn who_is_admitted_where() {
    use TlsStart::{Implicit, StartTls};
    use TlsVersion::{Tls12, Tls13};
    let later = Rung::Cleartext {
        until: NOW.plus_days(1),
    };
    let over = Rung::Cleartext { until: NOW };
    let tls = Some(LadderRefusal::NeedsTls);
    let implicit = Some(LadderRefusal::NeedsImplicitTls);
    let v13 = Some(LadderRefusal::NeedsVersion(Tls13));
    #[rustfmt::skip]
    let table = [
        (later,              Tls12, clear(),                 None),
        (over,               Tls12, clear(),                 tls),
        (Rung::StartTls,     Tls12, clear(),                 tls),
        (Rung::ImplicitTls,  Tls12, clear(),                 tls),
        (over,               Tls12, sealed(StartTls, Tls12), None),
        (Rung::StartTls,     Tls12, sealed(StartTls, Tls12), None),
        (Rung::StartTls,     Tls13, sealed(StartTls, Tls12), v13),
        (Rung::ImplicitTls,  Tls12, sealed(StartTls, Tls13), implicit),
        (Rung::ImplicitTls,  Tls12, sealed(Implicit, Tls12), None),
        (Rung::ImplicitTls,  Tls13, sealed(Implicit, Tls12), v13),
        (Rung::ImplicitTls,  Tls13, sealed(Implicit, Tls13), None),
    ];
    for (rung, least, channel, expected) in table {
        let ladder = Ladder::restore(rung, least, None, NOW);
        assert_eq!(
            ladder.admits(&channel, NOW).err(),
            expected,
            "{rung:?} {least} {channel:?}"
        );
    }
}

#[test]
fn a_new_account_needs_tls_from_the_first_day() {
    let ladder = Ladder::new(NOW);
    let refusal = ladder.admits(&clear(), NOW).unwrap_err();
    assert_eq!(
        (refusal, refusal.code()),
        (LadderRefusal::NeedsTls, Code::PrivacyRequired)
    );
    assert!(
        ladder
            .admits(&sealed(TlsStart::StartTls, TlsVersion::Tls12), NOW)
            .is_ok()
    );
    assert_eq!(ladder.least_version(), TlsVersion::Tls12);
}

#[test]
fn the_ratchet_waits_for_quiet_days() {
    let ratchet = Ratchet { days: 30 };
    let mut ladder = Ladder::new(NOW);
    assert!(!ladder.ratchet(ratchet, NOW.plus_days(29)));
    ladder.used(
        &sealed(TlsStart::StartTls, TlsVersion::Tls13),
        NOW.plus_days(20),
    );
    assert!(!ladder.ratchet(ratchet, NOW.plus_days(49)));
    ladder.used(
        &sealed(TlsStart::Implicit, TlsVersion::Tls13),
        NOW.plus_days(49),
    );
    assert!(ladder.ratchet(ratchet, NOW.plus_days(50)));
    assert_eq!(ladder.rung(), Rung::ImplicitTls);
    assert!(
        !ladder.ratchet(ratchet, NOW.plus_days(500)),
        "it is at the top"
    );
}

#[test]
fn only_a_grant_leads_down() {
    let mut ladder = Ladder::restore(Rung::ImplicitTls, TlsVersion::Tls13, None, NOW);
    assert!(!ladder.climb(Rung::StartTls, TlsVersion::Tls12, NOW));
    assert_eq!(
        (ladder.rung(), ladder.least_version()),
        (Rung::ImplicitTls, TlsVersion::Tls13)
    );
    let until = NOW.plus_days(14);
    ladder.grant(&Grant {
        rung: Rung::Cleartext { until },
        least_version: TlsVersion::Tls12,
        reason: "fax machine in room 12".to_owned(),
        at: NOW,
    });
    assert!(ladder.admits(&clear(), NOW).is_ok());
    assert_eq!(
        ladder.admits(&clear(), until).unwrap_err(),
        LadderRefusal::NeedsTls
    );
}

#[test]
fn cleartext_authentication_needs_an_open_window() {
    assert_eq!(
        may_authenticate(&clear(), None),
        MayAuthenticate::NotBeforeTls
    );
    let suspicious = Channel::Clear(NoTls::StripSuspected);
    assert_eq!(
        may_authenticate(&suspicious, None),
        MayAuthenticate::NotBeforeTls
    );
    let tls = sealed(TlsStart::StartTls, TlsVersion::Tls12);
    assert!(matches!(
        may_authenticate(&tls, None),
        MayAuthenticate::Yes(_)
    ));
    let window = LegacyWindow::open(NOW.plus_days(1), NOW).unwrap();
    assert!(matches!(
        may_authenticate(&clear(), Some(&window)),
        MayAuthenticate::Yes(_)
    ));
    assert_eq!(
        LegacyWindow::open(NOW, NOW),
        None,
        "a window that has closed cannot be had"
    );
}

fn any_rung() -> impl Strategy<Value = Rung> {
    prop_oneof![
        (0u32..100).prop_map(|days| Rung::Cleartext {
            until: NOW.plus_days(days)
        }),
        Just(Rung::StartTls),
        Just(Rung::ImplicitTls),
    ]
}

fn any_version() -> impl Strategy<Value = TlsVersion> {
    prop_oneof![Just(TlsVersion::Tls12), Just(TlsVersion::Tls13)]
}

fn every_channel() -> Vec<Channel> {
    let mut all = vec![clear()];
    for start in [TlsStart::Implicit, TlsStart::StartTls] {
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            all.push(sealed(start, version));
        }
    }
    all
}

proptest! {
    /// Whatever is done to a ladder short of a grant, it never again admits a channel it refused.
    #[test]
    fn it_only_climbs(
        start in any_rung(),
        least in any_version(),
        steps in proptest::collection::vec((any_rung(), any_version(), 0u32..40, 0usize..7, any::<bool>()), 0..12),
    ) {
        let mut ladder = Ladder::restore(start, least, None, NOW);
        let mut now = NOW;
        let channels = every_channel();
        let mut refused = vec![false; channels.len()];
        for (rung, version, days, used, climbs) in steps {
            now = now.plus_days(days);
            for (channel, refused) in channels.iter().zip(&mut refused) {
                let admitted = ladder.admits(channel, now).is_ok();
                prop_assert!(!(*refused && admitted), "{channel:?} was refused and is admitted again by {ladder:?}");
                *refused |= !admitted;
            }
            ladder.used(&channels[used], now);
            if climbs {
                ladder.climb(rung, version, now);
            } else {
                ladder.ratchet(Ratchet { days: 7 }, now);
            }
        }
    }
}
