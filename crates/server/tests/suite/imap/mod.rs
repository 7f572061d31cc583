//! IMAP sessions.

mod concurrency;
mod replace;
mod sessions;
mod unauthenticate;
