//! A person's accounts: set-up from an address, levels, reading and sending.
//!
//! What a person types is [`Entered`]; what has been seen to work, at the account's level, on the access
//! server and on the submission server, is an [`Account`]. Only an [`Account`] is stored, and it holds
//! everything needed to connect again without asking DNS who the servers are (S2-7, S5.1-12).
//!
//! Nothing here can send a password in the clear: a connection is made through [`Session`], which holds TLS
//! at the account's level or does not exist, and the password leaves its box in `proto`'s client machines
//! alone. This crate knows no terminal; whoever talks to the person implements [`Person`].
//!
//! ```
//! use pillarbox_client::Indicator;
//! use pillarbox_policy::{Channel, ClearFacts, ConnectionId, Level, NoTls};
//!
//! let facts = ClearFacts::new(ConnectionId::fresh(), [192, 0, 2, 1].into(), NoTls::StripSuspected);
//! let sign = Indicator::of(Level::Default, Channel::Clear(&facts));
//! assert!(sign.to_string().starts_with("[NOT PROTECTED]"));
//! ```

mod account;
mod accounts;
mod compose;
mod error;
mod folder;
mod imap;
mod indicator;
mod message;
mod network;
mod passwords;
mod pop3;
mod random;
mod reader;
mod session;
mod setup;
mod sign_in;
mod submission;
mod text;

pub use account::{Account, AccountError, AccountServer, LevelNotice};
pub use accounts::{Accounts, AccountsError};
pub use compose::{Attachment, ComposeError, Draft, Letter};
pub use error::ClientError;
pub use folder::{Folder, FolderError};
pub use imap::{Imap, ImapSession};
pub use indicator::Indicator;
pub use message::{Message, Summary};
pub use network::{NetworkSettings, NetworkSettingsError};
pub use passwords::{PasswordError, PasswordPlace, Passwords};
pub use pop3::{Pop3, Pop3Session};
pub use reader::Reader;
pub use session::{Broken, ConnectError, LoggedIn, LoginError, Protocol, Session};
pub use setup::{Entered, Person, SetupError, Stage, set_up};
pub use submission::{Sent, Submission, SubmissionSession};
pub use text::for_terminal;
