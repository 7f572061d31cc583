//! `make ledger`: prints the counts of the clause ledger and writes `docs/conformance.md`.
#![expect(clippy::print_stdout, reason = "printing is what this program is for")]

use pillarbox_testkit::ledger::{Ledger, root};

fn main() -> Result<(), String> {
    let path = root().join("docs/rfc8314.tsv");
    let text =
        std::fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))?;
    let ledger = Ledger::parse(&text).map_err(|why| format!("{}: {why}", path.display()))?;
    let page = root().join("docs/conformance.md");
    std::fs::write(&page, ledger.conformance())
        .map_err(|why| format!("{}: {why}", page.display()))?;
    let [done, partial, todo, exception] = ledger.counts();
    println!(
        "{} clauses: {done} done, {partial} partial, {todo} todo, {exception} exception",
        ledger.rows.len()
    );
    Ok(())
}
