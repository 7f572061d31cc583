//! argon2id in a bounded pool: a flood of logins waits or is turned away; it never takes all memory, and it
//! never blocks the sessions' threads.

use std::num::NonZeroUsize;
use std::sync::Arc;

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use pillarbox_policy::Secret;
use pillarbox_transport::random::{self, NoRandomness};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

/// Kibibytes, passes and lanes: the first choice of OWASP's Password Storage Cheat Sheet for argon2id. What
/// a stored hash was made with stands in its PHC string.
const PARAMS: Params = Params::DEFAULT;

/// How many hashes may wait for their turn. At the pace of one core this is some ten seconds of work.
const QUEUE: usize = 256;

/// The most memory, in kibibytes, that a stored hash may ask for. More was not written by us.
const MOST_MEMORY: u32 = 256 * 1024;

/// Room for at least so many blocks is asked for, though only what is used becomes resident: above 32 MiB, glibc
/// always maps memory, and gives it back when it is freed (mallopt(3), `M_MMAP_THRESHOLD`). Smaller pieces it
/// keeps, some 19 MiB or more in the arena of every thread that has ever checked a password.
const MAPPED: usize = (33 << 20) / Block::SIZE;
const _: () = assert!(MAPPED * Block::SIZE > 32 << 20, "it would not be mapped");

fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS)
}

/// Why no answer came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Too many are waiting already.
    #[error("too many passwords are waiting to be checked")]
    Busy,
    /// The stored hash cannot be read.
    #[error("a stored password hash cannot be used: {0}")]
    Stored(String),
    /// The hash could not be made.
    #[error("a password could not be hashed: {0}")]
    Failed(String),
    /// There is no salt or key to be had.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Makes the argon2id PHC string of a password with a fresh salt. Takes some 20 ms and 19 MiB.
///
/// # Errors
/// The password is longer than argon2 takes, or the system has no randomness.
pub fn hash(password: &Secret) -> Result<String, HashingError> {
    argon2id()
        .hash_password(password.expose().as_bytes())
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(|error| HashingError::Failed(error.to_string()))
}

/// A hash of a password nobody knows, made like the real ones.
pub(super) fn decoy() -> Result<String, HashingError> {
    let unknown = random::bytes::<32>()?;
    argon2id()
        .hash_password(&*unknown)
        .map(|hash: PasswordHash| hash.to_string())
        .map_err(|error| HashingError::Failed(error.to_string()))
}

fn check(password: &Secret, stored: &str) -> Result<Verdict, HashingError> {
    let unusable = |error: &dyn std::fmt::Display| HashingError::Stored(error.to_string());
    let stored = PasswordHash::new(stored).map_err(|error| unusable(&error))?;
    let params = Params::try_from(&stored).map_err(|error| unusable(&error))?;
    if params.m_cost() > MOST_MEMORY {
        return Err(HashingError::Stored(format!(
            "it asks for {} KiB of memory",
            params.m_cost()
        )));
    }
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
        return Err(HashingError::Stored("it has no salt or no hash".to_owned()));
    };
    let algorithm = Algorithm::new(stored.algorithm.as_str()).map_err(|error| unusable(&error))?;
    let version = stored
        .version
        .map_or(Ok(Version::default()), Version::try_from)
        .map_err(|error| unusable(&error))?;
    let count = params.block_count();
    let mut memory = Vec::with_capacity(count.max(MAPPED));
    memory.resize(count, Block::new());
    let mut found = vec![0; expected.as_ref().len()];
    Argon2::new(algorithm, version, params)
        .hash_password_into_with_memory(
            password.expose().as_bytes(),
            salt.as_ref(),
            &mut found,
            &mut memory,
        )
        .map_err(|error| unusable(&error))?;
    Ok(if bool::from(found.ct_eq(expected.as_ref())) {
        Verdict::Right
    } else {
        Verdict::Wrong
    })
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
}

/// The pool.
#[derive(Debug)]
pub(super) struct HashingPool {
    running: Arc<Semaphore>,
    admitted: Semaphore,
}

impl HashingPool {
    /// One hash at a time for each core.
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            running: Arc::new(Semaphore::new(cores)),
            admitted: Semaphore::new(cores.saturating_add(QUEUE)),
        }
    }

    /// Checks a password against a PHC string.
    pub(super) async fn verify(
        &self,
        password: Secret,
        stored: String,
    ) -> Result<Verdict, HashingError> {
        let _place = self
            .admitted
            .try_acquire()
            .map_err(|_| HashingError::Busy)?;
        let turn = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| HashingError::Busy)?;
        tokio::task::spawn_blocking(move || {
            // Held by the work itself: a session that goes away does not make room for another.
            let _turn = turn;
            check(&password, &stored)
        })
        .await
        .map_err(|error| HashingError::Failed(error.to_string()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_verifies_its_password_and_no_other() {
        let stored = hash(&Secret::from("correct horse")).unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        let pool = HashingPool::new();
        assert_eq!(
            pool.verify(Secret::from("correct horse"), stored.clone())
                .await,
            Ok(Verdict::Right)
        );
        assert_eq!(
            pool.verify(Secret::from("correct horsf"), stored).await,
            Ok(Verdict::Wrong)
        );
    }

    #[tokio::test]
    async fn damaged_and_greedy_hashes_are_errors_not_wrong_passwords() {
        let pool = HashingPool::new();
        for stored in [
            "",
            "not a hash",
            "$argon2id$v=19$m=1048576,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI",
        ] {
            assert!(
                matches!(
                    pool.verify(Secret::from("x"), stored.to_owned()).await,
                    Err(HashingError::Stored(_))
                ),
                "{stored}"
            );
        }
    }

    #[tokio::test]
    async fn the_greediest_hash_is_still_checked() {
        let verdict = HashingPool::new()
            .verify(
                Secret::from("x"),
                "$argon2id$v=19$m=262144,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI"
                    .to_owned(),
            )
            .await;
        assert_eq!(verdict, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_full_queue_turns_away() {
        let pool = HashingPool {
            running: Arc::new(Semaphore::new(1)),
            admitted: Semaphore::new(0),
        };
        assert_eq!(
            pool.verify(Secret::from("x"), String::new()).await,
            Err(HashingError::Busy)
        );
    }
}
