//! [`View`]: what sequence numbers mean in one session (RFC 3501 section 2.3.1.2, section 7.4.1).
//!
//! Every session has numbers of its own: a message that another session expunged keeps its number until this
//! session's client has been told, and it may be told only where [`Expunges::Announced`] allows it.

use std::num::NonZeroU32;
use std::sync::Arc;

use pillarbox_proto::imap::server::{Messages, Naming};
use pillarbox_store::{Uid, UidList};

/// Whether untagged EXPUNGE may be sent now. Not while FETCH, STORE or SEARCH run with sequence numbers, and
/// not while no command is running, IDLE aside (RFC 3501 section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expunges {
    /// Now is the time.
    Announced,
    /// Keep them for later.
    Withheld,
}

/// A sequence number that the mailbox does not have: tagged BAD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoSuchMessage;

/// What the client has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Update {
    /// The message with this number is gone; those after it move up.
    Expunge(u32),
    /// The mailbox has this many messages.
    Exists(u32),
}

/// The messages of the selected mailbox as the client knows them, and as they are. Both lists are shared with
/// everybody who has selected the mailbox; while they differ, the client's own takes no more than the
/// difference.
#[derive(Debug, Clone, Default)]
pub(super) struct View {
    /// UIDs by sequence number, as the client was told.
    told: Arc<UidList>,
    /// The mailbox as the session last saw it.
    now: Arc<UidList>,
}

impl View {
    /// A mailbox as it is on selection.
    pub(super) fn new(uids: Arc<UidList>) -> Self {
        Self {
            told: Arc::clone(&uids),
            now: uids,
        }
    }

    /// How many messages the client may number.
    pub(super) fn len(&self) -> u32 {
        self.told.len()
    }

    /// The number of this UID, if the client knows the message.
    pub(super) fn number_of(&self, uid: u32) -> Option<u32> {
        let uid = NonZeroU32::new(uid).map(Uid)?;
        Some(self.told.position(uid)? + 1)
    }

    /// The largest UID the client knows; 0 in an empty mailbox.
    pub(super) fn largest_uid(&self) -> u32 {
        self.told.last().map_or(0, |uid| uid.0.get())
    }

    /// UIDs in the order of their numbers.
    pub(super) fn uids(&self) -> impl Iterator<Item = Uid> {
        self.told.from(0)
    }

    /// The largest number, or UID, that `*` stands for.
    pub(super) fn largest(&self, naming: Naming) -> u32 {
        match naming {
            Naming::Sequence => self.len(),
            Naming::Uid => self.largest_uid(),
        }
    }

    /// The messages a command names, as pairs of number and UID, ascending.
    ///
    /// # Errors
    /// A sequence number is beyond the last message. (A UID that does not exist is no error: RFC 3501 section
    /// 6.4.8.)
    pub(super) fn resolve(&self, messages: &Messages) -> Result<Vec<(u32, u32)>, NoSuchMessage> {
        let Messages { set, naming } = messages;
        let mut found = Vec::new();
        for range in set.resolve(self.largest(*naming)) {
            let positions = match naming {
                Naming::Sequence if *range.end() > self.len() => return Err(NoSuchMessage),
                Naming::Sequence => range.start().saturating_sub(1)..*range.end(),
                Naming::Uid => {
                    self.before(*range.start())..self.before(range.end().saturating_add(1))
                }
            };
            let uids = self.told.from(positions.start);
            found.extend(positions.zip(uids).map(|(at, uid)| (at + 1, uid.0.get())));
        }
        if found.is_empty() && *naming == Naming::Sequence {
            return Err(NoSuchMessage);
        }
        Ok(found)
    }

    /// How many of the messages that the client knows have smaller UIDs.
    fn before(&self, uid: u32) -> u32 {
        NonZeroU32::new(uid).map_or(0, |uid| self.told.before(Uid(uid)))
    }

    /// Takes in how the mailbox is now.
    pub(super) fn refresh(&mut self, uids: Arc<UidList>) {
        self.now = uids;
    }

    /// What the client has to be told now; from then on the view is as it was told. EXPUNGEs come first, the
    /// largest number first, so that each is right at the moment it is read.
    pub(super) fn announce(&mut self, expunges: Expunges) -> Vec<Update> {
        if Arc::ptr_eq(&self.told, &self.now) {
            return Vec::new();
        }
        let gone = self.told.without(&self.now);
        let mut updates = Vec::new();
        let mut left = self.len();
        if expunges == Expunges::Announced || gone.is_empty() {
            for uid in gone.iter().rev() {
                if let Some(position) = self.told.position(*uid) {
                    updates.push(Update::Expunge(position + 1));
                    left = left.saturating_sub(1);
                }
            }
            self.told = Arc::clone(&self.now);
        } else {
            let known = self.told.last().map_or(0, |last| self.now.before(last));
            Arc::make_mut(&mut self.told).extend(self.now.from(known));
        }
        if self.len() != left {
            updates.push(Update::Exists(self.len()));
        }
        updates
    }
}

#[cfg(test)]
mod tests {
    use pillarbox_proto::imap::grammar::Cursor;

    use super::*;

    fn messages(text: &str, naming: Naming) -> Messages {
        let set = Cursor::new(text.as_bytes()).sequence_set().unwrap();
        Messages { set, naming }
    }

    fn list(numbers: &[u32]) -> Arc<UidList> {
        let uids = numbers.iter().filter_map(|number| NonZeroU32::new(*number));
        Arc::new(UidList::new(uids.map(Uid)))
    }

    fn uid_of(view: &View, number: u32) -> Option<u32> {
        let uid = view.uids().nth(number as usize - 1)?;
        Some(uid.0.get())
    }

    #[test]
    fn numbers_and_uids() {
        let view = View::new(list(&[3, 5, 9, 12]));
        let resolve = |text, naming| view.resolve(&messages(text, naming));
        assert_eq!(resolve("2:3", Naming::Sequence), Ok(vec![(2, 5), (3, 9)]));
        assert_eq!(resolve("*", Naming::Sequence), Ok(vec![(4, 12)]));
        assert_eq!(resolve("5", Naming::Sequence), Err(NoSuchMessage));
        assert_eq!(resolve("1:7", Naming::Sequence), Err(NoSuchMessage));
        assert_eq!(resolve("4:9", Naming::Uid), Ok(vec![(2, 5), (3, 9)]));
        assert_eq!(resolve("100:*", Naming::Uid), Ok(vec![(4, 12)]));
        assert_eq!(
            resolve("9:4294967295", Naming::Uid),
            Ok(vec![(3, 9), (4, 12)])
        );
        assert_eq!(resolve("4", Naming::Uid), Ok(vec![]));
        let empty = View::default();
        assert_eq!(
            empty.resolve(&messages("*", Naming::Sequence)),
            Err(NoSuchMessage)
        );
        assert_eq!(empty.resolve(&messages("1:*", Naming::Uid)), Ok(vec![]));
    }

    #[test]
    fn expunges_wait_for_their_time() {
        let mut view = View::new(list(&[1, 2, 3, 4]));
        view.refresh(list(&[1, 3, 5]));
        assert_eq!(view.announce(Expunges::Withheld), [Update::Exists(5)]);
        assert_eq!(uid_of(&view, 2), Some(2));
        assert_eq!(
            view.announce(Expunges::Announced),
            [Update::Expunge(4), Update::Expunge(2)]
        );
        assert_eq!(uid_of(&view, 2), Some(3));
        assert_eq!(view.announce(Expunges::Announced), []);
    }

    #[test]
    fn what_came_and_went_untold_is_never_told() {
        let mut view = View::new(list(&[1]));
        view.refresh(list(&[1, 2]));
        view.refresh(list(&[1]));
        assert_eq!(view.announce(Expunges::Announced), []);
        assert_eq!(view.len(), 1);
    }

    #[test]
    fn sessions_that_were_told_all_share_one_list() {
        let million: Vec<u32> = (1..=1_000_000).collect();
        let start = list(&million);
        let mut now = (*start).clone();
        now.remove(&[Uid(NonZeroU32::MIN)]);
        now.extend(NonZeroU32::new(1_000_001).map(Uid));
        let now = Arc::new(now);
        let mut told = View::new(Arc::clone(&start));
        told.refresh(Arc::clone(&now));
        let mut waiting = told.clone();
        told.announce(Expunges::Announced);
        assert!(Arc::ptr_eq(&told.told, &now));
        // Who may not be told of the expunge yet has a list that differs, and nothing but the difference.
        waiting.announce(Expunges::Withheld);
        assert_eq!(waiting.len(), 1_000_001);
        assert!(waiting.told.octets_beside(&start) < 32 * 1024);
    }

    proptest::proptest! {
        /// A client that follows the updates always has the same numbers as the view.
        #[test]
        fn a_client_that_follows_keeps_the_same_numbers(
            steps in proptest::collection::vec((0u8..4, 0u32..40), 0..80),
        ) {
            let mut mailbox = vec![1, 2, 3];
            let mut view = View::new(list(&mailbox));
            let mut client = mailbox.clone();
            let mut next = 4;
            for (kind, pick) in steps {
                match kind {
                    0 => { mailbox.push(next); next += 1; }
                    1 => mailbox.retain(|uid| *uid != pick),
                    _ => {
                        let expunges = if kind == 2 { Expunges::Announced } else { Expunges::Withheld };
                        view.refresh(list(&mailbox));
                        for update in view.announce(expunges) {
                            match update {
                                Update::Expunge(number) => { client.remove(number as usize - 1); }
                                Update::Exists(count) => {
                                    proptest::prop_assert!(count as usize > client.len());
                                    while client.len() < count as usize {
                                        client.push(uid_of(&view, client.len() as u32 + 1).unwrap());
                                    }
                                }
                            }
                        }
                        if kind == 2 {
                            proptest::prop_assert_eq!(&client, &mailbox);
                        }
                    }
                }
                proptest::prop_assert_eq!(view.len() as usize, client.len());
                for (at, uid) in client.iter().enumerate() {
                    let number = at as u32 + 1;
                    proptest::prop_assert_eq!(uid_of(&view, number), Some(*uid));
                    proptest::prop_assert_eq!(view.number_of(*uid), Some(number));
                }
            }
        }
    }
}
