//! The handlers, a file each.

pub(super) mod append;
mod copy;
mod expunge;
mod fetch;
mod idle;
mod list;
mod login;
mod mailbox;
mod search;
mod select;
mod status;
mod store;
