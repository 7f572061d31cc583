//! [`Section`]: a TOML table that is read key by key. It knows what it was asked for, so that whatever is
//! left over is a key nobody knows.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::problem::Problems;

/// One table of the file.
pub(super) struct Section<'t> {
    /// Its name with a dot at the end; empty for the file itself.
    prefix: &'static str,
    table: DeTable<'t>,
    /// Keys that were asked for, with their full names.
    known: Vec<&'static str>,
}

impl<'t> Section<'t> {
    pub(super) fn new(prefix: &'static str, table: DeTable<'t>) -> Self {
        Self {
            prefix,
            table,
            known: Vec::new(),
        }
    }

    fn take(&mut self, key: &'static str) -> Option<(Range<usize>, DeValue<'t>)> {
        self.known.push(key);
        let (_, value) = self.table.remove_entry(key)?;
        Some((value.span(), value.into_inner()))
    }

    /// A text.
    pub(super) fn text(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Spanned<String>> {
        let (span, value) = self.take(key)?;
        match value {
            DeValue::String(text) => Some(Spanned::new(span, text.into_owned())),
            other => {
                self.wrong_type(key, "a text in quotes", &other, span, problems);
                None
            }
        }
    }

    /// A list of texts.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Spanned<Vec<Spanned<String>>>> {
        let (span, value) = self.take(key)?;
        let DeValue::Array(items) = value else {
            self.wrong_type(key, "a list of texts", &value, span, problems);
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            let span = item.span();
            match item.into_inner() {
                DeValue::String(text) => texts.push(Spanned::new(span, text.into_owned())),
                other => self.wrong_type(key, "a list of texts", &other, span, problems),
            }
        }
        Some(Spanned::new(span, texts))
    }

    /// A whole number that is not negative.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        problems: &mut Problems<'_>,
    ) -> Option<Spanned<u64>> {
        let (span, value) = self.take(key)?;
        match &value {
            DeValue::Integer(number) => {
                if let Ok(number) = u64::from_str_radix(number.as_str(), number.radix()) {
                    return Some(Spanned::new(span, number));
                }
            }
            other => {
                self.wrong_type(key, "a whole number", other, span, problems);
                return None;
            }
        }
        problems.at(
            span,
            format!("{}{key} is out of range", self.prefix),
            "write a whole number that is not negative",
        );
        None
    }

    /// A table within this one.
    pub(super) fn section(
        &mut self,
        key: &'static str,
        prefix: &'static str,
        problems: &mut Problems<'_>,
    ) -> Section<'t> {
        let table = match self.take(key) {
            None => DeTable::new(),
            Some((_, DeValue::Table(table))) => table,
            Some((span, other)) => {
                self.wrong_type(key, "a section", &other, span, problems);
                DeTable::new()
            }
        };
        Section::new(prefix, table)
    }

    /// A list of tables, such as `[[certificates]]`; each with its place.
    pub(super) fn sections(
        &mut self,
        key: &'static str,
        prefix: &'static str,
        problems: &mut Problems<'_>,
    ) -> Vec<Spanned<Section<'t>>> {
        let items = match self.take(key) {
            None => DeArray::new(),
            Some((_, DeValue::Array(items))) => items,
            Some((span, other)) => {
                self.wrong_type(key, "a list of sections", &other, span, problems);
                DeArray::new()
            }
        };
        let mut sections = Vec::new();
        for item in items {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(table) => {
                    sections.push(Spanned::new(span, Section::new(prefix, table)));
                }
                other => self.wrong_type(key, "a list of sections", &other, span, problems),
            }
        }
        sections
    }

    /// Ends the section: every key that was not asked for is a problem. Answers the keys that were, with
    /// their full names.
    pub(super) fn end(self, problems: &mut Problems<'_>) -> Vec<String> {
        for key in self.table.keys() {
            problems.at(
                key.span(),
                format!("there is no key \"{}{}\"", self.prefix, key.get_ref()),
                match nearest(key.get_ref(), &self.known) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("the keys here are: {}", self.known.join(", ")),
                },
            );
        }
        self.known
            .iter()
            .map(|key| format!("{}{key}", self.prefix))
            .collect()
    }

    fn wrong_type(
        &self,
        key: &str,
        wanted: &str,
        found: &DeValue<'_>,
        span: Range<usize>,
        problems: &mut Problems<'_>,
    ) {
        let hint = match (wanted, found) {
            ("a list of texts", DeValue::String(text)) => {
                format!("put it in brackets: {key} = [\"{text}\"]")
            }
            ("a list of sections", DeValue::Table(_)) => {
                format!("use two brackets: [[{key}]]")
            }
            ("a section", _) => format!("write it as [{key}] with its keys below"),
            ("a whole number", DeValue::String(_)) => "leave out the quotes".to_owned(),
            _ => format!("write {wanted}"),
        };
        problems.at(
            span,
            format!(
                "{}{key} should be {wanted}, and is {}",
                self.prefix,
                name_of(found)
            ),
            hint,
        );
    }
}

fn name_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// The known key that was probably meant.
fn nearest<'k>(typed: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|key| (distance(typed, key), *key))
        .filter(|(distance, key)| *distance <= key.len().div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, key)| key)
}

/// Levenshtein's edit distance.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (above, a) in one.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        let mut next = vec![left];
        for (b, up) in other.chars().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(a != b)).min(up + 1).min(left + 1);
            diagonal = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_near() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("hostnam", &["hostname", "data"]), Some("hostname"));
        assert_eq!(
            nearest("host_name", &["hostname", "data"]),
            Some("hostname")
        );
        assert_eq!(nearest("tls", &["hostname", "data"]), None);
    }
}
