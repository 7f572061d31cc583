//! [`Leases`] for the embedded engine: in memory, since one process has the store.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::EmbeddedStore;
use crate::{AccountId, Lease, Leases, Renewal, StoreError};

/// The longest a lease runs without being renewed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The leases that were taken and not given back.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    /// By account: the token, and when the lease runs out.
    held: HashMap<AccountId, (u64, Instant)>,
    last_token: u64,
}

impl Held {
    fn take(&self, account: AccountId, length: Duration, now: Instant) -> Option<Lease> {
        let mut table = self.table();
        if table.held.get(&account).is_some_and(|(_, end)| now < *end) {
            return None;
        }
        table.last_token += 1;
        let token = table.last_token;
        table
            .held
            .insert(account, (token, now + length.min(LONGEST)));
        Some(Lease::new(account, token))
    }

    fn renew(&self, lease: &Lease, length: Duration, now: Instant) -> Renewal {
        match self.table().held.get_mut(&lease.account()) {
            Some((token, end)) if *token == lease.token() && now < *end => {
                *end = now + length.min(LONGEST);
                Renewal::Held
            }
            _ => Renewal::Lost,
        }
    }

    fn give_back(&self, lease: &Lease) {
        let mut table = self.table();
        let is_ours = |(token, _): &(u64, Instant)| *token == lease.token();
        if table.held.get(&lease.account()).is_some_and(is_ours) {
            table.held.remove(&lease.account());
        }
    }

    /// A panic elsewhere cannot leave the table half changed, so a poisoned lock is as good as any.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Leases for EmbeddedStore {
    async fn take(
        &self,
        account: AccountId,
        length: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        self.check_open()?;
        Ok(self.leases.take(account, length, Instant::now()))
    }

    async fn renew(&self, lease: &Lease, length: Duration) -> Result<Renewal, StoreError> {
        self.check_open()?;
        Ok(self.leases.renew(lease, length, Instant::now()))
    }

    fn give_back(&self, lease: &Lease) {
        self.leases.give_back(lease);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_lease_that_ran_out_is_lost_for_good() {
        let held = Held::default();
        let start = Instant::now();
        let first = held.take(AccountId(1), MINUTE, start).unwrap();
        assert_eq!(held.take(AccountId(1), MINUTE, start), None);
        assert!(held.take(AccountId(2), MINUTE, start).is_some());
        assert_eq!(held.renew(&first, 2 * MINUTE, start), Renewal::Held);
        assert_eq!(held.take(AccountId(1), MINUTE, start + MINUTE), None);
        let late = start + 2 * MINUTE;
        assert_eq!(held.renew(&first, MINUTE, late), Renewal::Lost);
        let second = held.take(AccountId(1), MINUTE, late).unwrap();
        assert_eq!(held.renew(&first, MINUTE, late), Renewal::Lost);
        held.give_back(&first);
        assert_eq!(held.take(AccountId(1), MINUTE, late), None);
        held.give_back(&second);
        assert!(held.take(AccountId(1), MINUTE, late).is_some());
    }

    #[test]
    fn no_length_is_too_long() {
        let held = Held::default();
        let start = Instant::now();
        assert!(held.take(AccountId(1), Duration::MAX, start).is_some());
    }
}
