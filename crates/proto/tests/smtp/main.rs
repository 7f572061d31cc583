//! The submission machines: transcripts, attacks, oracles, and both ends against each other.

#[path = "../channels/mod.rs"]
mod channels;
mod machines;
mod oracle;
mod transcripts;
