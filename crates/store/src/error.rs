//! [`StoreError`]: what can go wrong, by whose fault.

use std::path::PathBuf;

/// Why a store operation failed. Nothing was changed, unless a variant says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No such account, mailbox or message.
    #[error("{what} does not exist")]
    NotFound {
        /// What was looked for, in words for a person.
        what: String,
    },
    /// There is one already.
    #[error("{what} exists already")]
    Exists {
        /// What exists, in words for a person.
        what: String,
    },
    /// The name cannot be used.
    #[error("\"{name}\" cannot be used as a name: {why}")]
    BadName {
        /// The name asked for.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A size or number is over its limit.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The disk refused. The operation may be tried again once there is room or the disk is mended.
    #[error("cannot write to {path}: {why}")]
    Disk {
        /// The file concerned.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// Stored data is damaged. It is reported and never skipped; `pillarboxd store verify` shows where.
    #[error("stored data is damaged in {path} at byte {offset}: {why}")]
    Damaged {
        /// The file concerned.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What was found.
        why: String,
    },
    /// The store is open already: in another process, or another time in this one.
    #[error("the store in {path} is in use already; only one process may have it at a time")]
    InUse {
        /// The store's folder.
        path: PathBuf,
    },
    /// The store is shutting down.
    #[error("the store is shutting down")]
    Closed,
    /// The engine below failed in a way that has no better name.
    #[error("the store failed: {0}")]
    Engine(String),
}

impl StoreError {
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound { what: what.into() }
    }

    pub(crate) fn exists(what: impl Into<String>) -> Self {
        Self::Exists { what: what.into() }
    }

    pub(crate) fn bad_name(name: impl Into<String>, why: &'static str) -> Self {
        let name = name.into();
        Self::BadName { name, why }
    }

    /// Refuses what is over a limit.
    pub(crate) fn check(what: &'static str, size: u64, limit: u64) -> Result<(), Self> {
        if size > limit {
            return Err(Self::TooLarge { what, limit });
        }
        Ok(())
    }
}
