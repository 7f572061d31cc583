//! The traits whose work is done by `records` and `watchers`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use pillarbox_policy::{CleartextGrant, Grants};

use super::EmbeddedStore;
use crate::embedded::disk::blocking;
use crate::{
    AccountId, CleartextGrants, Lease, Leases, LoginRecord, Logins, QueueWatch, Renewal,
    StoreError, Wakeups, Watch,
};

#[async_trait]
impl Logins for EmbeddedStore {
    async fn record(&self, record: LoginRecord) -> Result<(), StoreError> {
        self.logins.record(record).await
    }

    async fn newest(
        &self,
        account: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        self.logins.newest(account, limit).await
    }
}

#[async_trait]
impl CleartextGrants for EmbeddedStore {
    async fn grants(&self) -> Result<Grants, StoreError> {
        self.check_open()?;
        Ok(self.grants.grants())
    }

    async fn give_grant(&self, grant: CleartextGrant) -> Result<(), StoreError> {
        self.check_open()?;
        let book = Arc::clone(&self.grants);
        blocking(move || book.give(&grant)).await
    }

    async fn revoke_grant(&self, account: &str) -> Result<(), StoreError> {
        self.check_open()?;
        let (book, account) = (Arc::clone(&self.grants), account.to_owned());
        blocking(move || book.revoke(&account)).await
    }
}

/// The longest a lease runs without being renewed.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

#[async_trait]
impl Leases for EmbeddedStore {
    async fn take(
        &self,
        account: AccountId,
        length: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        self.check_open()?;
        let now = Instant::now();
        let token = self
            .leases
            .take(account, now, now + length.min(LONGEST_LEASE));
        Ok(token.map(|token| Lease::new(account, token)))
    }

    async fn renew(&self, lease: &Lease, length: Duration) -> Result<Renewal, StoreError> {
        self.check_open()?;
        let now = Instant::now();
        let end = now + length.min(LONGEST_LEASE);
        let is_held = self.leases.renew(&lease.account(), lease.token(), now, end);
        Ok(if is_held {
            Renewal::Held
        } else {
            Renewal::Lost
        })
    }

    fn give_back(&self, lease: &Lease) {
        self.leases.give_back(&lease.account(), lease.token());
    }
}

impl Wakeups for EmbeddedStore {
    fn watch(&self, account: AccountId) -> Watch {
        self.watchers.watch(account)
    }

    fn watch_queue(&self) -> QueueWatch {
        self.watchers.watch_queue()
    }
}
