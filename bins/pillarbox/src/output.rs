//! What goes to the person or program: answers to standard output, everything said on the way to standard
//! error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::failure::Failure;

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

/// Standard output and standard error.
pub(crate) struct Output {
    form: Form,
    progress: Option<ProgressBar>,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let form = if json { Form::Json } else { Form::Text };
        Self {
            form,
            progress: None,
        }
    }

    /// An answer, as text or as JSON. The text is made only where it is wanted.
    pub(crate) fn answer(&self, value: &Value, text: impl FnOnce() -> String) -> io::Result<()> {
        match self.form {
            Form::Json => self.raw(format!("{value:#}\n").as_bytes()),
            Form::Text => self.raw(text().as_bytes()),
        }
    }

    /// Octets as they are.
    pub(crate) fn raw(&self, octets: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(octets).and_then(|()| out.flush()) {
            // whoever was reading has seen enough
            Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }

    /// Something the person should know. Also with `--json`, beside the answer.
    pub(crate) fn note(&self, text: &str) {
        let text = match terminal_width() {
            Some(width) if self.form == Form::Text => folded(text, width),
            _ => text.to_owned(),
        };
        let line = || {
            // nobody can be told that standard error is gone
            let _ = writeln!(io::stderr(), "{text}");
        };
        match &self.progress {
            Some(progress) => progress.suspend(line),
            None => line(),
        }
    }

    /// Shows that something takes a while, where there is somebody to see it.
    pub(crate) fn busy(&mut self, what: &str) {
        if !io::stderr().is_terminal() {
            return;
        }
        let progress = self.progress.get_or_insert_with(|| {
            let progress = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                progress.set_style(style);
            }
            progress.enable_steady_tick(Duration::from_millis(120));
            progress
        });
        progress.set_message(what.to_owned());
    }

    /// The wait is over.
    pub(crate) fn done(&mut self) {
        if let Some(progress) = self.progress.take() {
            progress.finish_and_clear();
        }
    }

    /// What went wrong, on standard error.
    pub(crate) fn failure(&mut self, why: &Failure) {
        self.done();
        match self.form {
            Form::Json => {
                let code = why.code().map(|code| code.as_str());
                self.note(&format!(
                    "{:#}",
                    json!({ "error": { "code": code, "message": why.to_string() } })
                ));
            }
            Form::Text => {
                let code = why
                    .code()
                    .map_or(String::new(), |code| format!(" [{code}]"));
                self.note(&format!("pillarbox: {why}{code}"));
            }
        }
    }
}

/// The columns of the terminal that standard error is, if it is one; no more than reads well.
fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    let columns = usize::from(size.ws_col);
    (columns >= 40).then(|| columns.min(100))
}

/// Breaks long lines between words; what follows a break stands two columns further in than its line.
fn folded(text: &str, width: usize) -> String {
    let mut folded = String::new();
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            folded.push('\n');
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        let mut column = 0;
        for word in line.split_whitespace() {
            let length = word.chars().count();
            if column == 0 {
                folded.push_str(&" ".repeat(indent));
                column = indent + length;
            } else if column + 1 + length <= width {
                folded.push(' ');
                column += 1 + length;
            } else {
                folded.push('\n');
                folded.push_str(&" ".repeat(indent + 2));
                column = indent + 2 + length;
            }
            folded.push_str(word);
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn long_lines_break_between_words_and_hang() {
        assert_eq!(
            folded("alice\n  [locked] TLSv1.3 with a name", 20),
            "alice\n  [locked] TLSv1.3\n    with a name"
        );
        assert_eq!(folded("fits", 20), "fits");
        assert_eq!(
            folded("averyveryverylongword x", 10),
            "averyveryverylongword\n  x"
        );
    }
}
