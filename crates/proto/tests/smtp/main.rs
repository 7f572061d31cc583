//! The submission machines: transcripts, attacks, oracles, and both ends against each other.

mod machines;
mod oracle;
mod transcripts;
