//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// The server of a mail provider: IMAP, POP3 and submission, never in the clear.
#[derive(Debug, Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = "Examples:\n  \
        pillarboxd check-config                       what is wrong with the configuration, all of it\n  \
        pillarboxd account add alice@example.org      make an account; the password is asked for\n  \
        pillarboxd serve                              run in the foreground, log on standard error\n  \
        pillarboxd logins --account alice@example.org who logged in, and how well protected\n\n\
        Signals to a running server:\n  \
        SIGHUP   read configuration and certificates again, without dropping a connection\n  \
        SIGTERM  end in order; a second one ends at once"
)]
pub(crate) struct Cli {
    /// The configuration file.
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "PILLARBOXD_CONFIG",
        default_value = "/etc/pillarbox/pillarboxd.toml"
    )]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server in the foreground.
    Serve(Serve),
    /// Say everything that is wrong with the configuration and its certificates.
    CheckConfig(CheckConfig),
    /// Make, list and remove accounts, and set passwords. Works while the server runs, and while it does not.
    #[command(subcommand)]
    Account(Account),
    /// Show who logged in or tried to, with what TLS.
    Logins(Logins),
    /// Look after the stored mail. The server has to be stopped.
    #[command(subcommand)]
    Store(Store),
    /// Write a completion script for a shell.
    #[command(
        after_help = "Example:\n  pillarboxd completions bash > /etc/bash_completion.d/pillarboxd"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  pillarboxd serve --config ./pillarboxd.toml")]
pub(crate) struct Serve {
    /// Once ready, write the addresses that are listened on to this file, as JSON: {"imaps": ["127.0.0.1:993"], ...}.
    /// For scripts that let the server choose its ports (port 0).
    #[arg(long, value_name = "FILE")]
    pub(crate) ports_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 where it can be used, 1 where not.\n\nExample:\n  pillarboxd check-config && systemctl reload pillarboxd"
)]
pub(crate) struct CheckConfig {
    /// Write the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Make an account. It has to use TLS from its first day.
    #[command(
        after_help = "The password is asked for, or read from the first line of standard input or of a file; never from the command line, where others can see it.\n\n\
        Examples:\n  pillarboxd account add alice@example.org\n  pass mail/alice | pillarboxd account add alice@example.org"
    )]
    Add(Password),
    /// List all accounts.
    #[command(
        after_help = "Columns:\n  WEAKEST WAY IN  what the account may still use; it never gets weaker again\n  LEAST TLS       the oldest TLS version it may still use\n  EXPOSED         when its password was sent in the clear, if ever: have it changed\n\nExample:\n  pillarboxd account list --json | jq -r '.[].address'"
    )]
    List {
        /// Write them as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Set an account's password.
    #[command(
        after_help = "Examples:\n  pillarboxd account passwd alice@example.org\n  pillarboxd account passwd alice@example.org --password-file new.txt"
    )]
    Passwd(Password),
    /// Remove an account and all its mail.
    #[command(after_help = "Example:\n  pillarboxd account remove alice@example.org --yes")]
    Remove {
        /// The account's address.
        address: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Password {
    /// The account's address.
    pub(crate) address: String,
    /// Read the password from the first line of this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  pillarboxd logins --limit 20\n  pillarboxd logins --account alice@example.org --json | jq 'select(.tls == \"TLSv1.2\")'"
)]
pub(crate) struct Logins {
    /// Those of this account only.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) account: Option<String>,
    /// How many, newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    pub(crate) limit: u32,
    /// Write one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Store {
    /// Read everything that is stored and say what is damaged. Exit status 1 where something is.
    #[command(after_help = "Example:\n  systemctl stop pillarboxd && pillarboxd store verify")]
    Verify,
    /// Make the index anew from the stored records, which hold all mail and accounts.
    #[command(
        after_help = "Example:\n  systemctl stop pillarboxd && pillarboxd store rebuild-index"
    )]
    RebuildIndex,
}
