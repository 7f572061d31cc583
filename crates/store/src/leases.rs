//! [`Leases`]: what one session may have at a time, across all sessions of all processes.

use std::time::Duration;

use async_trait::async_trait;

use crate::{AccountId, StoreError};

/// The exclusive use of an account's maildrop (RFC 1939 section 4, RFC 2449 section 8.1.2), for a time.
///
/// It keeps out other maildrop sessions and nobody else. Whoever holds it renews it while it is in use, and
/// stops when it is lost.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    account: AccountId,
    /// Tells it from every other lease of the account, earlier ones included.
    token: u64,
}

impl Lease {
    /// A lease that an engine gives.
    #[must_use]
    pub fn new(account: AccountId, token: u64) -> Self {
        Self { account, token }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// What the engine knows it by.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token
    }
}

/// What became of a lease that was to be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Renewal {
    /// It runs on.
    Held,
    /// It ran out. Somebody else may have taken the maildrop since.
    Lost,
}

/// Leases of maildrops.
#[async_trait]
pub trait Leases: Send + Sync + std::fmt::Debug + 'static {
    /// Takes the account's maildrop for `length`; `None` where somebody else has it.
    async fn take(&self, account: AccountId, length: Duration)
    -> Result<Option<Lease>, StoreError>;

    /// Lets a lease run for `length` from now, unless it was lost.
    async fn renew(&self, lease: &Lease, length: Duration) -> Result<Renewal, StoreError>;

    /// Gives a lease back. Does not block; where it cannot be told at once, the lease runs out.
    fn give_back(&self, lease: &Lease);
}
