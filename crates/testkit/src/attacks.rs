//! The page of attacks, `docs/attacks.md`: one row per attack, with where it is refused and what shows it.

use crate::ledger::Reference;

/// One row.
#[derive(Debug, Clone)]
pub struct Attack {
    /// `S`, `C` or `H` (on servers, on clients, on hosts that share a certificate) and a number.
    pub id: String,
    /// Where it is refused.
    pub code: Vec<Reference>,
    /// What shows it.
    pub tests: Vec<Reference>,
}

/// The rows of the page, in its order. Other tables and text are passed over.
#[must_use]
pub fn attacks(page: &str) -> Vec<Attack> {
    let references = |cell: &str| {
        let quoted = cell.split('`').skip(1).step_by(2);
        quoted.map(Reference::parse).collect::<Vec<_>>()
    };
    page.lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let ["", id, _, code, tests, ""] = cells.as_slice() else {
                return None;
            };
            let number = id.strip_prefix(['S', 'C', 'H'])?;
            number.parse::<u32>().ok()?;
            Some(Attack {
                id: (*id).to_owned(),
                code: references(code),
                tests: references(tests),
            })
        })
        .collect()
}
