//! The IMAP machines: transcripts, limits, attacks, oracles, and both ends against each other.

mod both_ends;
#[path = "../channels/mod.rs"]
mod channels;
mod client;
mod client_properties;
mod oracle;
mod owner;
mod server;
mod transcripts;
