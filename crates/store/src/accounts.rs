//! [`Accounts`]: who has mail here, what verifies their passwords, and where they stand on the ladder.

use async_trait::async_trait;
use pillarbox_policy::{Ladder, Timestamp};
use zeroize::Zeroize;

use crate::StoreError;

/// Identifies an account for ever. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);

/// What verifies a password. Never the password itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Verifiers {
    /// argon2id in PHC string format.
    pub argon2id: String,
    /// SCRAM-SHA-256 keys (RFC 5802 §3, R7677-1).
    pub scram_sha256: ScramKeys,
}

impl std::fmt::Debug for Verifiers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifiers(..)")
    }
}

/// What a server keeps for SCRAM.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// At least 16 random bytes.
    pub salt: Vec<u8>,
    /// Iteration count, at least 4096.
    pub iterations: u32,
    /// `H(HMAC(SaltedPassword, "Client Key"))`.
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`.
    pub server_key: [u8; 32],
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

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The full address, which is also the login name (R6186-4). Compared without regard to ASCII case.
    pub address: String,
    /// What verifies its password.
    pub verifiers: Verifiers,
    /// Where it stands on the ladder.
    pub ladder: Ladder,
}

/// An account as stored.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its identity.
    pub id: AccountId,
    /// The full address, as it was given.
    pub address: String,
    /// What verifies its password.
    pub verifiers: Verifiers,
    /// Where it stands on the ladder.
    pub ladder: Ladder,
    /// Whether its password crossed a wire in clear and has to be changed (S4.1-6).
    pub password_exposed: Option<Timestamp>,
    /// When it was made.
    pub created: Timestamp,
}

/// What became of a move on the ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum LadderMove {
    /// The account stands where it was to go.
    Moved,
    /// It did not stand where the move was to begin: somebody else moved it. Nothing was changed.
    Changed {
        /// Where it stands.
        now: Ladder,
    },
}

/// The accounts. What is changed is on stable storage when an operation answers.
#[async_trait]
pub trait Accounts: Send + Sync + std::fmt::Debug + 'static {
    /// Creates an account with its mailboxes `INBOX`, `Sent`, `Drafts`, `Junk`, `Trash` and `Archive`.
    async fn create(&self, account: NewAccount, now: Timestamp) -> Result<AccountId, StoreError>;

    /// The account with this full address, compared without regard to ASCII case.
    async fn find(&self, address: &str) -> Result<Option<Account>, StoreError>;

    /// At most `limit` accounts in the order of their addresses in lower case: the first ones, or those
    /// behind the address `after`. Fewer than `limit` only at the end.
    async fn page(&self, after: Option<&str>, limit: u32) -> Result<Vec<Account>, StoreError>;

    /// Sets what verifies the password, and takes back `password_exposed`.
    async fn set_verifiers(
        &self,
        account: AccountId,
        verifiers: Verifiers,
    ) -> Result<(), StoreError>;

    /// Moves an account on the ladder, if it still stands at `from`.
    async fn move_ladder(
        &self,
        account: AccountId,
        from: &Ladder,
        to: Ladder,
    ) -> Result<LadderMove, StoreError>;

    /// Notes that the account's password crossed a wire in clear (S4.1-6). [`Self::set_verifiers`] takes
    /// that back.
    async fn set_password_exposed(
        &self,
        account: AccountId,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Deletes an account and all its mail.
    async fn delete(&self, account: AccountId) -> Result<(), StoreError>;
}
