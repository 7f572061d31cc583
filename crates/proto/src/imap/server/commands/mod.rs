//! The commands, a file each.

pub(super) mod append;
pub(super) mod capability;
pub(super) mod copy;
pub(super) mod expunge;
pub(super) mod fetch;
pub(super) mod fields;
pub(super) mod idle;
pub(super) mod list;
pub(super) mod login;
pub(super) mod mailbox;
pub(super) mod search;
pub(super) mod select;
pub(super) mod status;
pub(super) mod store;
pub(super) mod structure;
