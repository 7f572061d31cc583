//! The structure of messages.
#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod index;
mod properties;
