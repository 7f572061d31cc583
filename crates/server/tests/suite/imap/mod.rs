//! IMAP sessions.

mod concurrency;
mod moves;
mod replace;
mod sessions;
mod unauthenticate;
