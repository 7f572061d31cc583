//! What is wrong with a configuration, and where: all of it at once.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A place in the file, counted from 1. Columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, if it is anywhere in particular: a missing key is not.
    pub place: Option<Place>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

/// A configuration that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong, in the order of the file. Never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write_problem(f, &self.file, problem)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

fn write_problem(f: &mut fmt::Formatter<'_>, file: &Path, problem: &Problem) -> fmt::Result {
    write!(f, "{}", file.display())?;
    if let Some(Place { line, column }) = problem.place {
        write!(f, ":{line}:{column}")?;
    }
    write!(f, ": {}\n  hint: {}", problem.what, problem.hint)
}

/// Collects what is wrong while a text is read.
#[derive(Debug)]
pub(super) struct Problems<'t> {
    text: &'t str,
    found: Vec<Problem>,
}

impl<'t> Problems<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
    }

    /// Something at `span` is wrong.
    pub(super) fn at(
        &mut self,
        span: Range<usize>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.found.push(Problem {
            place: Some(place(self.text, span.start)),
            what: what.into(),
            hint: hint.into(),
        });
    }

    /// Something is wrong with the file as a whole.
    pub(super) fn whole(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.found.push(Problem {
            place: None,
            what: what.into(),
            hint: hint.into(),
        });
    }

    /// All that was found, in the order of the file; what has no place comes first.
    pub(super) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.place);
        self.found
    }
}

fn place(text: &str, offset: usize) -> Place {
    let before = text
        .get(..text.floor_char_boundary(offset))
        .unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before
            .get(line_start..)
            .map_or(0, |line| line.chars().count())
            + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a\nöb = 1\n";
        assert_eq!(place(text, 0), Place { line: 1, column: 1 });
        assert_eq!(place(text, 2), Place { line: 2, column: 1 });
        assert_eq!(place(text, 4), Place { line: 2, column: 2 });
        assert_eq!(place(text, 999), Place { line: 3, column: 1 });
    }
}
