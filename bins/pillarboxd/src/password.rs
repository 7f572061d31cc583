//! Where a new password comes from: a prompt, standard input or a file. Never the command line, which every
//! user of the machine can read.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use inquire::PasswordDisplayMode;
use pillarbox_policy::{Secret, SecretBytes};

/// The most that is read, in octets.
const MOST: usize = 4096;

/// Gets the password.
pub(crate) fn get(file: Option<&Path>, address: &str) -> anyhow::Result<Secret> {
    if let Some(file) = file {
        let opened = File::open(file)
            .with_context(|| format!("cannot read the password from {}", file.display()))?;
        return first_line(opened)
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
    // Not by way of std's own reader, whose buffer lives as long as the process.
    let input = io::stdin().as_fd().try_clone_to_owned();
    input
        .map_err(Into::into)
        .and_then(|input| first_line(File::from(input)))
        .context("cannot read the password from standard input")
}

fn first_line(mut reader: impl Read) -> anyhow::Result<Secret> {
    let line = SecretBytes::read_line(&mut reader, MOST)?;
    if line.is_empty() {
        bail!("the first line is empty");
    }
    line.try_into().context("the first line")
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
