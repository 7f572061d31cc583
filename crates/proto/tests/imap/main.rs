//! The IMAP machines: transcripts, limits, attacks, oracles, and both ends against each other.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unimplemented,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod both_ends;
mod caller;
#[path = "../channels/mod.rs"]
mod channels;
mod client;
mod client_properties;
mod oracle;
mod server;
mod transcripts;
mod view;
