//! The ladder: who is admitted where, and that it only climbs.

use std::net::IpAddr;

use pillarbox_names::TlsStart;
use pillarbox_policy::{
    Channel, ClearFacts, CleartextGrant, Grant, Grants, Ladder, LadderRefusal, MayAuthenticate,
    Ratchet, RefusalCode, Rung, Timestamp, TlsEnd, TlsFacts, TlsVersion, may_authenticate,
};
use pillarbox_testkit::{clear_facts, facts_with};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_795_000_000);

/// What a channel is a view of.
#[derive(Debug)]
enum Over {
    Tls(TlsFacts),
    Cleartext(ClearFacts),
}

impl Over {
    fn channel(&self) -> Channel<'_> {
        match self {
            Self::Tls(facts) => Channel::Sealed(facts),
            Self::Cleartext(facts) => Channel::Clear(facts),
        }
    }
}

fn clear() -> Over {
    Over::Cleartext(clear_facts())
}

fn sealed(tls_start: TlsStart, version: TlsVersion) -> Over {
    Over::Tls(facts_with(|parts| {
        parts.tls_start = tls_start;
        parts.version = version;
    }))
}

fn at_balancer(tls_start: TlsStart, version: TlsVersion) -> Over {
    Over::Tls(facts_with(|parts| {
        parts.tls_start = tls_start;
        parts.version = version;
        parts.tls_end = TlsEnd::Balancer(IpAddr::from([192, 0, 2, 9]));
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
        (Rung::ImplicitTls,  Tls13, at_balancer(Implicit, Tls13), None),
        (Rung::ImplicitTls,  Tls13, at_balancer(StartTls, Tls13), implicit),
    ];
    for (rung, least, channel, expected) in table {
        let ladder = Ladder::restore(rung, least, None, NOW);
        assert_eq!(
            ladder.admits(channel.channel(), NOW).err(),
            expected,
            "{rung:?} {least} {channel:?}"
        );
    }
}

#[test]
fn a_new_account_needs_tls_from_the_first_day() {
    let ladder = Ladder::new(NOW);
    let refusal = ladder.admits(clear().channel(), NOW).unwrap_err();
    assert_eq!(
        (refusal, refusal.code()),
        (LadderRefusal::NeedsTls, RefusalCode::PrivacyRequired)
    );
    assert!(
        ladder
            .admits(sealed(TlsStart::StartTls, TlsVersion::Tls12).channel(), NOW)
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
        sealed(TlsStart::StartTls, TlsVersion::Tls13).channel(),
        NOW.plus_days(20),
    );
    assert!(!ladder.ratchet(ratchet, NOW.plus_days(49)));
    ladder.used(
        sealed(TlsStart::Implicit, TlsVersion::Tls13).channel(),
        NOW.plus_days(49),
    );
    assert!(ladder.ratchet(ratchet, NOW.plus_days(50)));
    assert_eq!(ladder.rung(), Rung::ImplicitTls);
    assert!(
        !ladder.ratchet(ratchet, NOW.plus_days(500)),
        "it is at the top"
    );
}

/// Only what is weaker than implicit TLS counts as a weaker use (S4.1-2).
#[test]
fn the_last_weaker_use_is_kept() {
    let mut ladder = Ladder::new(NOW);
    assert_eq!(ladder.weaker_use(), None);
    for (days, over, last) in [
        (1, sealed(TlsStart::Implicit, TlsVersion::Tls12), None),
        (2, sealed(TlsStart::StartTls, TlsVersion::Tls13), Some(2)),
        (3, sealed(TlsStart::Implicit, TlsVersion::Tls13), Some(2)),
        (4, clear(), Some(4)),
    ] {
        ladder.used(over.channel(), NOW.plus_days(days));
        let last = last.map(|days| NOW.plus_days(days));
        assert_eq!(ladder.weaker_use(), last, "{over:?}");
    }
}

/// What the operator asks for moves an account up or not at all, and only a move starts its days anew.
#[test]
fn what_is_a_climb() {
    use TlsVersion::{Tls12, Tls13};
    let cleartext = |days| Rung::Cleartext {
        until: NOW.plus_days(days),
    };
    #[rustfmt::skip]
    let table = [
        // from                         to                              moves
        ((cleartext(9),      Tls12),   (cleartext(8),      Tls12),   true),
        ((cleartext(9),      Tls12),   (cleartext(9),      Tls12),   false),
        ((cleartext(9),      Tls12),   (cleartext(10),     Tls12),   false),
        ((cleartext(9),      Tls12),   (Rung::StartTls,    Tls12),   true),
        ((Rung::StartTls,    Tls12),   (cleartext(9),      Tls12),   false),
        ((Rung::StartTls,    Tls12),   (Rung::StartTls,    Tls12),   false),
        ((Rung::StartTls,    Tls12),   (Rung::StartTls,    Tls13),   true),
        ((Rung::StartTls,    Tls13),   (Rung::StartTls,    Tls12),   false),
        ((Rung::StartTls,    Tls12),   (Rung::ImplicitTls, Tls12),   true),
        ((Rung::StartTls,    Tls12),   (Rung::ImplicitTls, Tls13),   true),
        ((Rung::ImplicitTls, Tls12),   (Rung::ImplicitTls, Tls12),   false),
    ];
    let now = NOW.plus_days(1);
    for (from, to, moves) in table {
        let mut ladder = Ladder::restore(from.0, from.1, None, NOW);
        assert_eq!(ladder.climb(to.0, to.1, now), moves, "{from:?} {to:?}");
        let (stands, since) = if moves { (to, now) } else { (from, NOW) };
        assert_eq!(ladder, Ladder::restore(stands.0, stands.1, None, since));
    }
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
    assert!(ladder.admits(clear().channel(), NOW).is_ok());
    assert_eq!(
        ladder.admits(clear().channel(), until).unwrap_err(),
        LadderRefusal::NeedsTls
    );
}

fn grants(networks: &[&str], until: Timestamp) -> Grants {
    let grant = CleartextGrant {
        account: "fax@example.org".to_owned(),
        networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
        until,
        reason: "fax machine in room 12".to_owned(),
        given: NOW,
    };
    Grants::restore(vec![grant], NOW)
}

#[test]
fn cleartext_authentication_needs_an_open_window() {
    let permitted = |over: &Over, window| {
        let answer = may_authenticate(over.channel(), window);
        matches!(answer, MayAuthenticate::Yes(permit)
            if permit.channel().connection() == over.channel().connection())
    };
    let peer = clear_facts().peer();
    assert!(!permitted(&clear(), None));
    assert!(permitted(
        &sealed(TlsStart::StartTls, TlsVersion::Tls12),
        None
    ));
    let window = grants(&[], NOW.plus_days(1)).window(peer).unwrap();
    assert!(permitted(&clear(), Some(&window)));
    assert!(
        grants(&[], NOW).window(peer).is_none(),
        "a window that has closed cannot be had"
    );
    let other = grants(&[], NOW.plus_days(1)).window([192, 0, 2, 77].into());
    assert!(
        !permitted(&clear(), other.as_ref()),
        "a window is for the peer it was opened for"
    );
}

#[test]
fn a_grant_may_name_networks() {
    let open = |networks: &[&str], peer: &str| {
        let peer = peer.parse().unwrap();
        grants(networks, NOW.plus_days(1)).window(peer).is_some()
    };
    assert!(open(&["192.0.2.0/28", "2001:db8::/64"], "192.0.2.15"));
    assert!(open(&["192.0.2.0/28", "2001:db8::/64"], "2001:db8::7"));
    assert!(!open(&["192.0.2.0/28"], "192.0.2.16"));
    assert!(open(&[], "203.0.113.1"));
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

fn every_channel() -> Vec<Over> {
    let mut all = vec![clear()];
    for tls_start in [TlsStart::Implicit, TlsStart::StartTls] {
        for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            all.push(sealed(tls_start, version));
            all.push(at_balancer(tls_start, version));
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
        steps in proptest::collection::vec((any_rung(), any_version(), 0u32..40, 0usize..9, any::<bool>()), 0..12),
    ) {
        let mut ladder = Ladder::restore(start, least, None, NOW);
        let mut now = NOW;
        let channels = every_channel();
        let mut refused = vec![false; channels.len()];
        for (rung, version, days, used, climbs) in steps {
            now = now.plus_days(days);
            for (channel, refused) in channels.iter().zip(&mut refused) {
                let admitted = ladder.admits(channel.channel(), now).is_ok();
                prop_assert!(!(*refused && admitted), "{channel:?} was refused and is admitted again by {ladder:?}");
                *refused |= !admitted;
            }
            ladder.used(channels[used].channel(), now);
            if climbs {
                ladder.climb(rung, version, now);
            } else {
                ladder.ratchet(Ratchet { days: 7 }, now);
            }
        }
    }
}
