//! [`Maildrop`]: what a session sees of the mailbox, fixed at login (RFC 1939 §4), and what it marks deleted.

use std::fmt;
use std::num::NonZeroU32;

/// The unique-id of a message (RFC 1939 §7, UIDL): never given to another message of the mailbox, the same in
/// every session. Printed as `validity.uid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueId {
    /// What tells this mailbox from an earlier one of its name (IMAP's UIDVALIDITY).
    pub validity: u32,
    /// What tells the message from all others of the mailbox (IMAP's UID).
    pub uid: u32,
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.validity, self.uid)
    }
}

/// One message of the maildrop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its size as stored, in octets.
    pub octets: u64,
    /// Its unique-id.
    pub id: UniqueId,
}

/// The messages of a session, numbered from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Maildrop {
    entries: Vec<Entry>,
    deleted: Vec<u32>,
}

impl Maildrop {
    /// The maildrop of these messages, in this order.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        Self {
            entries,
            deleted: Vec::new(),
        }
    }

    /// The message of this number, unless it is marked deleted.
    #[must_use]
    pub fn get(&self, number: NonZeroU32) -> Option<Entry> {
        let number = number.get();
        if self.deleted.binary_search(&number).is_ok() {
            return None;
        }
        self.entries.get(index(number)).copied()
    }

    /// The first message from `number` on that is not marked deleted, with its number.
    #[must_use]
    pub fn next_from(&self, number: u32) -> Option<(u32, Entry)> {
        (number.max(1)..)
            .map_while(|number| Some((number, *self.entries.get(index(number))?)))
            .find(|(number, _)| self.deleted.binary_search(number).is_err())
    }

    /// Count and octets of the messages not marked deleted.
    #[must_use]
    pub fn totals(&self) -> (usize, u64) {
        let octets: u64 = self.entries.iter().map(|entry| entry.octets).sum();
        let deleted: u64 = self.deleted().iter().map(|entry| entry.octets).sum();
        (self.entries.len() - self.deleted.len(), octets - deleted)
    }

    /// Marks a message deleted. False where there is none of that number, or it is marked already.
    pub fn delete(&mut self, number: NonZeroU32) -> bool {
        let number = number.get();
        if self.entries.get(index(number)).is_none() {
            return false;
        }
        match self.deleted.binary_search(&number) {
            Ok(_) => false,
            Err(at) => {
                self.deleted.insert(at, number);
                true
            }
        }
    }

    /// Takes all marks back.
    pub fn reset(&mut self) {
        self.deleted.clear();
    }

    /// The messages marked deleted, by number.
    #[must_use]
    pub fn deleted(&self) -> Vec<Entry> {
        self.deleted
            .iter()
            .filter_map(|number| self.entries.get(index(*number)).copied())
            .collect()
    }
}

/// Where the message of this number stands.
fn index(number: u32) -> usize {
    usize::try_from(number).map_or(usize::MAX, |number| number.wrapping_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildrop() -> Maildrop {
        let id = |uid| UniqueId { validity: 7, uid };
        Maildrop::new(vec![
            Entry {
                octets: 10,
                id: id(3),
            },
            Entry {
                octets: 20,
                id: id(5),
            },
            Entry {
                octets: 30,
                id: id(9),
            },
        ])
    }

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn deleting_hides_and_keeps_numbers() {
        let mut maildrop = maildrop();
        assert_eq!(maildrop.totals(), (3, 60));
        assert!(maildrop.delete(number(2)));
        assert!(!maildrop.delete(number(2)));
        assert!(!maildrop.delete(number(4)));
        assert_eq!(maildrop.totals(), (2, 40));
        assert_eq!(maildrop.get(number(2)), None);
        assert_eq!(maildrop.get(number(3)).unwrap().octets, 30);
        assert_eq!(maildrop.next_from(2).unwrap().0, 3);
        assert_eq!(maildrop.next_from(4), None);
        assert_eq!(maildrop.deleted()[0].id.to_string(), "7.5");
        maildrop.reset();
        assert_eq!(maildrop.totals(), (3, 60));
        assert_eq!(maildrop.get(number(u32::MAX)), None);
    }
}
