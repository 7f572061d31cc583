//! What everything else stands on: configuration, clock, files, the store, the signal to stop. Nothing here knows of
//! logins, sessions or protocols.

pub mod clock;
pub mod config;
pub mod delivery;
pub(crate) mod private_file;
pub mod shutdown;
pub mod storage;
