//! Message submission (RFC 6409 over RFC 5321): both ends.
//!
//! [`server::Server`] is the MSA's machine, [`client::Client`] a person's. Neither knows a store, a clock, a
//! socket or a random source. The server offers PIPELINING, SIZE, 8BITMIME, SMTPUTF8, CHUNKING,
//! ENHANCEDSTATUSCODES, LIMITS, STARTTLS in the clear, and AUTH where policy permits it. BINARYMIME is not
//! offered: IMAP and POP3 could not give such content back as it came.

pub mod client;
pub mod server;
