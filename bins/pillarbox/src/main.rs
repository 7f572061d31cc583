//! The mail client of a person.
//!
//! `args` is the command line, `person` asks and tells, `account`, `read` and `send` are the commands, `output`
//! writes, `failure` turns what went wrong into words, a stable code and an exit code. What the commands do
//! is `pillarbox-client`'s; nothing here touches a socket.

mod account;
mod args;
mod failure;
mod output;
mod person;
mod read;
mod send;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use pillarbox_client::{Accounts, Folder, Passwords};

use crate::args::{Arguments, Command};
use crate::failure::Failure;
use crate::output::Output;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_standard_error(arguments.verbose);
    let mut output = Output::new(arguments.json);
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

/// Where a person's accounts are, and which one is meant.
struct Home {
    accounts: Accounts,
    passwords: Passwords,
    address: Option<pillarbox_discover::MailAddress>,
}

impl Home {
    /// The account that is meant. What has to be said about its level is said (S5.2-7).
    fn account(&self, output: &Output) -> Result<pillarbox_client::Account, Failure> {
        let (account, notice) = self.accounts.find(self.address.as_ref())?;
        if let Some(notice) = notice {
            output.note(&format!("{}: {notice}", account.address()));
        }
        Ok(account)
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
