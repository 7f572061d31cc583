//! The clause ledger, `docs/rfc8314.tsv`: one row per clause we are held to, with what carries it out and what
//! shows it. Read by the test that checks it, by `make ledger`, which writes `docs/conformance.md`, and by
//! `scripts/test`, which asks whether the tests it names ran and passed ([`crate::results`]).

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// How far a clause is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Carried out, and shown by a test.
    Done,
    /// Carried out in part; the text says what is missing.
    Partial(String),
    /// Not yet.
    Todo,
    /// Deliberately not carried out; the text says why.
    Exception(String),
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Clause id, such as `S4.3-1`.
    pub id: String,
    /// `MUST`, `SHOULD`, ... or `INFO`.
    pub level: String,
    /// What the clause asks for.
    pub requirement: String,
    /// How far it is carried out.
    pub status: Status,
    /// Where: paths from the root, each with an optional `#item` that stands in the file.
    pub code: Vec<Reference>,
    /// What shows it: `path.rs#test_function`, or `path.rs#doctest:Item`.
    pub tests: Vec<Reference>,
}

/// A place in the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Path from the root.
    pub path: PathBuf,
    /// What to find in it.
    pub item: Option<String>,
}

impl Reference {
    /// Reads `path#item` or a path alone.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.split_once('#') {
            Some((path, item)) => Self {
                path: path.into(),
                item: Some(item.to_owned()),
            },
            None => Self {
                path: text.into(),
                item: None,
            },
        }
    }

    fn find(&self, root: &Path) -> Result<String, String> {
        let path = root.join(&self.path);
        if path.is_dir() && self.item.is_none() {
            return Ok(String::new());
        }
        std::fs::read_to_string(path).map_err(|_| format!("{} does not exist", self.path.display()))
    }

    /// Whether the named code is there.
    ///
    /// # Errors
    /// What is missing.
    pub fn check_code(&self, root: &Path) -> Result<(), String> {
        let text = self.find(root)?;
        match &self.item {
            Some(item) if !text.contains(item.as_str()) => {
                Err(format!("{} has no `{item}`", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Whether what should be a test is named as one: a file that is there, and a function or item.
    ///
    /// Whether that test exists and passes is not asked of the text but of the run: [`crate::results`].
    ///
    /// # Errors
    /// What is missing.
    pub fn check_test(&self, root: &Path) -> Result<(), String> {
        if self.item.is_none() {
            return Err(format!(
                "{} names a file but no test in it",
                self.path.display()
            ));
        }
        self.find(root).map(|_| ())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.item {
            Some(item) => write!(f, "{}#{item}", self.path.display()),
            None => write!(f, "{}", self.path.display()),
        }
    }
}

/// The whole ledger, in the order of its rows.
#[derive(Debug)]
pub struct Ledger {
    /// The rows.
    pub rows: Vec<Row>,
}

const HEADER: &str = "id\tlevel\trequirement\tstatus\tcode\ttests";

impl Ledger {
    /// Reads the ledger's text.
    ///
    /// # Errors
    /// The first line that cannot be read, by number.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(format!("line 1: the header is not {HEADER:?}"));
        }
        let rows = lines
            .enumerate()
            .map(|(at, line)| Self::row(line).map_err(|why| format!("line {}: {why}", at + 2)))
            .collect::<Result<_, _>>()?;
        Ok(Self { rows })
    }

    fn row(line: &str) -> Result<Row, String> {
        let columns: Vec<&str> = line.split('\t').collect();
        let [id, level, requirement, status, code, tests] = columns.as_slice() else {
            return Err(format!("{} columns, not 6", columns.len()));
        };
        let references = |text: &str| text.split_whitespace().map(Reference::parse).collect();
        Ok(Row {
            id: (*id).to_owned(),
            level: (*level).to_owned(),
            requirement: (*requirement).to_owned(),
            status: Self::status(status)?,
            code: references(code),
            tests: references(tests),
        })
    }

    fn status(text: &str) -> Result<Status, String> {
        let (word, reason) = text.split_once(": ").unwrap_or((text, ""));
        match (word, reason.trim()) {
            ("done", "") => Ok(Status::Done),
            ("todo", "") => Ok(Status::Todo),
            ("partial", reason) if !reason.is_empty() => Ok(Status::Partial(reason.to_owned())),
            ("exception", reason) if !reason.is_empty() => Ok(Status::Exception(reason.to_owned())),
            _ => Err(format!(
                "status {text:?} is not done, todo, `partial: what is missing` or `exception: why`"
            )),
        }
    }

    /// Everything wrong with the ledger: ids missing or unknown or twice, references that lead nowhere, rows
    /// done without code or test.
    #[must_use]
    pub fn faults(&self, root: &Path, ids: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut left: BTreeMap<&str, u32> = ids.lines().map(|id| (id, 0)).collect();
        for row in &self.rows {
            match left.get_mut(row.id.as_str()) {
                Some(seen) => *seen += 1,
                None => faults.push(format!("{}: no such clause", row.id)),
            }
            if row.status == Status::Done && row.tests.is_empty() {
                faults.push(format!("{}: done, but no test shows it", row.id));
            }
            if row.status == Status::Done && row.code.is_empty() {
                faults.push(format!("{}: done, but no code is named", row.id));
            }
            let code = row.code.iter().map(|place| place.check_code(root));
            let tests = row.tests.iter().map(|place| place.check_test(root));
            faults.extend(
                code.chain(tests)
                    .filter_map(Result::err)
                    .map(|why| format!("{}: {why}", row.id)),
            );
        }
        for (id, seen) in left {
            if seen != 1 {
                faults.push(format!("{id}: {seen} rows, not 1"));
            }
        }
        faults
    }

    /// Rows by status: done, partial, todo, exception.
    #[must_use]
    pub fn counts(&self) -> [usize; 4] {
        let count =
            |is: fn(&Status) -> bool| self.rows.iter().filter(|row| is(&row.status)).count();
        [
            count(|status| *status == Status::Done),
            count(|status| matches!(status, Status::Partial(_))),
            count(|status| *status == Status::Todo),
            count(|status| matches!(status, Status::Exception(_))),
        ]
    }

    /// `docs/conformance.md`.
    #[must_use]
    pub fn conformance(&self) -> String {
        let [done, partial, todo, exception] = self.counts();
        let mut page = format!(
            "# Conformance\n\nWritten by `make ledger` from [rfc8314.tsv](rfc8314.tsv); do not edit. A clause is \
             done when the tests named beside it show it.\n\n| done | partial | todo | exception | all |\n\
             |---|---|---|---|---|\n| {done} | {partial} | {todo} | {exception} | {} |\n\n\
             | clause | level | status | requirement | tests |\n|---|---|---|---|---|\n",
            self.rows.len()
        );
        for row in &self.rows {
            let status = match &row.status {
                Status::Done => "**done**".to_owned(),
                Status::Partial(missing) => format!("partial: {missing}"),
                Status::Todo => "todo".to_owned(),
                Status::Exception(why) => format!("exception: {why}"),
            };
            let tests: Vec<String> = row
                .tests
                .iter()
                .filter_map(|test| test.item.as_ref())
                .map(|item| format!("`{item}`"))
                .collect();
            let requirement = row.requirement.replace('|', "\\|");
            let _ = writeln!(
                page,
                "| {} | {} | {status} | {requirement} | {} |",
                row.id,
                row.level,
                tests.join(" ")
            );
        }
        page
    }
}

/// The root of the project.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_owned)
        .unwrap_or_default()
}
