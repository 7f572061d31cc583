//! What commands print. A reader that goes away (`| head`) is no error.

use std::io::{self, Write};

/// Writes to standard output.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) -> io::Result<()> {
    write(format!("{text}\n").as_bytes())
}

/// Writes a complaint to standard error.
pub(crate) fn complain(text: &str) {
    // Where standard error is gone there is nobody to tell.
    let _gone = writeln!(io::stderr().lock(), "pillarboxd: {text}");
}

/// Rows in columns, each as wide as its widest cell. Cells come from clients, so control characters and what
/// could turn the writing direction are replaced.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let clean: Vec<Vec<String>> = std::iter::once(&head)
        .chain(rows)
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    let mut widths = vec![0; head.len()];
    for row in &clean {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &clean {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A text from a client with control characters, and what could turn the writing direction, replaced.
pub(crate) fn printable(cell: &str) -> String {
    let is_turn = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    cell.chars()
        .map(|c| {
            if c.is_control() || is_turn(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_line_up_and_terminals_are_safe() {
        let rows = vec![
            vec!["alice@example.org".to_owned(), "x".to_owned()],
            vec!["\u{1b}[31mred".to_owned(), "\u{202e}y".to_owned()],
        ];
        assert_eq!(
            table(&["ACCOUNT", "Z"], &rows),
            "ACCOUNT            Z\nalice@example.org  x\n\u{fffd}[31mred           \u{fffd}y\n"
        );
    }
}
