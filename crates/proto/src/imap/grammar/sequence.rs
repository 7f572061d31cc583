//! [`SequenceSet`]: `1:4,7,12:*` (RFC 3501 §9 `sequence-set`).

use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use super::{Cursor, SyntaxError};

/// One end of a range; `None` is `*`, the largest in the mailbox.
type Bound = Option<NonZeroU32>;

impl Cursor<'_> {
    /// Reads a `sequence-set`.
    ///
    /// # Errors
    /// None stands here.
    pub fn sequence_set(&mut self) -> Result<SequenceSet, SyntaxError> {
        let mut ranges = Vec::new();
        loop {
            let from = self.bound()?;
            let to = if self.eat(b':') { self.bound()? } else { from };
            ranges.push((from, to));
            if !self.eat(b',') {
                return Ok(SequenceSet(ranges));
            }
        }
    }

    fn bound(&mut self) -> Result<Bound, SyntaxError> {
        if self.eat(b'*') {
            return Ok(None);
        }
        self.nz_number().map(Some)
    }
}

/// A set of sequence numbers or UIDs as it was written. Never empty when it was read off the wire.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SequenceSet(Vec<(Bound, Bound)>);

impl SequenceSet {
    /// The shortest way to write these numbers in the order given: ascending neighbours become ranges.
    /// Zeros, which are no sequence numbers, are left out.
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut ranges: Vec<(Bound, Bound)> = Vec::new();
        for number in numbers.into_iter().filter_map(NonZeroU32::new) {
            match ranges.last_mut() {
                Some((_, Some(to))) if to.checked_add(1) == Some(number) => *to = number,
                _ => ranges.push((Some(number), Some(number))),
            }
        }
        Self(ranges)
    }

    /// Whether the set holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is one number, or `*`.
    #[must_use]
    pub fn is_one(&self) -> bool {
        matches!(self.0.as_slice(), [(from, to)] if from == to)
    }

    /// The numbers meant where `largest` is the largest in use: ascending ranges that neither touch nor
    /// overlap, so that a set written to be large costs no more than a small one. `4:2` means `2:4`. With
    /// nothing in use (`largest` is 0) `*` stands for nothing.
    #[must_use]
    pub fn resolve(&self, largest: u32) -> Vec<RangeInclusive<u32>> {
        let mut ranges: Vec<(u32, u32)> = self
            .ends(largest)
            .map(|(from, to)| (from.max(1), to))
            .filter(|(from, to)| from <= to)
            .collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            match merged.last_mut() {
                Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
                _ => merged.push((from, to)),
            }
        }
        merged.into_iter().map(|(from, to)| from..=to).collect()
    }

    /// Whether `number` is meant, where `largest` is the largest in use.
    #[must_use]
    pub fn contains(&self, number: u32, largest: u32) -> bool {
        self.ends(largest)
            .any(|(from, to)| (from..=to).contains(&number))
    }

    /// Each range as it is meant, the smaller number first.
    fn ends(&self, largest: u32) -> impl Iterator<Item = (u32, u32)> {
        let meant = move |bound: Bound| bound.map_or(largest, NonZeroU32::get);
        self.0.iter().map(move |(a, b)| {
            let (a, b) = (meant(*a), meant(*b));
            (a.min(b), a.max(b))
        })
    }
}

impl fmt::Debug for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SequenceSet({self})")
    }
}

fn put(f: &mut fmt::Formatter<'_>, bound: Bound) -> fmt::Result {
    match bound {
        Some(number) => write!(f, "{number}"),
        None => f.write_str("*"),
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (from, to)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            put(f, *from)?;
            if from != to {
                f.write_str(":")?;
                put(f, *to)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SequenceSet, SyntaxError> {
        let mut cursor = Cursor::new(text.as_bytes());
        let set = cursor.sequence_set()?;
        cursor.end()?;
        Ok(set)
    }

    #[test]
    fn reading_and_writing() {
        for text in ["1", "*", "1:*", "2,4:7,9,12:*", "*:4", "4294967295"] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "0",
            "1,",
            ",1",
            "1:",
            "1:2:3",
            "a",
            "4294967296",
            "1 ,2",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn meaning() {
        assert_eq!(
            read("5:3,4:9,*,1").unwrap().resolve(12),
            [1..=1, 3..=9, 12..=12]
        );
        // RFC 3501 §9: "3:*" always includes the largest, even when that is less than 3.
        assert_eq!(read("30:*").unwrap().resolve(12), [12..=30]);
        assert!(read("30:*").unwrap().contains(12, 12));
        assert_eq!(read("*").unwrap().resolve(0), []);
        assert_eq!(
            SequenceSet::of([1, 2, 3, 7, 9, 10]).to_string(),
            "1:3,7,9:10"
        );
        assert_eq!(SequenceSet::of([u32::MAX]).to_string(), "4294967295");
    }

    proptest::proptest! {
        #[test]
        fn a_set_of_numbers_holds_them_and_no_others(
            numbers in proptest::collection::btree_set(1u32..200, 1..60),
        ) {
            let set = read(&SequenceSet::of(numbers.iter().copied()).to_string()).unwrap();
            for number in 1..=200 {
                proptest::prop_assert_eq!(set.contains(number, 500), numbers.contains(&number));
            }
            let listed: Vec<u32> = set.resolve(500).into_iter().flatten().collect();
            proptest::prop_assert_eq!(listed, numbers.into_iter().collect::<Vec<_>>());
        }
    }
}
