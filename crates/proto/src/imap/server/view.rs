//! [`View`]: what sequence numbers mean in one session (RFC 3501 §2.3.1.2, §7.4.1).
//!
//! Every session has numbers of its own: a message that somebody else expunged keeps its number until this
//! session has been told, and it may be told only where [`Expunges::Announced`] allows it.

use crate::imap::grammar::SequenceSet;

use super::Naming;

/// Whether untagged EXPUNGE may be sent now. Not while FETCH, STORE or SEARCH run with sequence numbers, and
/// not while no command is running, IDLE aside (RFC 3501 §7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expunges {
    /// Now is the time.
    Announced,
    /// Keep them for later.
    Withheld,
}

/// A sequence number that the mailbox does not have: tagged BAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no message has this number")]
pub struct NoSuchMessage;

/// What the client has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// The message with this number is gone; those after it move up.
    Expunge(u32),
    /// The mailbox has this many messages.
    Exists(u32),
}

/// The messages of the selected mailbox as this session knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// UIDs by sequence number, ascending.
    uids: Vec<u32>,
    /// UIDs in `uids` that are gone and not yet announced, ascending.
    gone: Vec<u32>,
    /// How many messages the client was told of last.
    told: u32,
}

impl View {
    /// A mailbox as it is on selection. The UIDs must ascend.
    #[must_use]
    pub fn new(uids: Vec<u32>) -> Self {
        let told = count(&uids);
        Self {
            uids,
            gone: Vec::new(),
            told,
        }
    }

    /// How many messages the client may number.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.told
    }

    /// Whether there is no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told == 0
    }

    fn numbered(&self) -> &[u32] {
        let told = usize::try_from(self.told).unwrap_or(usize::MAX);
        self.uids.get(..told).unwrap_or(&self.uids)
    }

    /// The number of this UID, if the client knows the message.
    #[must_use]
    pub fn number_of(&self, uid: u32) -> Option<u32> {
        let at = self.numbered().binary_search(&uid).ok()?;
        u32::try_from(at + 1).ok()
    }

    /// The UID with this number.
    #[must_use]
    pub fn uid_of(&self, number: u32) -> Option<u32> {
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        self.numbered().get(at).copied()
    }

    /// The largest UID the client knows; 0 in an empty mailbox.
    #[must_use]
    pub fn largest_uid(&self) -> u32 {
        self.numbered().last().copied().unwrap_or(0)
    }

    /// The largest number, or UID, that `*` stands for.
    #[must_use]
    pub fn largest(&self, naming: Naming) -> u32 {
        match naming {
            Naming::Sequence => self.told,
            Naming::Uid => self.largest_uid(),
        }
    }

    /// The messages a command names, as pairs of number and UID, ascending.
    ///
    /// # Errors
    /// A sequence number is beyond the last message. (A UID that does not exist is no error: RFC 3501 §6.4.8.)
    pub fn resolve(
        &self,
        set: &SequenceSet,
        naming: Naming,
    ) -> Result<Vec<(u32, u32)>, NoSuchMessage> {
        let numbered = self.numbered();
        let mut found = Vec::new();
        for range in set.resolve(self.largest(naming)) {
            let (first, last) = match naming {
                Naming::Sequence if *range.end() > self.told => return Err(NoSuchMessage),
                Naming::Sequence => (
                    usize::try_from(range.start().saturating_sub(1)).unwrap_or(usize::MAX),
                    usize::try_from(*range.end()).unwrap_or(usize::MAX),
                ),
                Naming::Uid => (
                    numbered.partition_point(|uid| uid < range.start()),
                    numbered.partition_point(|uid| uid <= range.end()),
                ),
            };
            for (at, uid) in numbered.iter().enumerate().take(last).skip(first) {
                found.push((u32::try_from(at + 1).unwrap_or(u32::MAX), *uid));
            }
        }
        if found.is_empty() && naming == Naming::Sequence {
            return Err(NoSuchMessage);
        }
        Ok(found)
    }

    /// Takes in that messages have come. UIDs that are known already, or smaller than known ones, are
    /// ignored: UIDs only ascend.
    pub fn arrived(&mut self, uids: impl IntoIterator<Item = u32>) {
        for uid in uids {
            if self.uids.last().is_none_or(|last| *last < uid) {
                self.uids.push(uid);
            }
        }
    }

    /// Takes in that messages are gone.
    pub fn expunged(&mut self, uids: impl IntoIterator<Item = u32>) {
        for uid in uids {
            if self.uids.binary_search(&uid).is_ok()
                && let Err(at) = self.gone.binary_search(&uid)
            {
                self.gone.insert(at, uid);
            }
        }
    }

    /// Whether this UID is gone, though its number may still stand.
    #[must_use]
    pub fn is_gone(&self, uid: u32) -> bool {
        self.gone.binary_search(&uid).is_ok()
    }

    /// What the client has to be told now; from then on the view is as it was told. EXPUNGEs come first, the
    /// largest number first, so that each is right at the moment it is read.
    pub fn announce(&mut self, expunges: Expunges) -> Vec<Update> {
        let mut updates = Vec::new();
        if expunges == Expunges::Announced && !self.gone.is_empty() {
            let gone = std::mem::take(&mut self.gone);
            for uid in gone.iter().rev() {
                if let Some(number) = self.number_of(*uid) {
                    updates.push(Update::Expunge(number));
                }
            }
            self.told = self
                .told
                .saturating_sub(u32::try_from(updates.len()).unwrap_or(u32::MAX));
            self.uids.retain(|uid| gone.binary_search(uid).is_err());
        }
        let now = count(&self.uids);
        if now != self.told {
            self.told = now;
            updates.push(Update::Exists(now));
        }
        updates
    }
}

fn count(uids: &[u32]) -> u32 {
    u32::try_from(uids.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::grammar::Cursor;

    fn set(text: &str) -> SequenceSet {
        Cursor::new(text.as_bytes()).sequence_set().unwrap()
    }

    #[test]
    fn numbers_and_uids() {
        let view = View::new(vec![3, 5, 9, 12]);
        assert_eq!(
            view.resolve(&set("2:3"), Naming::Sequence),
            Ok(vec![(2, 5), (3, 9)])
        );
        assert_eq!(view.resolve(&set("*"), Naming::Sequence), Ok(vec![(4, 12)]));
        assert_eq!(
            view.resolve(&set("5"), Naming::Sequence),
            Err(NoSuchMessage)
        );
        assert_eq!(
            view.resolve(&set("1:7"), Naming::Sequence),
            Err(NoSuchMessage)
        );
        assert_eq!(
            view.resolve(&set("4:9"), Naming::Uid),
            Ok(vec![(2, 5), (3, 9)])
        );
        assert_eq!(view.resolve(&set("100:*"), Naming::Uid), Ok(vec![(4, 12)]));
        assert_eq!(view.resolve(&set("4"), Naming::Uid), Ok(vec![]));
        assert_eq!(
            View::default().resolve(&set("*"), Naming::Sequence),
            Err(NoSuchMessage)
        );
        assert_eq!(
            View::default().resolve(&set("1:*"), Naming::Uid),
            Ok(vec![])
        );
    }

    #[test]
    fn expunges_wait_for_their_time() {
        let mut view = View::new(vec![1, 2, 3, 4]);
        view.expunged([2, 4, 99]);
        view.arrived([5]);
        assert_eq!(view.announce(Expunges::Withheld), [Update::Exists(5)]);
        assert_eq!(view.uid_of(2), Some(2));
        assert!(view.is_gone(2));
        assert_eq!(
            view.announce(Expunges::Announced),
            [Update::Expunge(4), Update::Expunge(2)]
        );
        assert_eq!(view.uid_of(2), Some(3));
        assert_eq!(view.announce(Expunges::Announced), []);
    }

    #[test]
    fn what_came_and_went_untold_is_never_told() {
        let mut view = View::new(vec![1]);
        view.arrived([2]);
        view.expunged([2]);
        assert_eq!(view.announce(Expunges::Announced), []);
        assert_eq!(view.len(), 1);
    }

    proptest::proptest! {
        /// A client that follows the updates always has the same numbers as the view.
        #[test]
        fn a_client_that_follows_keeps_the_same_numbers(
            steps in proptest::collection::vec((0u8..4, 0u32..40), 0..80),
        ) {
            let mut view = View::new(vec![1, 2, 3]);
            let mut client = vec![1, 2, 3];
            let mut next = 4;
            for (kind, pick) in steps {
                match kind {
                    0 => { view.arrived([next]); next += 1; }
                    1 => view.expunged([pick]),
                    _ => {
                        let expunges = if kind == 2 { Expunges::Announced } else { Expunges::Withheld };
                        for update in view.announce(expunges) {
                            match update {
                                Update::Expunge(number) => { client.remove(number as usize - 1); }
                                Update::Exists(count) => {
                                    proptest::prop_assert!(count as usize >= client.len());
                                    while client.len() < count as usize {
                                        client.push(view.uid_of(client.len() as u32 + 1).unwrap());
                                    }
                                }
                            }
                        }
                    }
                }
                proptest::prop_assert_eq!(view.len() as usize, client.len());
                for (at, uid) in client.iter().enumerate() {
                    proptest::prop_assert_eq!(view.uid_of(at as u32 + 1), Some(*uid));
                }
            }
        }
    }
}
