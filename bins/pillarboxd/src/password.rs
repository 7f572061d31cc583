//! Where a new password comes from: a prompt, standard input or a file. Never the command line, which every
//! user of the machine can read.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use inquire::PasswordDisplayMode;
use pillarbox_policy::Secret;

/// The longest line that is read, in octets.
const LONGEST: u64 = 4096;

/// Gets the password.
pub(crate) fn get(file: Option<&Path>, address: &str) -> anyhow::Result<Secret> {
    if let Some(file) = file {
        let opened = std::fs::File::open(file)
            .with_context(|| format!("cannot read the password from {}", file.display()))?;
        return first_line(io::BufReader::new(opened))
            .with_context(|| format!("cannot read the password from {}", file.display()));
    }
    if io::stdin().is_terminal() {
        let typed = inquire::Password::new(&format!("New password of {address}:"))
            .with_display_mode(PasswordDisplayMode::Hidden)
            .with_custom_confirmation_message("Once more:")
            .with_custom_confirmation_error_message("The two are not the same.")
            .prompt()
            .map_err(|_| anyhow!("no password was typed, and nothing was changed"))?;
        return Ok(Secret::new(typed));
    }
    first_line(io::stdin().lock()).context("cannot read the password from standard input")
}

fn first_line(reader: impl BufRead) -> anyhow::Result<Secret> {
    let mut line = String::new();
    reader.take(LONGEST).read_line(&mut line)?;
    let length = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(length);
    if line.is_empty() {
        bail!("the first line is empty");
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::first_line;

    #[test]
    fn only_the_line_end_is_cut_off() {
        let read = |text: &str| first_line(text.as_bytes()).map(|s| s.expose().to_owned());
        assert_eq!(read("  pass word \r\nnext\n").unwrap(), "  pass word ");
        assert_eq!(read("no end").unwrap(), "no end");
        assert_eq!(
            read("\n").unwrap_err().to_string(),
            "the first line is empty"
        );
        assert_eq!(read("").unwrap_err().to_string(), "the first line is empty");
    }
}
