//! IMAP sessions.

mod harness;
mod replace;
mod sessions;
mod unauthenticate;
