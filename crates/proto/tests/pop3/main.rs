//! Tests of the POP3 machines: transcripts, state rules, attacks (docs/attacks.md, rows S1-S8, C1-C22), and both
//! ends against each other.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod attacks_on_client;
mod attacks_on_server;
mod both_ends;
mod caller;
#[path = "../channels/mod.rs"]
mod channels;
mod client;
mod server;
mod transcripts;
