//! Test-only: accounts and login records in memory, for tests of authentication that need to reach into them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use pillarbox_policy::{Ladder, Timestamp};
use pillarbox_store::{
    Account, AccountId, Appended, Body, Changes, ContentId, FlagChange, LoginRecord, Mailbox,
    MailboxId, Message, ModSeq, NewAccount, NewMessage, Spool, Store, StoreError, Uid, UidRange,
    Verifiers, Watch,
};
use tokio::sync::broadcast;

/// Knows accounts and logins, and nothing of mail.
#[derive(Debug)]
pub(crate) struct ToyStore {
    pub(crate) accounts: Mutex<Vec<Account>>,
    pub(crate) logins: Mutex<Vec<LoginRecord>>,
    pub(crate) ladder_writes: AtomicUsize,
    /// Every operation fails with this, where it is set.
    pub(crate) broken: Mutex<Option<StoreError>>,
    wakes: broadcast::Sender<pillarbox_store::Wake>,
}

impl Default for ToyStore {
    fn default() -> Self {
        Self {
            accounts: Mutex::default(),
            logins: Mutex::default(),
            ladder_writes: AtomicUsize::new(0),
            broken: Mutex::default(),
            wakes: broadcast::channel(1).0,
        }
    }
}

impl ToyStore {
    fn check(&self) -> Result<(), StoreError> {
        self.broken.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn change(&self, id: AccountId, change: impl FnOnce(&mut Account)) -> Result<(), StoreError> {
        self.check()?;
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.iter_mut().find(|account| account.id == id);
        account.map(change).ok_or_else(|| StoreError::NotFound {
            what: "the account".to_owned(),
        })
    }
}

#[async_trait]
impl Store for ToyStore {
    async fn create_account(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<AccountId, StoreError> {
        self.check()?;
        let mut accounts = self.accounts.lock().unwrap();
        if accounts
            .iter()
            .any(|other| other.address.eq_ignore_ascii_case(&account.address))
        {
            return Err(StoreError::Exists {
                what: account.address,
            });
        }
        let id = AccountId(i64::try_from(accounts.len()).unwrap() + 1);
        accounts.push(Account {
            id,
            address: account.address,
            verifiers: account.verifiers,
            ladder: account.ladder,
            password_exposed: None,
            created: now,
        });
        Ok(id)
    }

    async fn account(&self, address: &str) -> Result<Option<Account>, StoreError> {
        self.check()?;
        let accounts = self.accounts.lock().unwrap();
        Ok(accounts
            .iter()
            .find(|account| account.address.eq_ignore_ascii_case(address))
            .cloned())
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.check()?;
        Ok(self.accounts.lock().unwrap().clone())
    }

    async fn set_verifiers(&self, id: AccountId, verifiers: Verifiers) -> Result<(), StoreError> {
        self.change(id, |account| account.verifiers = verifiers)
    }

    async fn set_ladder(&self, id: AccountId, ladder: Ladder) -> Result<(), StoreError> {
        self.ladder_writes.fetch_add(1, Ordering::Relaxed);
        self.change(id, |account| account.ladder = ladder)
    }

    async fn delete_account(&self, id: AccountId) -> Result<(), StoreError> {
        self.check()?;
        self.accounts
            .lock()
            .unwrap()
            .retain(|account| account.id != id);
        Ok(())
    }

    async fn record_login(&self, record: LoginRecord) -> Result<(), StoreError> {
        self.check()?;
        self.logins.lock().unwrap().push(record);
        Ok(())
    }

    async fn login_records(
        &self,
        account: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        self.check()?;
        let logins = self.logins.lock().unwrap();
        Ok(logins
            .iter()
            .rev()
            .filter(|record| account.is_none() || record.account == account)
            .take(limit as usize)
            .cloned()
            .collect())
    }

    async fn mailboxes(&self, _: AccountId) -> Result<Vec<Mailbox>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn mailbox(&self, _: AccountId, _: &str) -> Result<Mailbox, StoreError> {
        Err(StoreError::Closed)
    }

    async fn create_mailbox(&self, _: AccountId, _: &str) -> Result<Mailbox, StoreError> {
        Err(StoreError::Closed)
    }

    async fn rename_mailbox(&self, _: AccountId, _: &str, _: &str) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    async fn delete_mailbox(&self, _: AccountId, _: &str) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    async fn set_subscribed(&self, _: AccountId, _: &str, _: bool) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    async fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn append(
        &self,
        _: AccountId,
        _: Vec<NewMessage<Box<dyn Spool>>>,
    ) -> Result<Vec<Appended>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn messages(
        &self,
        _: AccountId,
        _: MailboxId,
        _: &[UidRange],
    ) -> Result<Vec<Message>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn index(&self, _: AccountId, _: ContentId) -> Result<Vec<u8>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn body(&self, _: AccountId, _: ContentId) -> Result<Box<dyn Body>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn set_flags(
        &self,
        _: AccountId,
        _: MailboxId,
        _: &[Uid],
        _: &FlagChange,
        _: Option<ModSeq>,
    ) -> Result<Vec<Message>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn expunge(&self, _: AccountId, _: MailboxId, _: &[Uid]) -> Result<Vec<Uid>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn copy(
        &self,
        _: AccountId,
        _: MailboxId,
        _: &[Uid],
        _: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn move_messages(
        &self,
        _: AccountId,
        _: MailboxId,
        _: &[Uid],
        _: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn changes_since(
        &self,
        _: AccountId,
        _: MailboxId,
        _: ModSeq,
    ) -> Result<Changes, StoreError> {
        Err(StoreError::Closed)
    }

    fn watch(&self, _: AccountId) -> Watch {
        Watch::new(self.wakes.subscribe())
    }

    async fn close(&self) {}
}
