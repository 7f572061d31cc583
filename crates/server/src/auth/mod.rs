//! Authentication: the one way from a login name and a proof to an [`AccountHandle`].
//!
//! In this order: the ladder of the account is asked whether the channel is good enough; only then is a
//! password looked at, in a bounded pool, with the same work for names that are no accounts; the attempt
//! goes on record with its TLS facts (S4-17); only then is the answer given.

pub mod accounts;
mod authenticator;
mod handle;
mod hashing;
mod origin;
mod record;
mod remembered;
mod scram;
mod secret;
mod throttle;

#[cfg(test)]
mod tests;

pub use authenticator::{Authenticator, SessionLogins};
pub use handle::AccountHandle;
pub use hashing::{HashingError, hash};
pub use origin::Origin;
pub use scram::{SCRAM_ITERATIONS, SCRAM_SALT};
pub use secret::LoginSecret;
