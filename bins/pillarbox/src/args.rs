//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use pillarbox_client::PasswordPlace;
use pillarbox_discover::Candidate;
use pillarbox_names::{
    AccountAddress, Address, AddressError, Domain, Host, Label, Service, TlsStart,
};
use pillarbox_policy::Level;

const EXAMPLES: &str = "\
Examples:
  pillarbox account add alice@example.org     set an account up from its address alone
  pillarbox list                              what is in INBOX
  pillarbox read 3                            the third message
  pillarbox send --to bob@example.net --subject Hello --body 'How are you?'
  echo 'How are you?' | pillarbox send --to bob@example.net --subject Hello

Exit codes:
  0  done
  1  it did not work; the message says why and what to do
  2  the command line is wrong
  3  an answer is needed first: a host to be confirmed, or a warning to be accepted
  4  refused for security; the message carries a stable code such as CERT_NAME
  5  the server does not accept the login and password";

/// The mail client of a person: an account from its address alone, never in the clear.
#[derive(Debug, Parser)]
#[command(name = "pillarbox", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// The folder accounts are kept in, in place of the usual one.
    #[arg(
        long,
        env = "PILLARBOX_CONFIG_DIR",
        global = true,
        value_name = "FOLDER"
    )]
    pub(crate) config_dir: Option<PathBuf>,
    /// Which account, where there is more than one.
    #[arg(long, short, global = true, value_name = "ADDRESS", value_parser = address)]
    pub(crate) account: Option<AccountAddress>,
    /// Answers as JSON, for programs.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Says more about what goes on; twice for still more. Never shows a password or a message.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sets up, shows and changes accounts.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Lists the messages of a mailbox.
    #[command(
        after_help = "Examples:\n  pillarbox list\n  pillarbox list Sent --limit 10\n  pillarbox list --json | jq '.messages[].subject'"
    )]
    List {
        /// The mailbox.
        #[arg(default_value = "INBOX")]
        mailbox: String,
        /// The newest so many.
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: u32,
    },
    /// Lists the mailboxes.
    Mailboxes,
    /// Shows a message.
    #[command(
        after_help = "Examples:\n  pillarbox read 3\n  pillarbox read uid:40 --mailbox Archive\n  pillarbox read 3 --raw > message.eml"
    )]
    Read(ReadArguments),
    /// Sends a message. Its text comes from --body, --file, or standard input.
    #[command(
        after_help = "Examples:\n  pillarbox send --to bob@example.net --subject Hello --body 'How are you?'\n  pillarbox send --to bob@example.net --cc carol@example.net --file letter.txt --attach photo.jpg\n  echo 'How are you?' | pillarbox send --to bob@example.net --subject Hello"
    )]
    Send(SendArguments),
    /// Writes a completion script for a shell.
    #[command(after_help = "Example:\n  source <(pillarbox completions bash)")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Sets an account up from its address: finds the servers, verifies them, then asks for the password.
    #[command(after_help = ADD_EXAMPLES)]
    Add(Box<AddArguments>),
    /// Lists the accounts with their confidentiality sign.
    List,
    /// Shows an account: servers, level, where the password is kept.
    #[command(after_help = "Example:\n  pillarbox account show --account alice@example.org")]
    Show,
    /// Forgets an account and its password on this computer. Nothing changes on the server.
    #[command(after_help = "Example:\n  pillarbox account remove --account alice@example.org")]
    Remove,
    /// Shows the account's level, or changes it. Lowering shows a warning and asks.
    #[command(
        after_help = "Levels:\n  tls13        TLS 1.3 and a verified server on every connection\n  default      TLS 1.2 or newer and a verified server on every connection\n  unprotected  whatever the server offers: no privacy\n\nExamples:\n  pillarbox account level\n  pillarbox account level tls13"
    )]
    Level {
        /// The new level: unprotected, default or tls13.
        #[arg(value_parser = level)]
        level: Option<Level>,
        #[command(flatten)]
        answer: AnswerToWarning,
    },
}

/// What a script says where a person would be asked.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct AnswerToWarning {
    /// Accepts the warning that a lower level gives no privacy, for scripts. It is shown all the same.
    #[arg(long)]
    pub(crate) accept_no_privacy: bool,
}

const ADD_EXAMPLES: &str = "\
Examples:
  pillarbox account add alice@example.org
  pillarbox account add alice@example.org --imap mail.example.org --submission mail.example.org
  printf %s \"$PASSWORD\" | pillarbox account add alice@example.org --password-stdin --yes-host imap.provider.example";

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The mail address.
    #[arg(value_parser = address)]
    pub(crate) address: AccountAddress,
    /// Your name, for From.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// The login name, where it is neither the address nor the part before the @.
    #[arg(long)]
    pub(crate) login: Option<String>,
    /// The least confidentiality this account accepts: unprotected, default or tls13.
    #[arg(long, default_value = "default", value_parser = level)]
    pub(crate) level: Level,
    #[command(flatten)]
    pub(crate) answer: AnswerToWarning,
    /// The IMAP server, in place of what DNS says: `HOST`, `HOST:PORT`, or either with `/starttls` behind.
    #[arg(long, value_name = "SERVER", conflicts_with = "pop3")]
    pub(crate) imap: Option<TypedServer>,
    /// The POP3 server, in place of what DNS says: `HOST`, `HOST:PORT`, or either with `/starttls` behind.
    #[arg(long, value_name = "SERVER")]
    pub(crate) pop3: Option<TypedServer>,
    /// The submission server, in place of what DNS says: `HOST`, `HOST:PORT`, or either with `/starttls` behind.
    #[arg(long, value_name = "SERVER")]
    pub(crate) submission: Option<TypedServer>,
    /// Says yes to this very host, should the question come up. May be given more than once.
    #[arg(long, value_name = "HOST")]
    pub(crate) yes_host: Vec<Host>,
    /// Reads the password from standard input: the first line, without its end.
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Where the password is kept; the keyring if there is one, else a file only you can read.
    #[arg(long, value_name = "PLACE")]
    pub(crate) password_store: Option<Place>,
    /// A PEM file of certificate authorities to trust for this account beside this computer's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The name server to ask for this account, in place of this computer's own.
    #[arg(long, value_name = "ADDR:PORT", value_parser = name_server)]
    pub(crate) resolver: Option<SocketAddr>,
    /// A file of DNSKEY records to believe for this account in place of the DNS root's.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_anchor: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Place {
    Keyring,
    File,
}

impl From<Place> for PasswordPlace {
    fn from(place: Place) -> Self {
        match place {
            Place::Keyring => Self::Keyring,
            Place::File => Self::File,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReadArguments {
    /// Which message: its number in `pillarbox list`, or `uid:` and its UID, which stays the same (IMAP only).
    #[arg(value_name = "NUMBER|uid:UID")]
    pub(crate) which: Which,
    /// The mailbox.
    #[arg(long, default_value = "INBOX")]
    pub(crate) mailbox: String,
    /// Writes the message as it came, octet for octet. Not for a terminal.
    #[arg(long)]
    pub(crate) raw: bool,
}

fn name_server(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse()
        .map_err(|_| "write an address with its port, such as 192.0.2.53:53 or [2001:db8::53]:53")
}

/// Which message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Number(u32),
    Uid(u32),
}

impl std::str::FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
        match text.strip_prefix("uid:") {
            Some(uid) => number(uid).map(Self::Uid),
            None => number(text).map(Self::Number),
        }
        .ok_or("a message is named by a number from 1 up, such as 3 or uid:40")
    }
}

#[derive(Debug, Args)]
pub(crate) struct SendArguments {
    /// A recipient. May be given more than once.
    #[arg(long, required = true, value_name = "ADDRESS", value_parser = recipient)]
    pub(crate) to: Vec<Address>,
    /// A recipient of a copy.
    #[arg(long, value_name = "ADDRESS", value_parser = recipient)]
    pub(crate) cc: Vec<Address>,
    /// A recipient the others do not see.
    #[arg(long, value_name = "ADDRESS", value_parser = recipient)]
    pub(crate) bcc: Vec<Address>,
    /// The subject.
    #[arg(long, short, default_value = "")]
    pub(crate) subject: String,
    /// The text.
    #[arg(long, conflicts_with = "file")]
    pub(crate) body: Option<String>,
    /// A file with the text.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// A file to go along. May be given more than once.
    #[arg(long, value_name = "FILE")]
    pub(crate) attach: Vec<PathBuf>,
}

/// A server as a person types it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypedServer {
    host: Host,
    port: Option<u16>,
    start: Option<TlsStart>,
}

impl std::str::FromStr for TypedServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (text, start) = match text.strip_suffix("/starttls") {
            Some(text) => (text, Some(TlsStart::StartTls)),
            None => (text, None),
        };
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => {
                let port = port.parse().ok().filter(|port| *port != 0);
                (
                    host,
                    Some(port.ok_or("the port is a number from 1 to 65535")?),
                )
            }
            None => (text, None),
        };
        let host = Host::parse(host).map_err(|why| why.to_string())?;
        Ok(Self { host, port, start })
    }
}

impl TypedServer {
    /// The candidate it stands for. The registered STARTTLS ports mean STARTTLS, everything else implicit TLS.
    pub(crate) fn candidate(&self, domain: &Domain, service: Service) -> Candidate {
        let starttls = Label::new(service, TlsStart::StartTls);
        let start = self.start.unwrap_or(match self.port {
            Some(port) if port == starttls.default_port() => TlsStart::StartTls,
            _ => TlsStart::Implicit,
        });
        Candidate::typed(
            domain,
            Label::new(service, start),
            self.host.clone(),
            self.port,
        )
    }
}

fn address(text: &str) -> Result<AccountAddress, String> {
    AccountAddress::parse(text).map_err(|why| not_an_address(text, &why))
}

fn recipient(text: &str) -> Result<Address, String> {
    text.trim()
        .parse()
        .map_err(|why| not_an_address(text, &why))
}

fn not_an_address(text: &str, why: &AddressError) -> String {
    format!("\"{}\" is not a mail address: {why}", text.escape_default())
}

fn level(text: &str) -> Result<Level, String> {
    Level::from_name(text).ok_or_else(|| {
        let names: Vec<_> = Level::ALL.iter().map(|level| level.as_str()).collect();
        format!("there is no such level; there are {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn which_message() {
        assert_eq!("3".parse(), Ok(Which::Number(3)));
        assert_eq!("uid:40".parse(), Ok(Which::Uid(40)));
        for text in ["0", "uid:0", "uid:", "-1", "x", "4294967296"] {
            assert!(text.parse::<Which>().is_err(), "{text}");
        }
    }

    #[test]
    fn typed_servers() {
        let domain = Domain::parse("example.org").unwrap();
        for (text, service, port, start) in [
            ("mail.example.org", Service::Imap, 993, TlsStart::Implicit),
            (
                "mail.example.org:143",
                Service::Imap,
                143,
                TlsStart::StartTls,
            ),
            (
                "mail.example.org:1430",
                Service::Imap,
                1430,
                TlsStart::Implicit,
            ),
            (
                "mail.example.org:1430/starttls",
                Service::Imap,
                1430,
                TlsStart::StartTls,
            ),
            (
                "mail.example.org/starttls",
                Service::Pop3,
                110,
                TlsStart::StartTls,
            ),
            (
                "mail.example.org:587",
                Service::Submission,
                587,
                TlsStart::StartTls,
            ),
            (
                "mail.example.org:143",
                Service::Submission,
                143,
                TlsStart::Implicit,
            ),
        ] {
            let candidate = text
                .parse::<TypedServer>()
                .unwrap()
                .candidate(&domain, service);
            assert_eq!(
                (candidate.port(), candidate.label().start),
                (port, start),
                "{text}"
            );
        }
        for text in ["", "a b", "mail:0", "mail:x", "mail:70000"] {
            assert!(text.parse::<TypedServer>().is_err(), "{text:?}");
        }
    }
}
