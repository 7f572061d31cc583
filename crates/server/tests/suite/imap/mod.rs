//! IMAP sessions.

mod harness;
mod sessions;
