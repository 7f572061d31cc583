//! Accounts: which addresses can be one, and what is kept of a password.

/// Iterations of SCRAM-SHA-256 for new passwords (R7677-1: at least 4096, higher preferred). A client pays
/// for them at its first login, some 20 ms; the server only when the password is set.
pub const SCRAM_ITERATIONS: u32 = 32_768;

/// Octets of a SCRAM salt.
pub const SCRAM_SALT: usize = 16;
