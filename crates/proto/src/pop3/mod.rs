//! POP3 (RFC 1939) with CAPA (RFC 2449), STLS (RFC 2595 §4), AUTH (RFC 5034) and response codes (RFC 2449 §8,
//! RFC 3206): [`server::Server`] and [`client::Client`].
//!
//! Both are pure machines. They know no store, no account and no clock: a server is given a
//! [`maildrop::Maildrop`] at login and asks its owner for everything else by [`server::Event`]s.
//!
//! # What a message looks like after the journey
//!
//! POP3 carries messages as lines that end in CRLF, with a lone `.` as their end (RFC 1939 §3). Stored
//! messages are arbitrary octets. [`stuffing`] therefore does as little as possible to them:
//!
//! * Octets are sent as they are stored, a CR or LF on its own included. A reader that takes CRLF alone for a
//!   line end, as the RFC says and as [`client::Client`] does, gets them back exactly.
//! * A message that does not end in CRLF gets one added, since the end mark must stand on a line of its own.
//!   LIST and STAT tell the size as stored, so that a reader can see, and undo, that two octets were added.
//! * One exception keeps readers safe that also take a bare LF or CR for a line end: where a `.` alone would
//!   stand between such line ends, it is doubled, or mail could end its own transfer early and put words into
//!   the server's mouth. A strict reader sees one more `.` there.

pub mod capabilities;
pub mod client;
mod command;
pub mod maildrop;
pub mod response;
pub mod server;
pub mod stuffing;
