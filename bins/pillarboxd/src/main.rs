//! `pillarboxd`: the server of a mail provider. Reads the command line and the configuration, and leaves the
//! work to `pillarbox-server`.

mod account;
mod check;
mod cli;
mod log;
mod logins;
mod output;
mod password;
mod serve;
mod store;

use std::alloc::System;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::{CommandFactory, Parser};
use pillarbox_server::{Settings, config};
use pillarbox_transport::forbid_core_dumps;
use zeroizing_alloc::ZeroAlloc;

use crate::cli::{Cli, Command};

/// Zeroes whatever is freed, also by libraries that know nothing of secrets (docs/decisions/008-what-zeroing-covers.md).
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    if let Err(error) = forbid_core_dumps() {
        output::complain(&format!("core dumps cannot be switched off: {error}"));
    }
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Serve(options) => serve::serve(&cli.config, settings(&cli.config)?, &options)?,
        Command::CheckConfig(options) => return check::check(&cli.config, &options),
        Command::Account(command) => {
            runtime()?.block_on(account::run(settings(&cli.config)?, command))?;
        }
        Command::Logins(options) => {
            runtime()?.block_on(logins::run(settings(&cli.config)?, options))?;
        }
        Command::Store(command) => {
            return runtime()?.block_on(store::run(settings(&cli.config)?, command));
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "pillarboxd", &mut script);
            output::write(&script)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn settings(file: &Path) -> anyhow::Result<Settings> {
    config::load(file).map_err(|error| anyhow!("the configuration cannot be used:\n{error}"))
}

/// What a short command needs.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}
