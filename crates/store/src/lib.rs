//! Accounts, credentials, mailboxes, messages and login records on stable storage.
//!
//! One small trait for each thing that has to be atomic ([`Accounts`], [`Mail`], [`Logins`], [`Queue`], [`Leases`],
//! [`Wakeups`]), one conformance suite for each trait, run on every engine. [`Stores`] holds a handle to each.
//! This crate knows no wire protocol: flags are words, and what a protocol wants to remember about a message
//! is opaque octets to it.
//!
//! Durability promise: when an operation that changes something answers `Ok`, the change is on stable
//! storage. The traits say where they promise less.

mod accounts;
mod content;
mod delivery;
mod embedded;
mod error;
mod grants;
mod leases;
mod logins;
mod mail;
mod message;
mod queue;
mod snapshot;
mod stores;
mod wakeups;

pub use accounts::{Account, AccountId, Accounts, LadderMove, NewAccount, ScramKeys, Verifiers};
pub use content::{Body, Spool};
pub use delivery::{DeliveryId, NewDelivery, Recipient};
pub use embedded::{EmbeddedOptions, EmbeddedStore, Report, ShardReport};
pub use error::StoreError;
pub use grants::CleartextGrants;
pub use leases::{Lease, Leases, Renewal};
pub use logins::{LoginMechanism, LoginRecord, LoginTls, Logins};
pub use mail::{Mail, Moved};
pub use message::*;
pub use queue::{
    Enqueued, Item, ItemId, ItemState, Job, NewQueued, Outcome, Queue, QueueId, Settled,
};
pub use snapshot::{Snapshot, UidList};
pub use stores::{Engine, Stores};
pub use wakeups::{QueueWatch, Wake, Wakeups, Watch};
