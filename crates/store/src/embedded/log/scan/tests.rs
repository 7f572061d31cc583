//! Torn tails, damage and zeros, as the scanner tells them apart.

use proptest::prelude::*;

use super::*;
use crate::embedded::disk::codec::octets;
use crate::embedded::disk::segment::SEGMENT_HEADER;
use crate::embedded::log::Log;
use crate::embedded::log::entry::Effect;
use crate::{AccountId, MailboxId};

const SHARD: u16 = 3;

/// An entry of its own, about as long as `length`.
fn entry(number: i64, length: usize) -> Entry {
    Entry {
        account: AccountId(number),
        effects: vec![Effect::MailboxRenamed(
            MailboxId(number),
            "n".repeat(length),
        )],
    }
}

/// Appends a batch and makes it durable; answers where its records begin and end.
fn batch(log: &mut Log, entries: &[Entry]) -> Vec<(Position, Position)> {
    let places = entries
        .iter()
        .map(|entry| {
            let start = log.append(&octets(entry), &[]).unwrap().start;
            (start, log.position())
        })
        .collect();
    log.sync().unwrap();
    places
}

/// Everything up to the end of the log, and how it ends.
fn scan(folder: &Path) -> Result<(Vec<Entry>, End), StoreError> {
    let mut scanner = Scanner::open(folder, SHARD, Position::START, Bodies::Checked)?;
    let mut entries = Vec::new();
    loop {
        match scanner.next()? {
            Next::Record(record) => entries.push(record.entry),
            Next::End(end) => return Ok((entries, end)),
        }
    }
}

fn flip(folder: &Path, at: u64, with: u8) {
    let (segment, _) = Segment::open_any(folder, SHARD, 1).unwrap();
    let mut octet = [0];
    segment.file.read_exact_at(&mut octet, at).unwrap();
    octet[0] ^= with;
    segment.file.write_all_at(&octet, at).unwrap();
}

#[test]
fn records_come_back_in_order_over_many_segments() {
    let place = tempfile::tempdir().unwrap();
    let mut log = Log::open(place.path(), SHARD, 4096, Position::START).unwrap();
    let all: Vec<Entry> = (0..100).map(|n| entry(n, 300 + n as usize)).collect();
    for few in all.chunks(7) {
        batch(&mut log, few);
    }
    drop(log);
    assert!(Segment::list(place.path()).unwrap().len() > 5);
    assert_eq!(scan(place.path()), Ok((all, End::Clean)));
}

#[test]
fn what_was_taken_back_is_not_there() {
    let place = tempfile::tempdir().unwrap();
    let mut log = Log::open(place.path(), SHARD, 4096, Position::START).unwrap();
    batch(&mut log, &[entry(1, 100)]);
    let durable = log.position();
    // Enough to have gone on to other segments.
    for number in 10..40 {
        log.append(&octets(&entry(number, 1000)), &[]).unwrap();
    }
    assert!(log.position().segment > durable.segment);
    log.rewind(durable).unwrap();
    batch(&mut log, &[entry(2, 50)]);
    drop(log);
    let expected = vec![entry(1, 100), entry(2, 50)];
    assert_eq!(scan(place.path()), Ok((expected, End::Clean)));
}

#[test]
fn a_missing_segment_is_damage() {
    let place = tempfile::tempdir().unwrap();
    let mut log = Log::open(place.path(), SHARD, 4096, Position::START).unwrap();
    batch(
        &mut log,
        &(0..20).map(|n| entry(n, 1000)).collect::<Vec<_>>(),
    );
    drop(log);
    let missing = Segment::path(place.path(), 2);
    std::fs::remove_file(&missing).unwrap();
    assert_eq!(
        scan(place.path()),
        Err(damaged(&missing, 0, "the segment is missing"))
    );
}

#[test]
fn a_segment_of_another_shard_is_damage() {
    let place = tempfile::tempdir().unwrap();
    drop(Log::open(place.path(), SHARD + 1, 4096, Position::START).unwrap());
    assert_eq!(
        scan(place.path()),
        Err(damaged(
            &Segment::path(place.path(), 1),
            0,
            "the segment belongs elsewhere"
        ))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever octets of the last batch are wrong, all batches before it come back, then as much of it as
    /// is right before the first wrong octet; nothing is called damaged.
    #[test]
    fn a_wrong_octet_in_the_last_batch_is_a_torn_tail(
        batches in prop::collection::vec(prop::collection::vec(0_usize..400, 1..5), 1..5),
        at in any::<prop::sample::Index>(),
        with in 1_u8..,
    ) {
        let place = tempfile::tempdir().unwrap();
        let mut log = Log::open(place.path(), SHARD, 1 << 16, Position::START).unwrap();
        let mut all = Vec::new();
        let mut last = Vec::new();
        for lengths in &batches {
            let few: Vec<Entry> = lengths
                .iter()
                .map(|length| entry(1, *length))
                .collect();
            last = batch(&mut log, &few);
            all.extend(few);
        }
        drop(log);
        let hit = at.index(last.len());
        let (start, _) = last[hit];
        let length = RECORD_HEADER + octets(&all[all.len() - last.len() + hit]).len();
        flip(place.path(), start.offset + at.index(length) as u64, with);
        let whole = all.len() - last.len() + hit;
        prop_assert_eq!(scan(place.path()), Ok((all[..whole].to_vec(), End::Torn)));
    }

    /// Whatever octet of an earlier batch is wrong, that is damage, told with its place.
    #[test]
    fn a_wrong_octet_before_the_last_batch_is_damage(
        batches in prop::collection::vec(prop::collection::vec(0_usize..400, 1..5), 2..5),
        at in any::<prop::sample::Index>(),
        with in 1_u8..,
    ) {
        let place = tempfile::tempdir().unwrap();
        let mut log = Log::open(place.path(), SHARD, 1 << 16, Position::START).unwrap();
        let mut earlier = Vec::new();
        for (number, lengths) in batches.iter().enumerate() {
            let few: Vec<Entry> = lengths.iter().map(|length| entry(1, *length)).collect();
            let places = batch(&mut log, &few);
            if number + 1 < batches.len() {
                earlier.extend(places.into_iter().zip(few));
            }
        }
        drop(log);
        let ((start, _), entry) = &earlier[at.index(earlier.len())];
        let length = RECORD_HEADER + octets(entry).len();
        flip(place.path(), start.offset + at.index(length) as u64, with);
        match scan(place.path()) {
            Err(StoreError::Damaged { path, offset, .. }) => {
                prop_assert_eq!(path, Segment::path(place.path(), 1));
                prop_assert_eq!(offset, start.offset);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// A log cut anywhere, as by a power failure that lost what was last written, gives back a beginning.
    #[test]
    fn a_log_whose_end_is_zeros_gives_back_its_beginning(
        lengths in prop::collection::vec(0_usize..400, 1..9),
        at in any::<prop::sample::Index>(),
    ) {
        let place = tempfile::tempdir().unwrap();
        let mut log = Log::open(place.path(), SHARD, 1 << 16, Position::START).unwrap();
        let all: Vec<Entry> = lengths.iter().map(|length| entry(1, *length)).collect();
        let places = batch(&mut log, &all);
        let end = log.position().offset;
        drop(log);
        let from = SEGMENT_HEADER + at.index((end - SEGMENT_HEADER) as usize) as u64;
        let (segment, _) = Segment::open_any(place.path(), SHARD, 1).unwrap();
        let zeros = vec![0; (end - from) as usize];
        segment.file.write_all_at(&zeros, from).unwrap();
        let (found, _) = scan(place.path()).unwrap();
        let whole = places.iter().filter(|(_, end)| end.offset <= from).count();
        // Padding is zeros anyway, so the record that was hit may be whole.
        prop_assert!(found.len() == whole || found.len() == whole + 1);
        prop_assert_eq!(found.as_slice(), &all[..found.len()]);
    }
}
