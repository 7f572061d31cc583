//! The client program, from outside.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod cli;
mod codes;
mod mail;
mod secrets_in_memory;
mod support;
mod with_pillarboxd;
