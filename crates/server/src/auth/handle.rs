//! [`AccountHandle`]: what a login ends in that succeeded.

use pillarbox_policy::Admission;
use pillarbox_store::AccountId;

/// Proof that an account has logged in. Made by [`super::Authenticator`] and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountHandle {
    /// The account.
    pub id: AccountId,
    /// Its full address, as it was given when the account was made.
    pub address: String,
    /// The ladder admitted the channel.
    admission: Admission,
}

impl AccountHandle {
    pub(super) fn new(id: AccountId, address: String, admission: Admission) -> Self {
        Self {
            id,
            address,
            admission,
        }
    }

    /// The ladder's admission of the channel this login came over.
    #[must_use]
    pub fn admission(&self) -> Admission {
        self.admission
    }
}
