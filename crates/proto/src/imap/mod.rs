//! IMAP4rev1 (RFC 3501) with the parts of IMAP4rev2 (RFC 9051) that are advertised: grammar, framing and the
//! machines of both ends.
//!
//! * [`grammar`] reads and writes tokens;
//! * [`framing`] cuts a stream into commands or responses and lets large literals stream past;
//! * [`client`] is the client's machine, [`server`] the server's.
//!
//! Nothing here knows a socket, a store or a clock.

pub mod client;
pub mod framing;
pub mod grammar;
pub mod server;
