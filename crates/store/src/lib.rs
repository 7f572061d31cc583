//! Accounts, credentials, mailboxes, messages and login records on stable storage.
//!
//! One operation-level trait, [`Store`], one conformance suite run on every engine. This crate knows no wire
//! protocol: flags are words, and what a protocol wants to remember about a message is opaque bytes to it.
//!
//! Durability promise: when an operation that changes something answers `Ok`, the change is on stable
//! storage.

mod api;
mod embedded;
mod error;
mod grants;
mod model;

pub use api::{Body, Spool, Store, Watch};
pub use embedded::{EmbeddedOptions, EmbeddedStore, Report, ShardReport};
pub use error::StoreError;
pub use grants::CleartextGrants;
pub use model::*;
