//! The SASL exchanges, from outside.
#![allow(
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod authentication;
#[path = "../channels/mod.rs"]
mod channels;
mod outcomes;
mod server;
