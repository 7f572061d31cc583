//! IMAP sessions.

mod concurrency;
mod harness;
mod moves;
mod replace;
mod sessions;
mod unauthenticate;
