//! [`Snapshot`]: which messages a mailbox holds, shared by all who look at it.

use std::sync::Arc;

use crate::{ModSeq, Uid};

/// UIDs in a chunk at most.
const CHUNK: usize = 1024;
/// Neighbours that hold no more than this together become one chunk.
const MERGED: usize = CHUNK / 2;

/// A mailbox's messages at one moment. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The UIDs of its messages.
    pub uids: Arc<UidList>,
    /// Every change up to here is in it, and none after.
    pub modseq: ModSeq,
}

/// Ascending UIDs, by position from 0.
///
/// They stand in chunks that a changed copy shares with its original, so that a list costs next to nothing
/// beside one that differs in a few UIDs, however long both are.
#[derive(Debug, Clone, Default)]
pub struct UidList(Vec<Chunk>);

#[derive(Debug, Clone)]
struct Chunk {
    /// The position behind its last UID.
    end: u32,
    /// Never empty.
    uids: Arc<[Uid]>,
}

impl UidList {
    /// A list of UIDs, which must ascend; one that does not is left out.
    pub fn new(uids: impl IntoIterator<Item = Uid>) -> Self {
        let mut list = Self::default();
        list.extend(uids);
        list
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.last().map_or(0, |chunk| chunk.end)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The largest.
    #[must_use]
    pub fn last(&self) -> Option<Uid> {
        self.0.last()?.uids.last().copied()
    }

    /// The UID at a position.
    #[must_use]
    pub fn get(&self, position: u32) -> Option<Uid> {
        self.from(position).next()
    }

    /// Those from a position on.
    pub fn from(&self, position: u32) -> impl Iterator<Item = Uid> {
        let at = self.0.partition_point(|chunk| chunk.end <= position);
        let chunks = self.0.get(at..).unwrap_or_default();
        let before = chunks
            .first()
            .map_or(0, |chunk| position.saturating_sub(chunk.start()));
        chunks
            .iter()
            .flat_map(|chunk| chunk.uids.iter().copied())
            .skip(usize::try_from(before).unwrap_or(usize::MAX))
    }

    /// How many are smaller than this one: its position, if it is there.
    #[must_use]
    pub fn before(&self, uid: Uid) -> u32 {
        match self.chunk_of(uid) {
            Some(chunk) => chunk.start() + count(chunk.uids.partition_point(|have| *have < uid)),
            None => self.len(),
        }
    }

    /// The position of a UID.
    #[must_use]
    pub fn position(&self, uid: Uid) -> Option<u32> {
        let chunk = self.chunk_of(uid)?;
        let at = chunk.uids.binary_search(&uid).ok()?;
        Some(chunk.start() + count(at))
    }

    /// Whether a UID is there.
    #[must_use]
    pub fn contains(&self, uid: Uid) -> bool {
        self.position(uid).is_some()
    }

    /// Adds UIDs at the end. Those that are not larger than all before are left out.
    pub fn extend(&mut self, uids: impl IntoIterator<Item = Uid>) {
        let mut last = self.last();
        let mut uids = uids
            .into_iter()
            .filter(move |uid| {
                let ascends = last.is_none_or(|last| last < *uid);
                if ascends {
                    last = Some(*uid);
                }
                ascends
            })
            .peekable();
        while uids.peek().is_some() {
            let mut chunk = match self.0.last() {
                Some(last) if last.uids.len() < CHUNK => last.uids.to_vec(),
                _ => Vec::new(),
            };
            if !chunk.is_empty() {
                self.0.pop();
            }
            let room = CHUNK - chunk.len();
            chunk.extend(uids.by_ref().take(room));
            self.push(chunk.into());
        }
    }

    /// Removes UIDs, which must ascend. Those that are not there are passed over.
    pub fn remove(&mut self, uids: &[Uid]) {
        let mut doomed = uids;
        for chunk in std::mem::take(&mut self.0) {
            let Some(last) = chunk.uids.last() else {
                continue;
            };
            let here = doomed.partition_point(|uid| uid <= last);
            let (gone, rest) = doomed.split_at_checked(here).unwrap_or((doomed, &[]));
            doomed = rest;
            if gone.is_empty() {
                self.push(chunk.uids);
                continue;
            }
            let stays = |uid: &Uid| gone.binary_search(uid).is_err();
            let left: Vec<Uid> = chunk.uids.iter().copied().filter(stays).collect();
            if left.len() == chunk.uids.len() {
                self.push(chunk.uids);
            } else {
                self.push_merged(left);
            }
        }
    }

    /// Those in this list that are not in the other, ascending. Chunks that both share cost nothing.
    #[must_use]
    pub fn without(&self, other: &Self) -> Vec<Uid> {
        let mut missing = Vec::new();
        for chunk in &self.0 {
            let shared = chunk
                .uids
                .first()
                .and_then(|first| other.chunk_of(*first))
                .is_some_and(|theirs| Arc::ptr_eq(&theirs.uids, &chunk.uids));
            if !shared {
                let uids = chunk.uids.iter().copied();
                missing.extend(uids.filter(|uid| !other.contains(*uid)));
            }
        }
        missing
    }

    /// Octets that this list takes beside another.
    #[must_use]
    pub fn octets_beside(&self, other: &Self) -> usize {
        let own = self.0.iter().filter(|chunk| {
            let shared = |theirs: &Chunk| Arc::ptr_eq(&theirs.uids, &chunk.uids);
            !other.0.iter().any(shared)
        });
        own.map(|chunk| size_of_val(&*chunk.uids)).sum::<usize>()
            + self.0.len() * size_of::<Chunk>()
    }

    /// The chunk in which a UID would stand.
    fn chunk_of(&self, uid: Uid) -> Option<&Chunk> {
        let ends_before = |chunk: &Chunk| chunk.uids.last().is_some_and(|last| *last < uid);
        self.0.get(self.0.partition_point(ends_before))
    }

    fn push(&mut self, uids: Arc<[Uid]>) {
        if !uids.is_empty() {
            let end = self.len().saturating_add(count(uids.len()));
            self.0.push(Chunk { end, uids });
        }
    }

    /// Adds what is left of a chunk, to the chunk before it if there is room.
    fn push_merged(&mut self, left: Vec<Uid>) {
        match self.0.last() {
            Some(before) if before.uids.len() + left.len() <= MERGED => {
                let mut both = before.uids.to_vec();
                both.extend(left);
                self.0.pop();
                self.push(both.into());
            }
            _ => self.push(left.into()),
        }
    }
}

impl PartialEq for UidList {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.from(0).eq(other.from(0))
    }
}

impl Eq for UidList {}

impl Chunk {
    fn start(&self) -> u32 {
        self.end.saturating_sub(count(self.uids.len()))
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn uid(number: u32) -> Uid {
        Uid(NonZeroU32::new(number).unwrap())
    }

    fn list(numbers: impl IntoIterator<Item = u32>) -> UidList {
        UidList::new(numbers.into_iter().map(uid))
    }

    #[test]
    fn a_changed_copy_shares_all_but_the_changed_chunks() {
        let all = list(1..=1_000_000);
        let mut one_more = all.clone();
        one_more.extend([uid(1_000_001)]);
        let mut some_less = all.clone();
        some_less.remove(&[uid(1), uid(500_000)]);
        let index = all.0.len() * size_of::<Chunk>();
        assert!(one_more.octets_beside(&all) <= index + 5_000);
        assert!(some_less.octets_beside(&all) <= index + 9_000);
        assert_eq!(all.without(&some_less), [uid(1), uid(500_000)]);
        assert_eq!(some_less.without(&all), []);
        assert_eq!(one_more.without(&all), [uid(1_000_001)]);
    }

    #[test]
    fn what_is_left_after_many_removals_is_packed() {
        let mut all = list(1..=100 * CHUNK as u32);
        let most: Vec<Uid> = (1..=100 * CHUNK as u32)
            .filter(|number| number % 100 != 0)
            .map(uid)
            .collect();
        all.remove(&most);
        assert_eq!(all.len(), CHUNK as u32);
        assert!(all.0.len() <= 4, "{}", all.0.len());
    }

    proptest! {
        #[test]
        fn a_list_is_a_set_in_order(
            start in prop::collection::btree_set(1_u32..6_000, 0..3_000),
            steps in prop::collection::vec(
                (any::<bool>(), prop::collection::btree_set(1_u32..9_000, 0..800)), 0..6),
            asked in prop::collection::vec(1_u32..9_100, 20),
        ) {
            let mut model = start.clone();
            let mut tried = list(start);
            for (adds, numbers) in steps {
                let before = (tried.clone(), model.clone());
                if adds {
                    tried.extend(numbers.iter().copied().map(uid));
                    let last = model.last().copied().unwrap_or(0);
                    model.extend(numbers.into_iter().filter(|number| *number > last));
                } else {
                    let gone: Vec<Uid> = numbers.iter().copied().map(uid).collect();
                    tried.remove(&gone);
                    model.retain(|number| !numbers.contains(number));
                }
                let missing: BTreeSet<u32> = before.1.difference(&model).copied().collect();
                prop_assert_eq!(before.0.without(&tried), list(missing).from(0).collect::<Vec<_>>());
            }
            prop_assert_eq!(tried.len() as usize, model.len());
            prop_assert_eq!(tried.is_empty(), model.is_empty());
            prop_assert_eq!(tried.last(), model.last().copied().map(uid));
            prop_assert!(tried.from(0).eq(model.iter().copied().map(uid)));
            prop_assert!(tried.0.iter().all(|chunk| (1..=CHUNK).contains(&chunk.uids.len())));
            for number in asked {
                let before = model.range(..number).count() as u32;
                prop_assert_eq!(tried.before(uid(number)), before);
                prop_assert_eq!(tried.contains(uid(number)), model.contains(&number));
                let position = number - 1;
                let expected = model.iter().nth(position as usize).copied().map(uid);
                prop_assert_eq!(tried.get(position), expected);
            }
        }
    }
}
