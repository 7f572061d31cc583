//! The client's end of IMAP: [`Client`] over [`Clear`](crate::Clear) and over [`Sealed`](crate::Sealed).
//!
//! `Client<Clear>` accepts exactly an `* OK` greeting, can ask for CAPABILITY and STARTTLS, and nothing else.
//! Whatever else the other end says before TLS is a [`Violation`] and ends the conversation; nothing it says
//! is shown, kept or believed (C1-C6, C9, C10, C12, C13). `Client<Sealed>` starts from nothing: it asks for
//! CAPABILITY again and then takes one command at a time, its data coming as [`Event`]s while they stream
//! in. Message bodies stream both ways in pieces.
//!
//! A mailbox command can be sent inside TLS:
//! ```
//! use pillarbox_proto::Sealed;
//! use pillarbox_proto::imap::client::{Client, MailboxName, NotNow};
//! fn open(client: &mut Client<Sealed>) -> Result<(), NotNow> {
//!     client.select(&MailboxName::new("INBOX"))
//! }
//! ```
//! and not in the clear:
//! ```compile_fail,E0599
//! use pillarbox_proto::Clear;
//! use pillarbox_proto::imap::client::{Client, MailboxName, NotNow};
//! fn open(client: &mut Client<Clear>) -> Result<(), NotNow> {
//!     client.select(&MailboxName::new("INBOX"))
//! }
//! ```
//! A password can be given to a session inside TLS, which releases it under the account's level:
//! ```
//! use pillarbox_policy::Credentials;
//! use pillarbox_proto::{Sealed, sasl::Nonce};
//! use pillarbox_proto::imap::client::{AuthenticateError, Client};
//! fn log_in(client: &mut Client<Sealed>, me: &Credentials, nonce: Nonce) -> Result<(), AuthenticateError> {
//!     client.authenticate(me, nonce)
//! }
//! ```
//! and not to one in the clear:
//! ```compile_fail,E0599
//! use pillarbox_policy::Credentials;
//! use pillarbox_proto::{Clear, sasl::Nonce};
//! use pillarbox_proto::imap::client::{AuthenticateError, Client};
//! fn log_in(client: &mut Client<Clear>, me: &Credentials, nonce: Nonce) -> Result<(), AuthenticateError> {
//!     client.authenticate(me, nonce)
//! }
//! ```
//!
//! STARTTLS can be asked for in the clear:
//! ```
//! use pillarbox_proto::Clear;
//! use pillarbox_proto::imap::client::{Client, NotNow};
//! fn upgrade(client: &mut Client<Clear>) -> Result<(), NotNow> {
//!     client.start_tls()
//! }
//! ```
//! and not inside TLS (C14):
//! ```compile_fail,E0599
//! use pillarbox_proto::Sealed;
//! use pillarbox_proto::imap::client::{Client, NotNow};
//! fn upgrade(client: &mut Client<Sealed>) -> Result<(), NotNow> {
//!     client.start_tls()
//! }
//! ```

mod capability;
mod clear;
mod command;
mod commands;
mod event;
mod fetch;
mod machine;
mod mailbox;
mod response;
mod sealed;
mod session;
mod values;
mod violation;

pub use capability::Capabilities;
pub use clear::{ClearEvent, TagSeed};
pub use command::NotNow;
pub use commands::{AppendError, AuthenticateError, FlagChange, SearchKey};
pub use event::{Done, Event, Refused};
pub use fetch::MessageData;
pub use machine::{Client, Phase};
pub use mailbox::{Access, Listing, MailboxName, MailboxStatus, Selected};
pub use response::{AppendUid, Condition, ResponseCode};
pub use session::ClientCertificate;
pub use violation::{StripSign, Violation};
