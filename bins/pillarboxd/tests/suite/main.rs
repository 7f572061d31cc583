//! The server program, from outside.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod attacks;
mod command_line;
mod interop;
mod lifecycle;
mod listeners;
mod secrets_in_memory;
mod support;
