//! SCRAM-SHA-256 (RFC 5802, RFC 7677): keys, message grammar, and the two ends.

pub(super) mod client;
pub(super) mod keys;
mod message;
pub(super) mod server;
#[cfg(test)]
mod tests;
