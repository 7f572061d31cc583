//! Sessions over real sockets, with a real store.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod authentication;
mod goodbyes;
mod imap;
mod logins;
mod pop3;
mod strangers;
mod submission;
