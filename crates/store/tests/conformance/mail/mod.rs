//! What [`Mail`](pillarbox_store::Mail) promises.

pub(crate) mod appending;
pub(crate) mod changes;
pub(crate) mod delivering;
pub(crate) mod flags;
pub(crate) mod mailboxes;
pub(crate) mod reading;
pub(crate) mod snapshots;
