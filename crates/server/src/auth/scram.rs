//! SCRAM keys: what new ones are made with, and stored ones as an exchange wants them.

use pillarbox_proto::sasl;

/// Iterations of SCRAM-SHA-256 for new passwords (R7677-1: at least 4096, higher preferred). A client pays
/// for them at each login, some 10 ms; the server only when the password is set.
pub const SCRAM_ITERATIONS: u32 = 16_384;

/// Octets of a SCRAM salt.
pub const SCRAM_SALT: usize = 16;

/// Stored SCRAM keys as an exchange wants them.
pub(super) fn scram_keys(mut stored: pillarbox_store::ScramKeys) -> sasl::ScramKeys {
    sasl::ScramKeys {
        salt: std::mem::take(&mut stored.salt),
        iterations: stored.iterations,
        stored_key: stored.stored_key,
        server_key: stored.server_key,
    }
}
