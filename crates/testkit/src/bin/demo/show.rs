//! How the demo speaks: headings, short explanations, and commands with what they print.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pillarbox_testkit::ledger::root;

/// Prints a numbered heading.
pub(crate) fn step(number: &mut u32, title: &str) {
    *number += 1;
    println!("\n{}", bold(&format!("{number}. {title}")));
}

/// Prints an explanation, folded at 100 columns.
pub(crate) fn say(text: &str) {
    let mut column = 0;
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() > 97 {
            println!();
            column = 0;
        }
        if column == 0 {
            print!("   {word}");
            column = 3 + word.len();
        } else {
            print!(" {word}");
            column += 1 + word.len();
        }
    }
    println!();
}

/// Prints one line of a dialogue or an output, folded at 100 columns.
pub(crate) fn line(text: &str) {
    let text = text.replace('\t', "    ");
    for part in folded(&text, 95, "") {
        println!("   | {part}");
    }
}

/// Prints a command as a person types it, folded at 100 columns as a shell allows.
pub(crate) fn command_line(text: &str) {
    for (number, part) in folded(text, 93, " \\").iter().enumerate() {
        let prompt = if number == 0 { "$ " } else { "  " };
        println!("   {}", bold(&format!("{prompt}{part}")));
    }
}

/// Breaks a line between words; what follows a break hangs four columns in, and every break ends in `mark`.
fn folded(text: &str, width: usize, mark: &str) -> Vec<String> {
    let indent = text.len() - text.trim_start_matches(' ').len();
    let mut lines = Vec::new();
    let mut rest = text;
    let mut lead = String::new();
    while lead.len() + rest.chars().count() > width {
        let room = width - lead.len() - mark.len();
        let end = rest
            .char_indices()
            .nth(room)
            .map_or(rest.len(), |(at, _)| at);
        let Some((line, _)) = rest
            .get(..end)
            .and_then(|room| room.rsplit_once(' '))
            .filter(|(line, _)| !line.trim().is_empty())
        else {
            break;
        };
        lines.push(format!("{lead}{line}{mark}"));
        rest = rest.get(line.len()..).unwrap_or_default().trim_start();
        lead = " ".repeat(indent + 4);
    }
    lines.push(format!("{lead}{rest}"));
    lines
}

/// Bold, on a terminal.
pub(crate) fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// One of our programs, built beside this one.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    name: &'static str,
    path: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Program {
    /// The program of this name.
    pub(crate) fn new(name: &'static str) -> Result<Self, String> {
        let here = std::env::current_exe().map_err(|why| why.to_string())?;
        let path = here.with_file_name(name);
        if path.is_file() {
            Ok(Self {
                name,
                path,
                environment: Vec::new(),
            })
        } else {
            Err(format!("{} is not built; type `make demo`", path.display()))
        }
    }

    /// Sets a variable of its environment.
    pub(crate) fn with(mut self, name: &'static str, value: &Path) -> Self {
        self.environment.push((name, value.display().to_string()));
        self
    }

    /// A command to start it.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.path);
        command
            .args(arguments)
            .current_dir(root())
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Shows the command as a person types it, runs it with `input`, shows what it prints, and answers that.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        command_line(&format!("{} {}", self.name, shown(arguments)));
        let output = self.capture(arguments, input)?;
        for text in output.lines() {
            line(text);
        }
        Ok(output)
    }

    /// Runs it with `input` and answers what it prints.
    pub(crate) fn capture(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        // One pipe for both, so that what it says stays in the order it was said.
        let trouble = |why: std::io::Error| format!("cannot run {}: {why}", self.name);
        let (mut reader, writer) = std::io::pipe().map_err(trouble)?;
        let mut command = self.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(writer.try_clone().map_err(trouble)?)
            .stderr(writer);
        let mut child = command.spawn().map_err(trouble)?;
        // The command holds the writing end; while it does, reading has no end.
        drop(command);
        if let Some(mut stdin) = child.stdin.take() {
            // A program that wants no input may have closed it already.
            let _ = stdin.write_all(input.as_bytes());
        }
        let mut printed = Vec::new();
        reader.read_to_end(&mut printed).map_err(trouble)?;
        let printed = String::from_utf8_lossy(&printed).into_owned();
        if child.wait().map_err(trouble)?.success() {
            Ok(printed)
        } else {
            Err(format!(
                "`{} {}` failed:\n{printed}",
                self.name,
                shown(arguments)
            ))
        }
    }
}

fn shown(arguments: &[&str]) -> String {
    let quoted = |argument: &&str| {
        let bare = argument
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./:@=".contains(c));
        if bare {
            (*argument).to_owned()
        } else {
            format!("'{argument}'")
        }
    };
    arguments.iter().map(quoted).collect::<Vec<_>>().join(" ")
}
