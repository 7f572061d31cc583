//! Sequence numbers of a mailbox that one session has: as simple as can be. Also for the fuzz target.

use pillarbox_proto::imap::server::{Messages, Naming};

/// What a client has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Update {
    Expunge(u32),
    Exists(u32),
}

/// UIDs by sequence number, and what became of them since the client was told.
#[derive(Debug, Default)]
pub(crate) struct View {
    told: Vec<u32>,
    now: Vec<u32>,
}

impl View {
    pub(crate) fn new(uids: Vec<u32>) -> Self {
        Self {
            told: uids.clone(),
            now: uids,
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.told.len() as u32
    }

    pub(crate) fn uid_of(&self, number: u32) -> Option<u32> {
        self.told.get(number as usize - 1).copied()
    }

    fn numbered(&self) -> impl Iterator<Item = (u32, u32)> {
        (1..).zip(self.told.iter().copied())
    }

    pub(crate) fn largest_uid(&self) -> u32 {
        self.told.last().copied().unwrap_or(0)
    }

    /// The messages a command names, as pairs of number and UID; an error for a number that there is not.
    pub(crate) fn resolve(&self, messages: &Messages) -> Result<Vec<(u32, u32)>, &'static str> {
        let Messages { set, naming } = messages;
        let count = self.len();
        let largest = match naming {
            Naming::Sequence => count,
            Naming::Uid => self.largest_uid(),
        };
        let mut found = Vec::new();
        for range in set.resolve(largest) {
            if *naming == Naming::Sequence && *range.end() > count {
                return Err("no such message");
            }
            found.extend(self.numbered().filter(|(number, uid)| match naming {
                Naming::Sequence => range.contains(number),
                Naming::Uid => range.contains(uid),
            }));
        }
        if *naming == Naming::Sequence && found.is_empty() {
            return Err("no such message");
        }
        Ok(found)
    }

    pub(crate) fn arrived(&mut self, uids: impl IntoIterator<Item = u32>) {
        self.now.extend(uids);
    }

    pub(crate) fn expunged(&mut self, uids: impl IntoIterator<Item = u32>) {
        for gone in uids {
            self.now.retain(|uid| *uid != gone);
        }
    }

    /// What the client has to be told now.
    pub(crate) fn announce(&mut self) -> Vec<Update> {
        let gone = self.numbered().filter(|(_, uid)| !self.now.contains(uid));
        let mut updates: Vec<Update> = gone.map(|(number, _)| Update::Expunge(number)).collect();
        updates.reverse();
        if self.told.len() - updates.len() != self.now.len() {
            updates.push(Update::Exists(self.now.len() as u32));
        }
        self.told.clone_from(&self.now);
        updates
    }
}
