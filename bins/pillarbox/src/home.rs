//! [`Home`]: the accounts there are, and the one that is meant.

use pillarbox_client::{Account, Accounts, Passwords};
use pillarbox_names::AccountAddress;

use crate::failure::Failure;
use crate::output::Output;

/// Where a person's accounts are, and which one is meant.
pub(crate) struct Home {
    pub(crate) accounts: Accounts,
    pub(crate) passwords: Passwords,
    pub(crate) address: Option<AccountAddress>,
}

impl Home {
    /// The account that is meant. What has to be said about its level is said (S5.2-7).
    pub(crate) fn account(&self, output: &Output) -> Result<Account, Failure> {
        let (account, notice) = self.accounts.find(self.address.as_ref())?;
        if let Some(notice) = notice {
            output.note(&format!("{}: {notice}", account.address()));
        }
        Ok(account)
    }
}
