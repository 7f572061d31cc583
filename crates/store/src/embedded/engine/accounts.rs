//! [`Accounts`] for the embedded engine.

use async_trait::async_trait;
use pillarbox_policy::{Ladder, Timestamp};

use super::EmbeddedStore;
use crate::embedded::index::Index;
use crate::embedded::log::entry::Effect;
use crate::embedded::names;
use crate::embedded::operations::create_account;
use crate::{Account, AccountId, Accounts, LadderMove, Mail, NewAccount, StoreError, Verifiers};

impl EmbeddedStore {
    async fn change_account(&self, account: AccountId, effect: Effect) -> Result<(), StoreError> {
        let plan = move |index: Index<'_>| index.change_account(effect);
        self.change(account, plan).await
    }
}

#[async_trait]
impl Accounts for EmbeddedStore {
    async fn create(&self, account: NewAccount, now: Timestamp) -> Result<AccountId, StoreError> {
        let reservation = self.directory.reserve(names::address(&account.address)?)?;
        let id = self.directory.next_account();
        // Seconds since 1970 fit until 2106; they keep UIDVALIDITY ascending even across a lost store.
        let last = u32::try_from(now.0).unwrap_or(0);
        let last = last.max(self.directory.last_uid_validity());
        self.change(id, move |_| {
            let (effects, ()) = create_account(account, now, last)?;
            // Held until the writer has answered, so that nobody takes the address meanwhile.
            Ok((effects, reservation))
        })
        .await?;
        Ok(id)
    }

    async fn find(&self, address: &str) -> Result<Option<Account>, StoreError> {
        self.check_open()?;
        match self.directory.find(address) {
            Some(id) => self.read(id, |index| index.account()).await,
            None => Ok(None),
        }
    }

    async fn page(&self, after: Option<&str>, limit: u32) -> Result<Vec<Account>, StoreError> {
        self.check_open()?;
        let mut page = Vec::new();
        let mut after = after.map(names::key);
        loop {
            let missing = usize::try_from(limit).unwrap_or(usize::MAX) - page.len();
            let ids = self.directory.after(after.as_deref(), missing);
            let Some((last, _)) = ids.last() else {
                return Ok(page);
            };
            after = Some(last.clone());
            for (_, id) in ids {
                // One that was deleted meanwhile is passed over.
                page.extend(self.read(id, |index| index.account()).await?);
            }
        }
    }

    async fn set_verifiers(
        &self,
        account: AccountId,
        verifiers: Verifiers,
    ) -> Result<(), StoreError> {
        self.change_account(account, Effect::VerifiersSet(verifiers))
            .await
    }

    async fn move_ladder(
        &self,
        account: AccountId,
        from: &Ladder,
        to: Ladder,
    ) -> Result<LadderMove, StoreError> {
        let from = from.clone();
        let plan = move |index: Index<'_>| index.move_ladder(&from, to);
        self.change(account, plan).await
    }

    async fn set_password_exposed(
        &self,
        account: AccountId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.change_account(account, Effect::PasswordExposed(at))
            .await
    }

    async fn delete(&self, account: AccountId) -> Result<(), StoreError> {
        for mailbox in self.mailboxes(account).await? {
            self.empty_in_slices(account, &mailbox).await?;
        }
        self.change_account(account, Effect::AccountDeleted).await
    }
}
