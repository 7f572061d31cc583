//! [`CleartextGrants`]: the operator's dated exceptions for passwords in the clear.

use async_trait::async_trait;
use pillarbox_policy::{CleartextGrant, Grants};

use crate::StoreError;

/// The operator's exceptions, at most one for each account. What is changed is on stable storage when an operation
/// answers.
#[async_trait]
pub trait CleartextGrants: Send + Sync + std::fmt::Debug + 'static {
    /// All of them, stamped with the moment they are read at: this one.
    async fn grants(&self) -> Result<Grants, StoreError>;

    /// Gives an exception, in the place of the one that the account had.
    async fn give_grant(&self, grant: CleartextGrant) -> Result<(), StoreError>;

    /// Takes an account's exception back, if it has one. Addresses are compared without regard to ASCII case.
    async fn revoke_grant(&self, account: &str) -> Result<(), StoreError>;
}
