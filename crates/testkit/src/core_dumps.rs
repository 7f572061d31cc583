//! Whether a process dumps core.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A user that is not root and owns nothing.
const NOBODY: u32 = 65534;

/// Starts a program that then waits for something, and answers once neither its limit nor the kernel lets it dump
/// core: `RLIMIT_CORE` is 0, and its files in `/proc` are root's, as those of a process are that has
/// `PR_SET_DUMPABLE` 0. `readable` is given to whom the program runs as, since as root the second cannot be seen.
///
/// # Errors
/// It cannot be started or looked at, or still dumps core after `patience`.
pub fn dumps_no_core(
    command: &mut Command,
    readable: &[&Path],
    patience: Duration,
) -> io::Result<()> {
    if fs::metadata("/proc/self")?.uid() == 0 {
        for path in readable {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY))?;
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    let begun = Instant::now();
    let answer = loop {
        match looked_at(child.id()) {
            Ok(None) => break Ok(()),
            Ok(Some(why)) if begun.elapsed() > patience => break Err(io::Error::other(why)),
            Ok(Some(_)) => sleep(Duration::from_millis(20)),
            Err(error) => break Err(error),
        }
    };
    child.kill()?;
    child.wait()?;
    answer
}

/// Why the process may dump core.
fn looked_at(process: u32) -> io::Result<Option<String>> {
    let limits = fs::read_to_string(format!("/proc/{process}/limits"))?;
    let limit = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max core file size"))
        .unwrap_or_default();
    if !limit.split_ascii_whitespace().take(2).eq(["0", "0"]) {
        return Ok(Some(format!("its limit is {limit}")));
    }
    let owner = fs::metadata(format!("/proc/{process}/mem"))?.uid();
    Ok((owner != 0).then(|| format!("its memory belongs to user {owner}")))
}
