//! The client against real name servers and scripted peers.
#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod attacks;
mod levels;
mod no_records;
mod set_up;
mod stored_account;
