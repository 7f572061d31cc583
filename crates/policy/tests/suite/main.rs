//! The policy, as tables and properties.

#![allow(clippy::unwrap_used, reason = "a test that meets the unexpected fails")]

mod codes;
mod facts;
mod ladder;
mod level;
mod login;
