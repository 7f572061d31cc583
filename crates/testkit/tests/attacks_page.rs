//! `docs/attacks.md` has a row for every attack, and names code that is there and tests in files that are there.
//! Whether those tests ran and passed is checked by `scripts/test`, after the run.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read the project fails"
)]

use pillarbox_testkit::attacks::{Attack, attacks};
use pillarbox_testkit::ledger::root;

/// What is wrong with a page.
fn faults(page: &str) -> Vec<String> {
    let rows = attacks(page);
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    let expected: Vec<String> = [("S", 9), ("C", 23), ("H", 5)]
        .into_iter()
        .flat_map(|(kind, last)| (1..=last).map(move |number| format!("{kind}{number}")))
        .collect();
    let mut faults = Vec::new();
    if ids != expected {
        faults.push(format!("the rows are {ids:?}"));
    }
    for Attack { id, code, tests } in &rows {
        if code.is_empty() || tests.is_empty() {
            faults.push(format!("{id}: no code, or no test"));
        }
        let code = code.iter().map(|place| place.check_code(&root()));
        let tests = tests.iter().map(|place| place.check_test(&root()));
        faults.extend(
            code.chain(tests)
                .filter_map(Result::err)
                .map(|why| format!("{id}: {why}")),
        );
    }
    faults
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/attacks.md")).unwrap()
}

#[test]
fn every_attack_has_its_row_and_every_reference_leads_somewhere() {
    let faults = faults(&page());
    assert!(
        faults.is_empty(),
        "mend docs/attacks.md:\n{}",
        faults.join("\n")
    );
}

#[test]
fn a_faulty_page_is_found_out() {
    let page = page();
    for (word, other, fault) in [
        ("| C13 |", "| C99 |", "the rows are"),
        (
            "#s1_command_injection_pop3",
            "",
            "names a file but no test in it",
        ),
        (
            "tests/suite/attacks.rs#s2_",
            "tests/suite/gone.rs#s2_",
            "does not exist",
        ),
        ("#fn may_authenticate", "#fn may_not", "has no `fn may_not`"),
    ] {
        assert!(page.contains(word), "{word}");
        let found = faults(&page.replacen(word, other, 1));
        assert!(
            found.iter().any(|found| found.contains(fault)),
            "{word}: {found:?}"
        );
    }
}
