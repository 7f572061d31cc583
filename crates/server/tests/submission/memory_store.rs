//! A store in memory with accounts and INBOXes, which can be made slow or broken.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pillarbox_policy::{Ladder, Timestamp};
use pillarbox_store::{
    Account, AccountId, Appended, Body, Changes, ContentId, FlagChange, LoginRecord, Mailbox,
    MailboxId, Message, ModSeq, NewAccount, NewMessage, Spool, Store, StoreError, Uid, UidRange,
    Verifiers, Wake, Watch,
};
use tokio::sync::{Semaphore, broadcast};

/// A message as it was stored.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) account: AccountId,
    pub(crate) content: Vec<u8>,
    pub(crate) index: Vec<u8>,
}

/// The store.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    accounts: Mutex<Vec<Account>>,
    pub(crate) stored: Mutex<Vec<Stored>>,
    pub(crate) logins: Mutex<Vec<LoginRecord>>,
    /// An append waits for a permit and keeps it.
    pub(crate) appends: Semaphore,
    /// Octets a spool takes before it says that the disk is full.
    pub(crate) room: Arc<Mutex<u64>>,
    wakes: broadcast::Sender<Wake>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            accounts: Mutex::default(),
            stored: Mutex::default(),
            logins: Mutex::default(),
            appends: Semaphore::new(1_000),
            room: Arc::new(Mutex::new(u64::MAX)),
            wakes: broadcast::channel(1).0,
        }
    }
}

#[derive(Debug)]
struct MemorySpool {
    content: Vec<u8>,
    room: Arc<Mutex<u64>>,
}

#[async_trait]
impl Spool for MemorySpool {
    async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.content.extend_from_slice(piece);
        if self.len() > *self.room.lock().unwrap() {
            return Err(StoreError::Disk {
                path: "/memory".into(),
                why: "No space left on device".to_owned(),
            });
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.content.len() as u64
    }

    async fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let rest = &self.content[usize::try_from(offset).unwrap()..];
        Ok(rest[..length.min(rest.len())].to_vec())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create_account(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<AccountId, StoreError> {
        let mut accounts = self.accounts.lock().unwrap();
        let id = AccountId(accounts.len() as i64 + 1);
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
        let accounts = self.accounts.lock().unwrap();
        Ok(accounts
            .iter()
            .find(|account| account.address.eq_ignore_ascii_case(address))
            .cloned())
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.accounts.lock().unwrap().clone())
    }

    async fn set_ladder(&self, id: AccountId, ladder: Ladder) -> Result<(), StoreError> {
        let mut accounts = self.accounts.lock().unwrap();
        for account in accounts.iter_mut().filter(|account| account.id == id) {
            account.ladder = ladder.clone();
        }
        Ok(())
    }

    async fn record_login(&self, record: LoginRecord) -> Result<(), StoreError> {
        self.logins.lock().unwrap().push(record);
        Ok(())
    }

    async fn mailbox(&self, _: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        assert_eq!(name, "INBOX");
        Ok(Mailbox {
            id: MailboxId(1),
            name: name.to_owned(),
            uid_validity: NonZeroU32::MIN,
            uid_next: NonZeroU32::MIN,
            highest_modseq: ModSeq(1),
            subscribed: true,
            special_use: None,
            messages: 0,
            unseen: 0,
            deleted: 0,
            size: 0,
        })
    }

    async fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        Ok(Box::new(MemorySpool {
            content: Vec::new(),
            room: Arc::clone(&self.room),
        }))
    }

    async fn append(
        &self,
        account: AccountId,
        messages: Vec<NewMessage<Box<dyn Spool>>>,
    ) -> Result<Vec<Appended>, StoreError> {
        let permit = self.appends.acquire().await;
        permit.map_err(|_| StoreError::Closed)?.forget();
        let mut appended = Vec::new();
        for mut message in messages {
            let length = usize::try_from(message.body.len()).unwrap();
            let content = message.body.read_at(0, length).await?;
            let mut stored = self.stored.lock().unwrap();
            stored.push(Stored {
                account,
                content,
                index: message.index,
            });
            let number = NonZeroU32::new(stored.len() as u32).unwrap();
            appended.push(Appended {
                mailbox: message.mailbox,
                uid_validity: NonZeroU32::MIN,
                uid: Uid(number),
                content: ContentId(u64::from(number.get())),
                modseq: ModSeq(u64::from(number.get())),
            });
        }
        Ok(appended)
    }

    fn watch(&self, _: AccountId) -> Watch {
        Watch::new(self.wakes.subscribe())
    }

    async fn close(&self) {}

    // What a submission session has no business with.

    async fn set_verifiers(&self, _: AccountId, _: Verifiers) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    async fn delete_account(&self, _: AccountId) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    async fn login_records(
        &self,
        _: Option<AccountId>,
        _: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        Err(StoreError::Closed)
    }
    async fn mailboxes(&self, _: AccountId) -> Result<Vec<Mailbox>, StoreError> {
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
}
