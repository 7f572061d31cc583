//! The mail client of a person.
//!
//! `args` is the command line, `home` the accounts there are, `person` asks and tells, `account`, `read` and
//! `send` are the commands, `output` writes, `failure` turns what went wrong into words, a stable code and an exit code. What the commands do
//! is `pillarbox-client`'s; nothing here touches a socket.

mod account;
mod args;
mod failure;
mod home;
mod output;
mod person;
mod read;
mod send;

use std::alloc::System;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use pillarbox_client::{Accounts, Folder, Passwords};
use pillarbox_transport::forbid_core_dumps;
use zeroizing_alloc::ZeroAlloc;

use crate::args::{Arguments, Command};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::Output;

/// Zeroes whatever is freed, also by libraries that know nothing of secrets (docs/decisions/008-what-zeroing-covers.md).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let forbidden = forbid_core_dumps();
    let arguments = Arguments::parse();
    log_to_standard_error(arguments.verbose);
    let mut output = Output::new(arguments.json);
    if let Err(error) = forbidden {
        output.note(&format!("Core dumps cannot be switched off: {error}."));
    }
    match run(arguments, &mut output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            output.failure(&why);
            why.exit_code()
        }
    }
}

async fn run(arguments: Arguments, output: &mut Output) -> Result<(), Failure> {
    let folder = Folder::new(arguments.config_dir)?;
    let home = Home {
        accounts: Accounts::new(folder.clone()),
        passwords: Passwords::new(folder),
        address: arguments.account,
    };
    match arguments.command {
        Command::Account(command) => account::run(command, &home, output).await,
        Command::List { mailbox, limit } => read::list(&home, &mailbox, limit, output).await,
        Command::Mailboxes => read::mailboxes(&home, output).await,
        Command::Read(arguments) => read::read(&home, &arguments, output).await,
        Command::Send(arguments) => send::send(&home, arguments, output).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "pillarbox", &mut script);
            Ok(output.raw(&script)?)
        }
    }
}

fn log_to_standard_error(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => tracing::Level::DEBUG,
        _ => tracing::Level::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .init();
}
