//! The clause ledger is whole, and names code that is there and tests in files that are there. Whether those tests ran
//! and passed is checked by `scripts/test`, after the run.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read the project fails"
)]

use pillarbox_testkit::ledger::{Ledger, root};

const IDS: &str = include_str!("rfc8314-ids.txt");

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

#[test]
fn every_clause_has_one_row_and_every_reference_leads_somewhere() {
    let ledger = Ledger::parse(&read("docs/rfc8314.tsv")).unwrap();
    let faults = ledger.faults(&root(), IDS);
    assert!(
        faults.is_empty(),
        "mend docs/rfc8314.tsv:\n{}",
        faults.join("\n")
    );
}

#[test]
fn the_conformance_page_is_up_to_date() {
    let ledger = Ledger::parse(&read("docs/rfc8314.tsv")).unwrap();
    assert!(
        read("docs/conformance.md") == ledger.conformance(),
        "run `make ledger` and commit docs/conformance.md"
    );
}

#[test]
fn a_faulty_ledger_is_found_out() {
    let header = "id\tlevel\trequirement\tstatus\tcode\ttests";
    let faults = |rows: &str, ids: &str| {
        Ledger::parse(&format!("{header}\n{rows}"))
            .unwrap()
            .faults(&root(), ids)
    };
    assert_eq!(faults("S1-1\tINFO\tx\ttodo\t\t\n", "S1-1\n"), [""; 0]);
    assert_eq!(faults("", "S1-1\n"), ["S1-1: 0 rows, not 1"]);
    assert_eq!(
        faults("S9-9\tINFO\tx\ttodo\t\t\n", ""),
        ["S9-9: no such clause"]
    );
    assert_eq!(
        faults("S1-1\tINFO\tx\tdone\tMakefile\t\n", "S1-1\n"),
        ["S1-1: done, but no test shows it"]
    );
    assert_eq!(
        faults(
            "S1-1\tINFO\tx\ttodo\tcrates/no.rs\tcrates/testkit/tests/ledger.rs\n",
            "S1-1\n"
        ),
        [
            "S1-1: crates/no.rs does not exist",
            "S1-1: crates/testkit/tests/ledger.rs names a file but no test in it"
        ]
    );
    assert!(
        Ledger::parse(&format!("{header}\nS1-1\tINFO\tx\texception\t\t\n")).is_err(),
        "a reason is owed"
    );
    assert!(Ledger::parse(&format!("{header}\nS1-1\tINFO\tx\tyes\t\t\n")).is_err());
}
