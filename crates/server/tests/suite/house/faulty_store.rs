//! The embedded engine in a folder of its own, which fails when a test says so: what a broken disk does cannot
//! be had otherwise. Whatever was not told to fail is the engine's own work.

use std::any::Any;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pillarbox_policy::{CleartextGrant, Grants, Ladder, Timestamp};
use pillarbox_store::{
    Account, AccountId, Appended, Body, Changes, CleartextGrants, ContentId, EmbeddedOptions,
    EmbeddedStore, FlagChange, LoginRecord, Mailbox, MailboxId, Message, ModSeq, NewAccount,
    NewMessage, Spool, Store, StoreError, Uid, UidRange, Verifiers, Watch,
};
use tokio::sync::Semaphore;

/// The engine, and what is to go wrong with it.
#[derive(Debug)]
pub(crate) struct FaultyStore {
    real: EmbeddedStore,
    broken: Mutex<Option<StoreError>>,
    /// Octets a spool takes before it says that the disk is full.
    room: Arc<AtomicU64>,
    /// An append waits for a permit and keeps it; closed, appends fail with [`StoreError::Closed`].
    pub(crate) appends: Semaphore,
    ladder_writes: AtomicUsize,
}

impl FaultyStore {
    /// A store in `folder/store` with which nothing is wrong yet.
    pub(crate) fn open(folder: &Path) -> Self {
        let options = EmbeddedOptions {
            shards: 1,
            ..EmbeddedOptions::default()
        };
        Self {
            real: EmbeddedStore::open(&folder.join("store"), options).unwrap(),
            broken: Mutex::default(),
            room: Arc::new(AtomicU64::new(u64::MAX)),
            appends: Semaphore::new(Semaphore::MAX_PERMITS),
            ladder_writes: AtomicUsize::new(0),
        }
    }

    /// From now on every operation fails with this.
    pub(crate) fn break_with(&self, error: StoreError) {
        *self.broken.lock().unwrap() = Some(error);
    }

    /// From now on a spool has room for this many octets.
    pub(crate) fn set_room(&self, octets: u64) {
        self.room.store(octets, Ordering::Relaxed);
    }

    /// How often a ladder was written.
    pub(crate) fn ladder_writes(&self) -> usize {
        self.ladder_writes.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), StoreError> {
        self.broken.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}

/// A spool of the engine on a disk that may be full.
#[derive(Debug)]
struct FaultySpool {
    real: Box<dyn Spool>,
    room: Arc<AtomicU64>,
}

#[async_trait]
impl Spool for FaultySpool {
    async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        if self.len() + piece.len() as u64 > self.room.load(Ordering::Relaxed) {
            return Err(StoreError::Disk {
                path: "spool".into(),
                why: "No space left on device".to_owned(),
            });
        }
        self.real.write(piece).await
    }

    fn len(&self) -> u64 {
        self.real.len()
    }

    async fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.real.read_at(offset, length).await
    }
}

#[async_trait]
impl CleartextGrants for FaultyStore {
    async fn grants(&self) -> Result<Grants, StoreError> {
        self.check()?;
        self.real.grants().await
    }

    async fn give_grant(&self, grant: CleartextGrant) -> Result<(), StoreError> {
        self.check()?;
        self.real.give_grant(grant).await
    }

    async fn revoke_grant(&self, account: &str) -> Result<(), StoreError> {
        self.check()?;
        self.real.revoke_grant(account).await
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn set_ladder(&self, account: AccountId, ladder: Ladder) -> Result<(), StoreError> {
        self.check()?;
        self.ladder_writes.fetch_add(1, Ordering::Relaxed);
        self.real.set_ladder(account, ladder).await
    }

    async fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        self.check()?;
        Ok(Box::new(FaultySpool {
            real: self.real.spool().await?,
            room: Arc::clone(&self.room),
        }))
    }

    async fn append(
        &self,
        account: AccountId,
        messages: Vec<NewMessage<Box<dyn Spool>>>,
    ) -> Result<Vec<Appended>, StoreError> {
        self.check()?;
        let permit = self.appends.acquire().await;
        permit.map_err(|_| StoreError::Closed)?.forget();
        // The engine is given its own spools.
        let messages = messages.into_iter().map(|message| {
            let spool: Box<dyn Any> = message.body;
            NewMessage {
                mailbox: message.mailbox,
                flags: message.flags,
                internal_date: message.internal_date,
                internal_offset: message.internal_offset,
                index: message.index,
                body: spool.downcast::<FaultySpool>().unwrap().real,
            }
        });
        let messages = messages.collect();
        self.real.append(account, messages).await
    }

    fn watch(&self, account: AccountId) -> Watch {
        self.real.watch(account)
    }

    async fn close(&self) {
        self.real.close().await;
    }

    // Everything else is the engine's, unless the store is broken.

    async fn create_account(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<AccountId, StoreError> {
        self.check()?;
        self.real.create_account(account, now).await
    }

    async fn account(&self, address: &str) -> Result<Option<Account>, StoreError> {
        self.check()?;
        self.real.account(address).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.check()?;
        self.real.accounts().await
    }

    async fn set_verifiers(
        &self,
        account: AccountId,
        verifiers: Verifiers,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.real.set_verifiers(account, verifiers).await
    }

    async fn set_password_exposed(
        &self,
        account: AccountId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.real.set_password_exposed(account, at).await
    }

    async fn delete_account(&self, account: AccountId) -> Result<(), StoreError> {
        self.check()?;
        self.real.delete_account(account).await
    }

    async fn record_login(&self, record: LoginRecord) -> Result<(), StoreError> {
        self.check()?;
        self.real.record_login(record).await
    }

    async fn login_records(
        &self,
        account: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        self.check()?;
        self.real.login_records(account, limit).await
    }

    async fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>, StoreError> {
        self.check()?;
        self.real.mailboxes(account).await
    }

    async fn mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        self.check()?;
        self.real.mailbox(account, name).await
    }

    async fn create_mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        self.check()?;
        self.real.create_mailbox(account, name).await
    }

    async fn rename_mailbox(
        &self,
        account: AccountId,
        from: &str,
        to: &str,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.real.rename_mailbox(account, from, to).await
    }

    async fn delete_mailbox(&self, account: AccountId, name: &str) -> Result<(), StoreError> {
        self.check()?;
        self.real.delete_mailbox(account, name).await
    }

    async fn set_subscribed(
        &self,
        account: AccountId,
        name: &str,
        subscribed: bool,
    ) -> Result<(), StoreError> {
        self.check()?;
        self.real.set_subscribed(account, name, subscribed).await
    }

    async fn messages(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        ranges: &[UidRange],
    ) -> Result<Vec<Message>, StoreError> {
        self.check()?;
        self.real.messages(account, mailbox, ranges).await
    }

    async fn index(&self, account: AccountId, content: ContentId) -> Result<Vec<u8>, StoreError> {
        self.check()?;
        self.real.index(account, content).await
    }

    async fn body(
        &self,
        account: AccountId,
        content: ContentId,
    ) -> Result<Box<dyn Body>, StoreError> {
        self.check()?;
        self.real.body(account, content).await
    }

    async fn set_flags(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Vec<Message>, StoreError> {
        self.check()?;
        self.real
            .set_flags(account, mailbox, uids, change, unchanged_since)
            .await
    }

    async fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<Uid>, StoreError> {
        self.check()?;
        self.real.expunge(account, mailbox, uids).await
    }

    async fn copy(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        self.check()?;
        self.real.copy(account, from, uids, to).await
    }

    async fn move_messages(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        self.check()?;
        self.real.move_messages(account, from, uids, to).await
    }

    async fn changes_since(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        since: ModSeq,
    ) -> Result<Changes, StoreError> {
        self.check()?;
        self.real.changes_since(account, mailbox, since).await
    }
}
