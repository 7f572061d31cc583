//! The submission machines: transcripts, attacks, oracles, and both ends against each other.
#![allow(
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

#[path = "../channels/mod.rs"]
mod channels;
mod driver;
mod machines;
mod oracle;
mod transcripts;
