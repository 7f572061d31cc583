//! How many connections a listener serves at once, in all and for one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pillarbox_names::Network;

/// Why there is no seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Listener,
    Address,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    /// Never more entries than connections.
    by_network: HashMap<Network, usize>,
}

/// The seats of one listener.
#[derive(Debug, Clone)]
pub(crate) struct Seats {
    total: usize,
    per_address: usize,
    taken: Arc<Mutex<Taken>>,
}

/// A seat that is taken until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    network: Network,
}

impl Seats {
    pub(crate) fn new(total: usize, per_address: usize) -> Self {
        Self {
            total,
            per_address,
            taken: Arc::default(),
        }
    }

    pub(crate) fn take(&self, peer: IpAddr) -> Result<Seat, Full> {
        let network = Network::of(peer);
        let mut taken = self.taken();
        if taken.total >= self.total {
            return Err(Full::Listener);
        }
        let mine = taken.by_network.get(&network).copied().unwrap_or(0);
        if mine >= self.per_address {
            return Err(Full::Address);
        }
        taken.by_network.insert(network, mine + 1);
        taken.total += 1;
        Ok(Seat {
            seats: self.clone(),
            network,
        })
    }

    /// Counting cannot leave the map half changed, so a poisoned lock is as good as any.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.total = taken.total.saturating_sub(1);
        if let Some(mine) = taken.by_network.get_mut(&self.network) {
            *mine = mine.saturating_sub(1);
            if *mine == 0 {
                taken.by_network.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_at_the_limit_and_seats_come_back() {
        let seats = Seats::new(3, 2);
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = seats.take(a).unwrap();
        let _second = seats.take(a).unwrap();
        assert_eq!(seats.take(a).unwrap_err(), Full::Address);
        let _third = seats.take(b).unwrap();
        assert_eq!(seats.take(b).unwrap_err(), Full::Listener);
        drop(first);
        let again = seats.take(a).unwrap();
        drop((again, _second, _third));
        assert_eq!(seats.taken().total, 0);
        assert!(seats.taken().by_network.is_empty());
    }

    #[test]
    fn one_ipv6_network_is_one_party() {
        let seats = Seats::new(9, 1);
        let _seat = seats.take("2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(
            seats.take("2001:db8::ffff:1".parse().unwrap()).unwrap_err(),
            Full::Address
        );
        seats.take("2001:db8:0:1::1".parse().unwrap()).unwrap();
        let _v4 = seats.take("192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(
            seats.take("::ffff:192.0.2.1".parse().unwrap()).unwrap_err(),
            Full::Address
        );
    }
}
