//! Messages: their structure, their header fields, and what a server adds to them.
//!
//! [`trace`] and [`HeaderStamp`] are what a server adds; [`header_fields`] and [`HeaderScanner`] read headers,
//! [`Needle`] looks for a text, and [`decode_encoded_words`] makes RFC 2047 readable.
//!
//! [`Indexer`] is fed a message in pieces of any size (the split never matters) and yields an [`Index`]: the
//! tree of its parts with absolute octet ranges of header and body, line counts, and small copies of the
//! header fields that ENVELOPE and BODYSTRUCTURE are made of (RFC 5322, 2045, 2046, 2183, 2231). A store
//! keeps the index beside the message ([`Index::to_bytes`]), so that FETCH ENVELOPE, BODYSTRUCTURE, RFC822.SIZE
//! and the ranges of every `BODY[section]` never read the message again.
//!
//! Memory and time are bounded for any input by [`IndexLimits`]: what lies beyond a limit is one opaque leaf.
//! No input is an error. Line ends may be CRLF or bare LF, boundaries may be missing or prefixes of each
//! other, headers may hold NUL and 8-bit octets: the octets are never changed, only described.
//!
//! In an index header values are kept as they stand on the wire, unfolded, without NUL, CR and LF; encoded words
//! (RFC 2047) are not decoded, because IMAP wants them so (RFC 9051 §7.5.2).
//!
//! This module knows no protocol and no store.
//!
//! ```
//! use pillarbox_proto::message::{IndexLimits, Indexer, Section};
//!
//! let mut indexer = Indexer::new(IndexLimits::default());
//! indexer.push(b"Subject: hi\r\nFrom: a@example.org\r\n\r\nHel");
//! indexer.push(b"lo\r\n");
//! let index = indexer.finish();
//! assert_eq!(index.envelope().subject.as_deref(), Some(&b"hi"[..]));
//! assert_eq!(index.section(&[1], Section::Body), Some(36..43));
//! ```

mod address;
mod body_structure;
mod content;
mod date;
mod encoded_word;
mod encoding;
mod envelope;
mod fields;
mod find;
mod header;
mod index;
mod indexer;
mod lexer;
mod stamp;
pub mod trace;

pub use address::Address;
pub use body_structure::{BodyStructure, Content};
pub use content::{Disposition, MediaType, Parameter};
pub use date::{day_of, format_date, parse_date};
pub use encoded_word::decode as decode_encoded_words;
pub use encoding::BadIndex;
pub use envelope::Envelope;
pub use find::{Finder, Needle};
pub use header::{HeaderScanner, Scanned, fields as header_fields};
pub use index::{Index, Kind, Part, Section};
pub use indexer::{IndexLimits, Indexer};
pub use stamp::HeaderStamp;
