//! Tables and properties of the ranking.

use proptest::prelude::*;

use super::*;
use crate::SrvRecord;

const IMAPS: Label = Label::new(Service::Imap, TlsStart::Implicit);
const IMAP: Label = Label::new(Service::Imap, TlsStart::StartTls);
const POP3S: Label = Label::new(Service::Pop3, TlsStart::Implicit);
const POP3: Label = Label::new(Service::Pop3, TlsStart::StartTls);
const SUBMISSIONS: Label = Label::new(Service::Submission, TlsStart::Implicit);
const SUBMISSION: Label = Label::new(Service::Submission, TlsStart::StartTls);

fn host(text: &str) -> Host {
    Host::parse(text).unwrap()
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn entry(label: Label, priority: u16, weight: u16, target: &str) -> Entry {
    Entry {
        label,
        priority,
        weight,
        port: label.default_port(),
        target: host(&format!("{target}.example.org")),
        status: Status::Insecure,
        verdict: Verdict::Untried,
    }
}

fn out(label: Label, priority: u16, target: &str) -> Entry {
    Entry {
        verdict: Verdict::Out,
        ..entry(label, priority, 1, target)
    }
}

fn order(family: Family, entries: &[Entry]) -> Vec<(Label, String)> {
    rank(&domain("example.org"), family, entries, &mut |_| 0)
        .iter()
        .map(|candidate| (candidate.label(), candidate.host().as_str().to_owned()))
        .map(|(label, host)| (label, host.replace(".example.org", "")))
        .collect()
}

fn names(list: &[(Label, &str)]) -> Vec<(Label, String)> {
    list.iter()
        .map(|(label, name)| (*label, (*name).to_owned()))
        .collect()
}

#[test]
fn priority_decides_and_implicit_breaks_ties() {
    // S5.1-1: both submission labels above the level
    let starttls_first = [entry(SUBMISSIONS, 10, 1, "a"), entry(SUBMISSION, 0, 1, "b")];
    assert_eq!(
        order(Family::Submission, &starttls_first),
        names(&[(SUBMISSION, "b"), (SUBMISSIONS, "a")])
    );
    let tie = [
        entry(SUBMISSION, 5, 100, "b"),
        entry(SUBMISSIONS, 5, 1, "a"),
    ];
    assert_eq!(
        order(Family::Submission, &tie),
        names(&[(SUBMISSIONS, "a"), (SUBMISSION, "b")])
    );
}

#[test]
fn below_the_level_is_dropped_before_priority_is_looked_at() {
    // S5.1-4: _pop3 and _imap at 0, both found below the level; _imaps at 50
    let entries = [
        out(POP3, 0, "p"),
        out(IMAP, 0, "i"),
        entry(IMAPS, 50, 1, "s"),
        entry(POP3S, 60, 1, "q"),
    ];
    assert_eq!(
        order(Family::Access, &entries),
        names(&[(IMAPS, "s"), (POP3S, "q")])
    );
    // S5.1-3
    let entries = [out(IMAP, 0, "i"), entry(IMAPS, 10, 1, "s")];
    assert_eq!(order(Family::Access, &entries), names(&[(IMAPS, "s")]));
}

#[test]
fn the_protocol_with_the_lowest_priority_comes_first() {
    // R6186-2
    let imap = [entry(POP3S, 10, 9, "p"), entry(IMAPS, 0, 1, "i")];
    assert_eq!(
        order(Family::Access, &imap),
        names(&[(IMAPS, "i"), (POP3S, "p")])
    );
    let pop3 = [
        entry(POP3S, 0, 0, "p"),
        entry(IMAPS, 10, 9, "i"),
        entry(POP3S, 20, 0, "q"),
    ];
    assert_eq!(
        order(Family::Access, &pop3),
        names(&[(POP3S, "p"), (POP3S, "q"), (IMAPS, "i")])
    );
    let tie = [entry(POP3S, 3, 100, "p"), entry(IMAPS, 3, 1, "i")];
    assert_eq!(
        order(Family::Access, &tie),
        names(&[(IMAPS, "i"), (POP3S, "p")])
    );
}

#[test]
fn families_do_not_mix() {
    let entries = [entry(IMAPS, 0, 1, "i"), entry(SUBMISSIONS, 0, 1, "s")];
    assert_eq!(order(Family::Access, &entries), names(&[(IMAPS, "i")]));
    assert_eq!(
        order(Family::Submission, &entries),
        names(&[(SUBMISSIONS, "s")])
    );
}

#[test]
fn a_target_of_dot_is_no_entry() {
    // R6186-1
    let record = |target: Option<&str>| SrvRecord {
        priority: 0,
        weight: 0,
        port: 0,
        target: target.map(host),
    };
    let answer = |target| SrvAnswer {
        status: Status::Secure,
        records: vec![record(target)],
    };
    let entries = entries(&[
        (IMAP, answer(None)),
        (IMAPS, answer(Some("imap.example.org"))),
        (POP3, answer(None)),
    ]);
    assert_eq!(order(Family::Access, &entries), names(&[(IMAPS, "imap")]));
}

#[test]
fn weights_share_out_a_thousand_setups() {
    let entries = [
        entry(IMAPS, 0, 1, "one"),
        entry(IMAPS, 0, 9, "nine"),
        entry(POP3S, 0, 60_000, "p"), // never influences the choice among _imaps
    ];
    let mut counter = 0_u64;
    let mut ones = 0;
    for _ in 0..1000 {
        let mut draw = |n: u64| {
            // a full-period walk: even, and not in step with the shares
            counter = counter.wrapping_add(0x9E37_79B9_7F4A_7C15);
            ((u128::from(counter) * u128::from(n)) >> 64) as u64
        };
        let ranked = rank(&domain("example.org"), Family::Access, &entries, &mut draw);
        ones += usize::from(ranked[0].host().as_str().starts_with("one"));
        assert_eq!(ranked.len(), 3);
        assert_eq!(ranked[2].service(), Service::Pop3);
    }
    assert!((80..=120).contains(&ones), "{ones}");
}

#[test]
fn weight_zero_is_rare_but_not_never() {
    let entries = [entry(IMAPS, 0, 0, "zero"), entry(IMAPS, 0, 1, "one")];
    let first = |ticket: u64| {
        let ranked = rank(&domain("example.org"), Family::Access, &entries, &mut |n| {
            assert!(n == 257 || n == 1 || n == 256, "{n}");
            ticket.min(n - 1)
        });
        ranked[0].host().as_str().to_owned()
    };
    assert_eq!(first(0), "zero.example.org");
    assert_eq!(first(1), "one.example.org");
    assert_eq!(first(256), "one.example.org");
}

#[test]
fn implicit_tls_is_never_followed_by_starttls() {
    let candidate = |label| {
        Candidate::from_srv(
            &domain("example.org"),
            label,
            host("m.example.org"),
            1,
            Status::Secure,
        )
    };
    assert!(!may_follow(&candidate(IMAPS), &candidate(IMAP)));
    assert!(!may_follow(&candidate(IMAPS), &candidate(POP3)));
    assert!(may_follow(&candidate(IMAPS), &candidate(POP3S)));
    assert!(may_follow(&candidate(IMAP), &candidate(IMAPS)));
    assert!(may_follow(&candidate(IMAP), &candidate(IMAP)));
}

fn any_entry() -> impl Strategy<Value = Entry> {
    (0..6_usize, 0..4_u16, 0..4_u16, 0..9_u8, any::<bool>()).prop_map(
        |(label, priority, weight, host, known_out)| Entry {
            verdict: if known_out {
                Verdict::Out
            } else {
                Verdict::Untried
            },
            ..entry(Label::ALL[label], priority, weight, &format!("h{host}"))
        },
    )
}

proptest! {
    #[test]
    fn ranking_is_a_sorted_permutation_of_what_is_left(
        entries in proptest::collection::vec(any_entry(), 0..20),
        tickets in proptest::collection::vec(any::<u64>(), 1..40),
    ) {
        for family in [Family::Access, Family::Submission] {
            let mut at = 0;
            let mut draw = |n: u64| { at += 1; tickets[at % tickets.len()] % n };
            let ranked = rank(&domain("example.org"), family, &entries, &mut draw);
            let key = |label: Label, host: &Host| (label, host.clone());
            let mut expected: Vec<_> = entries.iter()
                .filter(|e| e.verdict != Verdict::Out && e.label.service.family() == family)
                .map(|e| key(e.label, &e.target)).collect();
            let mut found: Vec<_> = ranked.iter().map(|c| key(c.label(), c.host())).collect();
            expected.sort();
            found.sort();
            prop_assert_eq!(expected, found);
            // a protocol's servers stand together
            let services: Vec<_> = ranked.iter().map(Candidate::service).collect();
            prop_assert!(services.chunk_by(|a, b| a == b).count() <= 2);
        }
    }

    #[test]
    fn dropping_an_entry_equals_its_absence(entries in proptest::collection::vec(any_entry(), 0..12)) {
        let without: Vec<_> = entries.iter().filter(|e| e.verdict != Verdict::Out).cloned().collect();
        prop_assert_eq!(order(Family::Access, &entries), order(Family::Access, &without));
    }
}
