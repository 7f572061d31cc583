//! What one has for itself until a deadline, in memory: it ends with the process, and so does whoever had it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;

use super::disk::held;

/// Who has which `K` until which `T`. Whoever has one knows its token, which tells it from every other.
#[derive(Debug)]
pub(crate) struct LeaseTable<K, T>(Mutex<Table<K, T>>);

#[derive(Debug)]
struct Table<K, T> {
    /// The token, and when the lease runs out.
    held: HashMap<K, (u64, T)>,
    last_token: u64,
}

impl<K, T> Default for LeaseTable<K, T> {
    fn default() -> Self {
        Self(Mutex::new(Table {
            held: HashMap::new(),
            last_token: 0,
        }))
    }
}

impl<K: Eq + Hash, T: Copy + Ord> LeaseTable<K, T> {
    /// Takes a key, unless somebody has it; answers the token.
    pub(crate) fn take(&self, key: K, now: T, end: T) -> Option<u64> {
        let mut table = held(&self.0);
        if table.held.get(&key).is_some_and(|(_, end)| now < *end) {
            return None;
        }
        table.last_token += 1;
        let token = table.last_token;
        table.held.insert(key, (token, end));
        Some(token)
    }

    /// Lets a lease run until `end`, unless it ran out.
    pub(crate) fn renew(&self, key: &K, token: u64, now: T, end: T) -> bool {
        match held(&self.0).held.get_mut(key) {
            Some((of, until)) if *of == token && now < *until => {
                *until = end;
                true
            }
            _ => false,
        }
    }

    /// Whether a lease runs still.
    pub(crate) fn holds(&self, key: &K, token: u64, now: T) -> bool {
        let table = held(&self.0);
        let lease = table.held.get(key);
        lease.is_some_and(|(of, end)| *of == token && now < *end)
    }

    /// Ends a lease, unless the key is somebody else's by now.
    pub(crate) fn give_back(&self, key: &K, token: u64) {
        let mut table = held(&self.0);
        if table.held.get(key).is_some_and(|(of, _)| *of == token) {
            table.held.remove(key);
        }
    }

    /// When the lease of a key ends or ended, if it has one that was not given back.
    pub(crate) fn end(&self, key: &K) -> Option<T> {
        held(&self.0).held.get(key).map(|(_, end)| *end)
    }

    /// How many leases were not given back, and the end of the first of them.
    pub(crate) fn earliest(&self) -> (usize, Option<T>) {
        let table = held(&self.0);
        let ends = table.held.values().map(|(_, end)| *end);
        (table.held.len(), ends.min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_ran_out_is_somebody_elses() {
        let table = LeaseTable::default();
        let first = table.take('a', 0, 60).unwrap();
        assert_eq!(table.take('a', 59, 120), None);
        assert!(table.take('b', 59, 120).is_some());
        assert!(table.renew(&'a', first, 59, 90));
        assert_eq!(table.take('a', 89, 120), None);
        let second = table.take('a', 90, 120).unwrap();
        assert!(!table.renew(&'a', first, 91, 200));
        assert!(!table.holds(&'a', first, 91) && table.holds(&'a', second, 91));
        table.give_back(&'a', first);
        assert_eq!(
            (table.end(&'a'), table.earliest()),
            (Some(120), (2, Some(120)))
        );
        table.give_back(&'a', second);
        assert!(table.take('a', 92, 93).is_some());
    }
}
