//! How many connections a listener serves at once, in all and for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pillarbox_names::Network;

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Listener,
    Address,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// Never more entries than connections.
    by_client: HashMap<Network, usize>,
}

/// The limit of one listener.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionLimit {
    total: usize,
    per_address: usize,
    taken: Arc<Mutex<Taken>>,
}

/// Permission for one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    limit: ConnectionLimit,
    /// Absent while it is not known who comes through a balancer.
    client: Option<Network>,
}

impl ConnectionLimit {
    pub(crate) fn new(total: usize, per_address: usize) -> Self {
        Self {
            total,
            per_address,
            taken: Arc::default(),
        }
    }

    /// A permit for a client.
    pub(crate) fn take(&self, peer: IpAddr) -> Result<Permit, Full> {
        let mut permit = self.take_for_balancer()?;
        permit.assign(peer)?;
        Ok(permit)
    }

    /// A permit for whoever comes through a balancer.
    pub(crate) fn take_for_balancer(&self) -> Result<Permit, Full> {
        let mut taken = self.taken();
        if taken.total >= self.total {
            return Err(Full::Listener);
        }
        taken.total += 1;
        Ok(Permit {
            limit: self.clone(),
            client: None,
        })
    }

    /// Counting cannot leave the map half changed, so a poisoned lock is as good as any.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// It is this client's from now on.
    pub(crate) fn assign(&mut self, peer: IpAddr) -> Result<(), Full> {
        let client = Network::of(peer);
        let mut taken = self.limit.taken();
        let mine = taken.by_client.entry(client).or_default();
        if *mine >= self.limit.per_address {
            return Err(Full::Address);
        }
        *mine += 1;
        self.client = Some(client);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut taken = self.limit.taken();
        taken.total = taken.total.saturating_sub(1);
        if let Some(client) = self.client
            && let Some(mine) = taken.by_client.get_mut(&client)
        {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                taken.by_client.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_at_the_limit_and_limit_come_back() {
        let limit = ConnectionLimit::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = limit.take(a).unwrap();
        let _second = limit.take(a).unwrap();
        assert_eq!(limit.take(a).unwrap_err(), Full::Address);
        let _third = limit.take(b).unwrap();
        assert_eq!(limit.take(b).unwrap_err(), Full::Listener);
        drop(first);
        let again = limit.take(a).unwrap();
        drop((again, _second, _third));
        assert_eq!(limit.taken().total, 0);
        assert!(limit.taken().by_client.is_empty());
    }

    #[test]
    fn one_ipv6_network_is_one_party() {
        let limit = ConnectionLimit::new(9, 1);
        let _permit = limit.take("2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(
            limit.take("2001:db8::ffff:1".parse().unwrap()).unwrap_err(),
            Full::Address
        );
        limit.take("2001:db8:0:1::1".parse().unwrap()).unwrap();
        let _v4 = limit.take("192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(
            limit.take("::ffff:192.0.2.1".parse().unwrap()).unwrap_err(),
            Full::Address
        );
    }
}
