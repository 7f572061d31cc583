//! IMAP sessions.

mod concurrency;
mod harness;
mod replace;
mod sessions;

mod unauthenticate;
