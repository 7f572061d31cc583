//! The client's end of IMAP: [`Client`] over [`Clear`] and over [`Sealed`].
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

mod authenticate;
mod capability;
mod clear;
mod command;
mod event;
mod fetch;
mod mailbox;
mod response;
mod sealed;
mod search;
mod violation;

use std::fmt;

use crate::channel::{Clear, Sealed};

pub use authenticate::AuthenticateError;
pub use capability::Capabilities;
pub use clear::{ClearEvent, TagSeed};
pub use command::{AppendError, FlagChange, NotNow};
pub use event::{Done, Event, Refused};
pub use fetch::MessageData;
pub use mailbox::{Access, Listing, MailboxName, MailboxStatus, Selected};
pub use response::{AppendUid, Condition, ResponseCode};
pub use sealed::ClientCertificate;
pub use search::SearchKey;
pub use violation::{StripSign, Violation};

/// The client's machine. What it can do depends on the channel: see the [module](self).
pub struct Client<P: Phase> {
    state: P::State,
}

impl<P: Phase> fmt::Debug for Client<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// A channel a [`Client`] can run over: [`Clear`] or [`Sealed`]. Nothing else can be one.
pub trait Phase: phase::OnlyHere {
    /// What the machine keeps there. Nothing of it survives the switch to TLS.
    type State;
}

impl<P: Phase> crate::channel::private::Ours for Client<P> {}

impl Phase for Clear {
    type State = clear::State;
}

impl Phase for Sealed {
    type State = sealed::State;
}

mod phase {
    pub trait OnlyHere {}
    impl OnlyHere for crate::Clear {}
    impl OnlyHere for crate::Sealed {}
}
