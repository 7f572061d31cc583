//! Failed attempts cost time: a token bucket for each pair of login name and address, and a larger one for
//! each address, against those who try one password on many names.
//!
//! It looks at the address that the name stands for, never at whether there is such an account, so it tells nothing (S4.1-4).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pillarbox_names::Network;

/// One failure is forgiven in this time.
const REFILL: Duration = Duration::from_secs(10);

/// Failures that may come at once for one name from one address before attempts are turned away.
const BURST: u32 = 10;

/// Failures that may come at once from one address, whatever the names. Many people may share one.
const BURST_OF_ADDRESS: u32 = 100;

/// What an answer to a failure waits, so that guessing is slow from the first guess on.
pub(super) const FAILURE_DELAY: Duration = Duration::from_millis(500);

/// Buckets kept; some 2 MiB.
const MOST: usize = 65_536;

/// The buckets. A bucket is one point in time: when it will be full again.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    hasher: RandomState,
    full_at: Mutex<HashMap<u64, Instant>>,
}

impl Throttle {
    /// Whether an attempt may be looked at.
    pub(super) fn admits(&self, login: &str, remote: IpAddr, now: Instant) -> bool {
        let full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let has_token = |key, burst: u32| {
            full_at
                .get(&key)
                .is_none_or(|full| full.saturating_duration_since(now) <= REFILL * (burst - 1))
        };
        has_token(self.pair(login, remote), BURST)
            && has_token(self.address(remote), BURST_OF_ADDRESS)
    }

    /// Notes a failure.
    pub(super) fn failed(&self, login: &str, remote: IpAddr, now: Instant) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, burst) in [
            (self.pair(login, remote), BURST),
            (self.address(remote), BURST_OF_ADDRESS),
        ] {
            if full_at.len() >= MOST && !full_at.contains_key(&key) {
                full_at.retain(|_, full| *full > now);
                if full_at.len() >= MOST {
                    // A flood from very many addresses: start afresh rather than grow.
                    full_at.clear();
                }
            }
            let full = full_at.entry(key).or_insert(now);
            // An empty bucket gets no emptier: whoever fails a thousand times at once shuts nobody out for hours.
            *full = ((*full).max(now) + REFILL).min(now + REFILL * burst);
        }
    }

    fn pair(&self, login: &str, remote: IpAddr) -> u64 {
        self.hasher
            .hash_one((login.to_ascii_lowercase(), Network::of(remote)))
    }

    fn address(&self, remote: IpAddr) -> u64 {
        self.hasher.hash_one(Network::of(remote))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_every_ten_seconds() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..BURST {
            assert!(throttle.admits("alice@example.org", ip("192.0.2.1"), now));
            throttle.failed("alice@example.org", ip("192.0.2.1"), now);
        }
        assert!(!throttle.admits("Alice@example.org", ip("192.0.2.1"), now));
        assert!(throttle.admits("bob@example.org", ip("192.0.2.1"), now));
        assert!(throttle.admits("alice@example.org", ip("192.0.2.2"), now));
        assert!(throttle.admits("alice@example.org", ip("192.0.2.1"), now + REFILL));
    }

    #[test]
    fn many_names_from_one_address_are_slowed_too() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for number in 0..BURST_OF_ADDRESS {
            let login = format!("user{number}@example.org");
            assert!(throttle.admits(&login, ip("192.0.2.1"), now), "{login}");
            throttle.failed(&login, ip("192.0.2.1"), now);
        }
        assert!(!throttle.admits("fresh@example.org", ip("192.0.2.1"), now));
        assert!(throttle.admits("fresh@example.org", ip("192.0.2.2"), now));
    }

    /// Exchanges that were broken off are counted without being admitted first: they may be many.
    #[test]
    fn a_flood_of_failures_is_forgiven_like_a_burst() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..10_000 {
            throttle.failed("alice@example.org", ip("192.0.2.1"), now);
        }
        assert!(!throttle.admits("bob@example.org", ip("192.0.2.1"), now));
        assert!(throttle.admits("alice@example.org", ip("192.0.2.1"), now + REFILL));
    }

    /// As many buckets as are kept: one of the address, and one of each name. `held` failed twice, all others once.
    fn flood(now: Instant) -> Throttle {
        let throttle = Throttle::default();
        for number in 0..MOST - 2 {
            throttle.failed(&number.to_string(), ip("192.0.2.1"), now);
        }
        throttle.failed("held", ip("192.0.2.1"), now);
        throttle.failed("held", ip("192.0.2.1"), now);
        assert_eq!(throttle.full_at.lock().unwrap().len(), MOST);
        throttle
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        for (login, when, kept) in [
            ("held", now, MOST),
            // None can go, so all do: then there are the name's and the address's.
            ("fresh", now, 2),
            // Those that are full again go: `held` is not yet, and neither is the address.
            ("fresh", now + REFILL, 3),
        ] {
            let throttle = flood(now);
            throttle.failed(login, ip("192.0.2.1"), when);
            assert_eq!(throttle.full_at.lock().unwrap().len(), kept, "{login}");
        }
    }
}
