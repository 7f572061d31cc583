//! What a run of `cargo test` really ran, and how it ended.
//!
//! The clause ledger and the page of attacks name tests. That the text of a file holds a function of that name shows
//! nothing: it may be ignored, left out of every binary, or fail. So `scripts/test` keeps what cargo printed, this
//! module reads it, and [`Results::faults`] says which of the named tests are not among those that passed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ledger::{Reference, root};

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It ran and passed.
    Passed,
    /// It ran and failed.
    Failed,
    /// It did not run, though it is there.
    Ignored,
}

impl Outcome {
    /// The word of the machine-readable list.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Ignored => "ignored",
        }
    }

    /// What libtest prints behind `...`; an ignored test may carry its reason.
    fn from_libtest(text: &str) -> Option<Self> {
        match text.split([' ', ',']).next()? {
            "ok" => Some(Self::Passed),
            "FAILED" | "failed" => Some(Self::Failed),
            "ignored" => Some(Self::Ignored),
            _ => None,
        }
    }
}

/// A program of tests, or the documentation tests of a crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The package, such as `pillarbox-proto`.
    pub package: String,
    /// Its root file from the project's root, such as `crates/proto/tests/imap/main.rs`. Empty for documentation tests,
    /// whose names hold their files.
    pub source: PathBuf,
}

/// One test of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Where it is compiled into.
    pub binary: Binary,
    /// Its name as libtest prints it, such as `server::lines_at_the_limit`.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// All tests of a run.
#[derive(Debug, Default)]
pub struct Results {
    /// In the order in which they ended.
    pub tests: Vec<Executed>,
    /// What of the run could not be read: a binary that died, a line that was torn.
    pub unread: Vec<String>,
}

impl Results {
    /// Reads a run.
    ///
    /// `artifacts` is what `cargo test --no-run --message-format=json` printed: which program is built from which file.
    /// `log` is what `cargo test` printed on standard output and standard error, in one.
    #[must_use]
    pub fn read(artifacts: &str, log: &str, root: &Path) -> Self {
        let binaries = binaries(artifacts, root);
        let mut results = Self::default();
        let mut current: Option<Binary> = None;
        let mut left = 0_usize;
        for line in log.lines() {
            let line = without_colours(line);
            let text = line.trim();
            if let Some(next) = started(text, &binaries) {
                results.missing(current.as_ref(), left);
                (current, left) = (Some(next), 0);
            } else if let Some(count) = announced(text) {
                results.missing(current.as_ref(), left);
                left = count;
            } else if left > 0
                && let Some((name, outcome)) = ended(text)
                && let Some(binary) = &current
            {
                left -= 1;
                results.tests.push(Executed {
                    binary: binary.clone(),
                    name: name.to_owned(),
                    outcome,
                });
            }
        }
        results.missing(current.as_ref(), left);
        results
    }

    fn missing(&mut self, binary: Option<&Binary>, left: usize) {
        if let Some(binary) = binary.filter(|_| left > 0) {
            self.unread.push(format!(
                "{} {}: {left} tests were announced and no end of them is in the log; did the program die?",
                binary.package,
                binary.source.display()
            ));
        }
    }

    /// One line per test: package, root file of its binary, name, outcome; tabs between.
    #[must_use]
    pub fn list(&self) -> String {
        let mut list = String::from("package\tbinary\ttest\toutcome\n");
        for test in &self.tests {
            let source = test.binary.source.display().to_string();
            let row = [
                test.binary.package.as_str(),
                if source.is_empty() {
                    "doctest"
                } else {
                    &source
                },
                &test.name,
                test.outcome.as_str(),
            ];
            list.push_str(&row.join("\t"));
            list.push('\n');
        }
        list
    }

    /// What is wrong with a test that is named as proof: nothing, or why it proves nothing and what to do.
    #[must_use]
    pub fn fault(&self, reference: &Reference) -> Option<String> {
        let found: Vec<Outcome> = self
            .tests
            .iter()
            .filter(|test| test.is(reference))
            .map(|test| test.outcome)
            .collect();
        if found.is_empty() {
            return Some(format!(
                "{reference} did not run: name the test's own file and function (was it moved, renamed or removed?)"
            ));
        }
        if found.contains(&Outcome::Failed) {
            return Some(format!("{reference} failed: mend it, or what it found"));
        }
        if !found.contains(&Outcome::Passed) {
            return Some(format!(
                "{reference} is ignored: a test that is not run shows nothing; name another"
            ));
        }
        None
    }

    /// What is wrong with the tests that the rows of a page name, and with the run itself.
    pub fn faults<'a>(
        &self,
        rows: impl IntoIterator<Item = (&'a str, &'a [Reference])>,
    ) -> Vec<String> {
        let rows = rows.into_iter().flat_map(|(id, tests)| {
            let faults = tests.iter().filter_map(|test| self.fault(test));
            faults.map(move |why| format!("{id}: {why}"))
        });
        self.unread.iter().cloned().chain(rows).collect()
    }
}

impl Executed {
    /// Whether this is the test that a page names by `path.rs#function` or by `path.rs#doctest:Item`, where the item
    /// is what is documented or the words in front of one example or in it.
    #[must_use]
    pub fn is(&self, reference: &Reference) -> bool {
        let Some(item) = &reference.item else {
            return false;
        };
        match item.strip_prefix("doctest:") {
            Some(item) => self.is_doctest(&reference.path, item),
            None => self.is_function(&reference.path, item),
        }
    }

    /// `crates/policy/src/level.rs - level::Level::permits (line 12)`
    fn is_doctest(&self, path: &Path, item: &str) -> bool {
        let Some((file, rest)) = self.name.split_once(" - ") else {
            return false;
        };
        if !self.binary.source.as_os_str().is_empty() || Path::new(file) != path {
            return false;
        }
        let (documented, line) = rest.split_once(" (line ").unwrap_or((rest, ""));
        if documented == item || documented.ends_with(&format!("::{item}")) {
            return true;
        }
        let line = line.split(')').next().and_then(|line| line.parse().ok());
        let text = std::fs::read_to_string(root().join(path)).unwrap_or_default();
        line.is_some() && line == example_of(&text, item)
    }

    /// The modules in front of the function's name follow from the file, but for a `tests` at the end, which may be a
    /// file of its own or stand in the file that it tests.
    fn is_function(&self, path: &Path, function: &str) -> bool {
        let Some(expected) = modules(&self.binary.source, path) else {
            return false;
        };
        let mut parts: Vec<&str> = self.name.split("::").collect();
        // A law of the store runs below the name of the engine it is tried on.
        if path.starts_with("crates/store/tests/conformance") && parts.len() > 1 {
            parts.remove(0);
        }
        parts.pop() == Some(function) && without_tests(parts) == expected
    }
}

/// The line, counted from 1, on which the example begins that holds these words or is the next behind them.
fn example_of(text: &str, words: &str) -> Option<usize> {
    let mut open = None;
    let mut is_found = false;
    for (at, line) in text.lines().enumerate() {
        let comment = line
            .trim_start()
            .trim_start_matches(['/', '!'])
            .trim_start();
        if comment.starts_with("```") {
            open = match open {
                None => Some(at + 1),
                Some(_) => None,
            };
        }
        is_found |= line.contains(words);
        if is_found && open.is_some() {
            return open;
        }
    }
    None
}

fn without_tests(mut modules: Vec<&str>) -> Vec<&str> {
    if modules.last() == Some(&"tests") {
        modules.pop();
    }
    modules
}

/// The modules of `path` within the binary whose root file is `root`; `None` where it does not belong to it.
fn modules<'a>(root: &'a Path, path: &'a Path) -> Option<Vec<&'a str>> {
    if root == path {
        return Some(Vec::new());
    }
    let stem = root.file_stem()?.to_str()?;
    let folder = match stem {
        "lib" | "main" => root.parent()?.to_owned(),
        _ => root.with_extension(""),
    };
    let mut parts: Vec<&str> = path
        .strip_prefix(folder)
        .ok()?
        .iter()
        .map(|part| part.to_str())
        .collect::<Option<_>>()?;
    let last = parts.pop()?.strip_suffix(".rs")?;
    if last != "mod" {
        parts.push(last);
    }
    Some(without_tests(parts))
}

/// File names of the programs of tests, with what they are built from.
fn binaries(artifacts: &str, root: &Path) -> BTreeMap<String, Binary> {
    let binary = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let executable = Path::new(message.get("executable")?.as_str()?);
        let source = Path::new(message.pointer("/target/src_path")?.as_str()?);
        let package = message.get("package_id")?.as_str()?;
        // path+file:///somewhere/crates/proto#pillarbox-proto@0.1.0, or the name left out where the folder has it
        let (folder, version) = package.rsplit_once('#')?;
        let package = match version.split_once('@') {
            Some((name, _)) => name,
            None => folder.rsplit('/').next()?,
        };
        message.pointer("/profile/test")?.as_bool()?.then_some(())?;
        Some((
            executable.file_name()?.to_str()?.to_owned(),
            Binary {
                package: package.to_owned(),
                source: source.strip_prefix(root).unwrap_or(source).to_owned(),
            },
        ))
    };
    artifacts.lines().filter_map(binary).collect()
}

/// `Running tests/attacks.rs (target/debug/deps/attacks-0123)` or `Doc-tests pillarbox_policy`.
fn started(text: &str, binaries: &BTreeMap<String, Binary>) -> Option<Binary> {
    if let Some(package) = text.strip_prefix("Doc-tests ") {
        return Some(Binary {
            package: package.replace('_', "-"),
            source: PathBuf::new(),
        });
    }
    let (what, program) = text.strip_prefix("Running ")?.rsplit_once(" (")?;
    let program = Path::new(program.strip_suffix(')')?);
    let name = program.file_name()?.to_str()?;
    Some(binaries.get(name).cloned().unwrap_or_else(|| Binary {
        package: "unknown".to_owned(),
        source: what.trim_start_matches("unittests ").into(),
    }))
}

/// `running 12 tests`
fn announced(text: &str) -> Option<usize> {
    let (count, tests) = text.strip_prefix("running ")?.split_once(' ')?;
    matches!(tests, "test" | "tests").then_some(())?;
    count.parse().ok()
}

/// `test server::lines_at_the_limit ... ok`
fn ended(text: &str) -> Option<(&str, Outcome)> {
    let (name, outcome) = text.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let outcome = Outcome::from_libtest(outcome)?;
    Some((name.trim_end_matches(" - should panic"), outcome))
}

/// The line without what a terminal takes for colours.
fn without_colours(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests;
