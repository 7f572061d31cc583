//! What verified lately: a client that logs in again within minutes costs microseconds instead of a hash.
//!
//! Only a digest under a key that lives and dies with the process is kept. It covers the stored verifier,
//! so a changed password is forgotten by itself.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::{digest, hmac};
use pillarbox_policy::{Secret, SecretBytes};
use pillarbox_store::AccountId;
use pillarbox_transport::random::{self, NoRandomness};
use subtle::ConstantTimeEq;

/// How long a digest stands for a hash.
const KEPT: Duration = Duration::from_mins(10);

/// How many accounts are remembered; some 8 MiB.
const MOST: usize = 65_536;

/// Digests of passwords that verified, one for each account.
pub(super) struct Remembered {
    key: hmac::Key,
    entries: Mutex<HashMap<AccountId, Entry>>,
}

struct Entry {
    digest: [u8; 32],
    since: Instant,
}

/// The digest of one attempt.
#[derive(Clone, Copy)]
pub(super) struct Digest([u8; 32]);

impl Remembered {
    /// Nothing yet, under a new key.
    pub(super) fn new() -> Result<Self, NoRandomness> {
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &*random::bytes::<32>()?),
            entries: Mutex::default(),
        })
    }

    /// The digest of a password for an account whose stored verifier is `verifier`.
    pub(super) fn digest(&self, account: AccountId, verifier: &str, password: &Secret) -> Digest {
        let mut parts = SecretBytes::new();
        parts.extend_from_slice(&account.0.to_be_bytes());
        // Lengths keep the parts apart.
        parts.extend_from_slice(&(verifier.len() as u64).to_be_bytes());
        parts.extend_from_slice(verifier.as_bytes());
        parts.extend_from_slice(password.expose().as_bytes());
        // Hashed in one call, which zeroes what it works on: an `hmac::Context` with the password in it would be
        // copied about the stack.
        let tag = hmac::sign(&self.key, digest::digest(&digest::SHA256, &parts).as_ref());
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        Digest(digest)
    }

    /// Whether this very digest verified within the last minutes.
    pub(super) fn knows(&self, account: AccountId, digest: Digest, now: Instant) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(&account).is_some_and(|entry| {
            now.saturating_duration_since(entry.since) < KEPT
                && bool::from(entry.digest.ct_eq(&digest.0))
        })
    }

    /// Remembers a digest that verified.
    pub(super) fn remember(&self, account: AccountId, digest: Digest, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MOST && !entries.contains_key(&account) {
            entries.retain(|_, entry| now.saturating_duration_since(entry.since) < KEPT);
            if entries.len() >= MOST {
                return;
            }
        }
        entries.insert(
            account,
            Entry {
                digest: digest.0,
                since: now,
            },
        );
    }
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remembered(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId(1);

    #[test]
    fn a_digest_stands_for_one_account_verifier_and_password() {
        let remembered = Remembered::new().unwrap();
        let now = Instant::now();
        let digest = |account, verifier, password| {
            remembered.digest(account, verifier, &Secret::from(password))
        };
        remembered.remember(ALICE, digest(ALICE, "v1", "pw"), now);

        assert!(remembered.knows(ALICE, digest(ALICE, "v1", "pw"), now));
        assert!(!remembered.knows(ALICE, digest(ALICE, "v1", "pW"), now));
        assert!(
            !remembered.knows(ALICE, digest(ALICE, "v2", "pw"), now),
            "a changed verifier is another digest"
        );
        assert!(!remembered.knows(ALICE, digest(ALICE, "v", "1pw"), now));
        assert!(!remembered.knows(AccountId(2), digest(AccountId(2), "v1", "pw"), now));
    }

    #[test]
    fn it_forgets_after_some_minutes() {
        let remembered = Remembered::new().unwrap();
        let now = Instant::now();
        let digest = remembered.digest(ALICE, "v", &Secret::from("pw"));
        remembered.remember(ALICE, digest, now);
        assert!(remembered.knows(ALICE, digest, now + KEPT - Duration::from_secs(1)));
        assert!(!remembered.knows(ALICE, digest, now + KEPT));
    }

    #[test]
    fn memory_is_bounded() {
        let remembered = Remembered::new().unwrap();
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let digest = |password| remembered.digest(ALICE, "v", &Secret::from(password));
        let (old, new) = (digest("old"), digest("new"));
        for number in 1..=i64::try_from(MOST).unwrap() {
            remembered.remember(AccountId(number), old, now);
        }
        let one_more = AccountId(0);
        remembered.remember(one_more, old, later);
        assert!(!remembered.knows(one_more, old, later), "there is no room");
        remembered.remember(ALICE, new, later);
        assert!(remembered.knows(ALICE, new, later), "she had her place");
        // What is forgotten makes room, and nothing else goes.
        remembered.remember(one_more, old, now + KEPT);
        assert!(remembered.knows(one_more, old, now + KEPT));
        assert!(remembered.knows(ALICE, new, now + KEPT));
        assert_eq!(remembered.entries.lock().unwrap().len(), 2);
    }

    #[test]
    fn two_processes_have_two_keys() {
        let one = Remembered::new().unwrap();
        let other = Remembered::new().unwrap();
        let password = Secret::from("pw");
        assert_ne!(
            one.digest(ALICE, "v", &password).0,
            other.digest(ALICE, "v", &password).0
        );
    }
}
