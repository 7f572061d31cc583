//! `make ledger` prints the counts of the clause ledger and writes `docs/conformance.md`. `scripts/test` calls it with
//! `check ARTIFACTS LOG` after the tests: it writes the list of what was run, `target/tests.tsv`, and fails where the
//! ledger or the page of attacks names a test that is not among those that passed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "printing is what this program is for"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pillarbox_testkit::attacks::attacks;
use pillarbox_testkit::ledger::{Ledger, root};
use pillarbox_testkit::results::{Outcome, Results};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => page(),
        ["check", artifacts, log] => check(artifacts, log),
        _ => Err("usage: ledger [check ARTIFACTS LOG]".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn ledger() -> Result<Ledger, String> {
    Ledger::parse(&read("docs/rfc8314.tsv")?).map_err(|why| format!("docs/rfc8314.tsv: {why}"))
}

fn page() -> Result<(), String> {
    let ledger = ledger()?;
    write("docs/conformance.md", &ledger.conformance())?;
    let [done, partial, todo, exception] = ledger.counts();
    println!(
        "{} clauses: {done} done, {partial} partial, {todo} todo, {exception} exception",
        ledger.rows.len()
    );
    Ok(())
}

fn check(artifacts: &str, log: &str) -> Result<(), String> {
    let ledger = ledger()?;
    let results = Results::read(&read(artifacts)?, &read(log)?, &root());
    write("target/tests.tsv", &results.list())?;
    let attacks = attacks(&read("docs/attacks.md")?);
    let clauses = ledger.rows.iter().map(|row| (&*row.id, &*row.tests));
    let faults = results.faults(clauses.chain(attacks.iter().map(|row| (&*row.id, &*row.tests))));
    if !faults.is_empty() {
        return Err(format!(
            "these rows of docs/rfc8314.tsv and docs/attacks.md are not shown by this run (all of it: target/tests.tsv):\n{}",
            faults.join("\n")
        ));
    }
    let passed = results
        .tests
        .iter()
        .filter(|test| test.outcome == Outcome::Passed);
    println!(
        "{} tests passed; among them every one that shows one of {} clauses or {} attacks",
        passed.count(),
        ledger
            .rows
            .iter()
            .filter(|row| !row.tests.is_empty())
            .count(),
        attacks.len()
    );
    Ok(())
}

/// A path from the project's root, or an absolute one.
fn place(path: impl AsRef<Path>) -> PathBuf {
    root().join(path)
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(place(path)).map_err(|why| format!("{path}: {why}"))
}

fn write(path: &str, text: &str) -> Result<(), String> {
    std::fs::write(place(path), text).map_err(|why| format!("{path}: {why}"))
}
