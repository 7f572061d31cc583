//! What SCRAM computes (RFC 5802 §3), and [`ScramKeys`], which a server keeps instead of a password.

use std::num::NonZeroU32;

use aws_lc_rs::{digest, hmac, pbkdf2};
use pillarbox_policy::Secret;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::sasl::prepare::{PrepareError, prepare_password};

/// The least iteration count that is used or agreed to (R7677-1).
pub const MIN_ITERATIONS: u32 = 4096;

/// The largest iteration count a client agrees to, so that a server cannot make it compute for ever.
pub const MAX_ITERATIONS: u32 = 1_000_000;

pub(super) const KEY: usize = 32;
pub(super) type Key = Zeroizing<[u8; KEY]>;

/// What a server keeps for SCRAM-SHA-256: enough to check a password, not enough to log in with (R7677-1).
#[derive(Clone)]
pub struct ScramKeys {
    /// The salt; at least 16 random octets where we made it.
    pub salt: Vec<u8>,
    /// The iteration count, at least [`MIN_ITERATIONS`].
    pub iterations: u32,
    /// `H(HMAC(SaltedPassword, "Client Key"))`.
    pub stored_key: [u8; KEY],
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: [u8; KEY],
}

impl ScramKeys {
    /// Derives the keys of a password. Takes `iterations` times a microsecond or so: not for an async thread.
    /// A count below [`MIN_ITERATIONS`] is raised to it.
    ///
    /// # Errors
    /// The password cannot be prepared with SASLprep.
    pub fn derive(password: &Secret, salt: &[u8], iterations: u32) -> Result<Self, PrepareError> {
        let iterations = iterations.max(MIN_ITERATIONS);
        let password = prepare_password(password)?;
        let keys = PasswordKeys::derive(&password, salt, iterations);
        Ok(Self {
            salt: salt.to_vec(),
            iterations,
            stored_key: hash(keys.client_key.as_slice()),
            server_key: *keys.server_key,
        })
    }

    /// Whether `proof` could only be made by one who knows the password (RFC 5802 §3). Constant time.
    pub(super) fn proved(&self, auth_message: &[u8], proof: &[u8; KEY]) -> bool {
        let client_key = xor(&hmac(&self.stored_key, auth_message), proof);
        hash(client_key.as_slice()).ct_eq(&self.stored_key).into()
    }

    /// What proves to the client that the server knows the keys.
    pub(super) fn server_signature(&self, auth_message: &[u8]) -> Key {
        hmac(&self.server_key, auth_message)
    }
}

impl Drop for ScramKeys {
    fn drop(&mut self) {
        self.stored_key.zeroize();
        self.server_key.zeroize();
    }
}

impl std::fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScramKeys(..)")
    }
}

/// What a client computes from the password.
pub(super) struct PasswordKeys {
    pub(super) client_key: Key,
    pub(super) server_key: Key,
}

impl PasswordKeys {
    /// `password` is prepared already.
    pub(super) fn derive(password: &Secret, salt: &[u8], iterations: u32) -> Self {
        let mut salted = Zeroizing::new([0; KEY]);
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN),
            salt,
            password.expose().as_bytes(),
            salted.as_mut_slice(),
        );
        Self {
            client_key: hmac(&salted, b"Client Key"),
            server_key: hmac(&salted, b"Server Key"),
        }
    }

    /// `ClientProof`.
    pub(super) fn proof(&self, auth_message: &[u8]) -> Key {
        let stored_key = Zeroizing::new(hash(self.client_key.as_slice()));
        xor(&hmac(&stored_key, auth_message), &self.client_key)
    }

    /// Whether the server proved that it knows the keys. Constant time.
    pub(super) fn server_proved(&self, auth_message: &[u8], signature: &[u8; KEY]) -> bool {
        hmac(&self.server_key, auth_message).ct_eq(signature).into()
    }
}

fn hmac(key: &[u8; KEY], data: &[u8]) -> Key {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data);
    fixed(tag.as_ref())
}

fn hash(data: &[u8]) -> [u8; KEY] {
    *fixed(digest::digest(&digest::SHA256, data).as_ref())
}

/// SHA-256 makes 32 octets, always.
fn fixed(octets: &[u8]) -> Key {
    let mut key = Zeroizing::new([0; KEY]);
    key.iter_mut()
        .zip(octets)
        .for_each(|(to, from)| *to = *from);
    key
}

fn xor(one: &[u8; KEY], other: &[u8; KEY]) -> Key {
    let mut key = Zeroizing::new(*one);
    key.iter_mut()
        .zip(other)
        .for_each(|(to, from)| *to ^= *from);
    key
}
