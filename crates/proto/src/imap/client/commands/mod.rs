//! The commands a client gives inside TLS, one file each: the method that sends it, which responses it takes, and the
//! event it ends in. One at a time is under way.

mod append;
mod authenticate;
mod capability;
mod fetch;
mod id;
mod idle;
mod list;
mod logout;
mod noop;
mod search;
mod select;
mod status;
mod store;

pub use append::AppendError;
pub use authenticate::AuthenticateError;
pub use search::SearchKey;
pub use store::FlagChange;

// What commands are made of.
pub(super) use super::capability::Capabilities;
pub(super) use super::command::{CommandText, NotNow};
pub(super) use super::event::{Done, Event};
pub(super) use super::fetch::MessageData;
pub(super) use super::machine::Client;
pub(super) use super::mailbox::{Access, MailboxName, Selected};
pub(super) use super::response::{Condition, Response, ResponseCode};
pub(super) use super::session::{Answered, Command, Outcome, Session, State};
pub(super) use super::violation::Violation;
pub(super) use crate::channel::Sealed;

pub(super) use append::Append;
pub(super) use fetch::FetchBody;
