//! The embedded engine: nothing to install, one folder, one process.
//!
//! A **log** per shard is the truth; a SQLite **index** per shard says what is where and can always be made
//! anew from the log. An account belongs to one shard, by its number modulo the number of shards. Each
//! shard has one writer, a thread that takes the operations that are waiting, and for all of them together
//! (`shard::writer`):
//!
//! 1. decides what each does, against the index inside one transaction (`operations`),
//! 2. appends one record per operation to the log and applies it to the index (`log`, `index::apply`),
//! 3. makes the log durable with **one** `fdatasync`,
//! 4. commits the index, durably, with the position in the log that it has got to,
//! 5. and only then answers.
//!
//! Readers use connections of their own and never wait for a writer. Contents are never in the index: they
//! are read straight from the segment files.
//!
//! # Folder
//!
//! ```text
//! FORMAT                     "pillarbox store 1\nshards N\n"; written last when a store is made
//! LOCK                       locked (flock) by the process that has the store
//! logins.sqlite              login records of the last 30 days
//! grants.sqlite              the operator's exceptions for passwords in the clear
//! spool/                     content on its way in; emptied when the store is opened
//! shard-000/index.sqlite     the shard's index, with SQLite's -wal and -shm
//! shard-000/0000000001.seg   segments of the shard's log, numbered from 1 without gaps
//! shard-000/next.space       space for the next segment; worthless, as is first.space
//! ```
//!
//! # Segment
//!
//! Numbers are little-endian. CRCs are CRC-32 (IEEE). A segment is preallocated; behind its last record are
//! zeros to the end of the file, or nothing.
//!
//! | offset | octets | segment header |
//! |---|---|---|
//! | 0 | 8 | `PBXSEG`, 0, format version 1 |
//! | 8 | 4 | number of the shard |
//! | 12 | 4 | chain: header CRC of the record before the segment's first, 0 for the log's first |
//! | 16 | 8 | number of the segment |
//! | 24 | 8 | log sequence number of the segment's first record |
//! | 32 | 8 | salt: random, never 0 |
//! | 40 | 4 | CRC of octets 0 to 39 |
//! | 44 | 20 | zeros |
//!
//! | offset | octets | record, at a multiple of 8 |
//! |---|---|---|
//! | 0 | 8 | the segment's salt |
//! | 8 | 8 | log sequence number: 1 for the log's first record, then each the next |
//! | 16 | 8 | batch: the sequence number of the first record of the same sync |
//! | 24 | 8 | octets of all bodies, B |
//! | 32 | 4 | octets of the entry, E, at most 256 MiB |
//! | 36 | 4 | chain: header CRC of the record before |
//! | 40 | 4 | CRC of the entry |
//! | 44 | 4 | header CRC: of octets 0 to 43 |
//! | 48 | E | entry |
//! | 48+E | B | bodies, one after another |
//! | 48+E+B | 0-7 | zeros up to a multiple of 8 |
//!
//! An entry is the account's number (8 octets, signed), a count (4), and that many effects: a tag (1) and
//! fields in the order of `entry::Effect`. Texts, octet strings and lists have a count (4) before them,
//! what may be absent 0 or 1 (1). Effects that bring content carry size (8) and CRC (4) of their body;
//! bodies stand in the order of these effects. The queue is no account's: its entries have account 0.
//!
//! | tag | effect | fields |
//! |---|---|---|
//! | 1 | account created | address, verifiers, ladder, time |
//! | 2 | verifiers set | argon2id text, salt, iterations (4), stored key (32), server key (32) |
//! | 3 | ladder set | rung (1) [until (8)], least TLS version (1), last weaker use?, since (8) |
//! | 4 | password exposed | time (8) |
//! | 5 | account deleted | |
//! | 6 | mailbox created | id (8), name, UIDVALIDITY (4), MODSEQ (8), subscribed (1), special use? |
//! | 7 | mailbox renamed | id (8), name |
//! | 8 | mailbox deleted | id (8) |
//! | 9 | subscription set | id (8), subscribed (1) |
//! | 10 | message appended | mailbox (8), UID (4), content (8), MODSEQ (8), date (8), offset (2), flags, structure, size (8), CRC (4) |
//! | 11 | flags set | mailbox (8), MODSEQ (8), flags, UIDs (4 each) |
//! | 12 | expunged | mailbox (8), MODSEQ (8), UIDs (4 each) |
//! | 13 | copied | from (8), to (8), MODSEQ (8), pairs of UIDs (4 and 4) |
//! | 14 | delivered | delivery (16), date (8), offset (2), structure, size (8), CRC (4), list of: account (8), mailbox (8), UIDVALIDITY (4), UID (4), content (8), MODSEQ (8), flags |
//! | 15 | queued | message (16), sender, list of recipients, octets for the worker, time (8), size (8), CRC (4) |
//! | 16 | queue settled | message (16), recipient's number (4), outcome (1) \[time (8)\] \[reason\], time (8) |
//!
//! # Recovery
//!
//! Opening a store looks at each shard's index for the position it has got to, checks that the record that
//! ends there is in the log and whole, and applies the records behind it. What stands behind the last whole
//! record is either zeros (the log ends there) or something else, and then:
//!
//! - In a segment that is not the last it is **damage**: the next segment is made only when this one is
//!   durable.
//! - If the header of a later record begins a later batch, it is **damage**: a batch is written only when
//!   the one before is durable. The salt and the header's CRC keep a message's content from posing as one.
//! - Otherwise it is a **torn tail**: writes of a batch that was never durable, and so never acknowledged.
//!   It is cut, and the log goes on there.
//!
//! Damage is reported as [`StoreError::Damaged`](crate::StoreError::Damaged) with file and offset, and the store does not open. Nothing
//! damaged is ever skipped. An index that is missing is made anew; [`EmbeddedStore::verify`] compares one
//! with its log, [`EmbeddedStore::rebuild_index`] replaces it.
//!
//! A batch whose sync fails is taken back from the log before anything else is written: the system may have
//! dropped what it could not write.

// From the lowest layer up; a test of the project holds that none sees a higher one.
mod disk;
mod leases;
mod names;

mod log;

mod index;

mod operations;

mod records;
mod shard;

mod engine;

pub use self::engine::{EmbeddedOptions, EmbeddedStore};
pub use self::shard::verify::{Report, ShardReport};
