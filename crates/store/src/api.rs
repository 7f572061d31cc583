//! The [`Store`] trait: operations, not tables.

use std::any::Any;

use async_trait::async_trait;
use pillarbox_policy::{Ladder, Timestamp};
use tokio::sync::broadcast;

use crate::{
    Account, AccountId, Appended, Changes, CleartextGrants, ContentId, FlagChange, LoginRecord,
    Mailbox, MailboxId, Message, ModSeq, NewAccount, NewMessage, StoreError, Uid, UidRange,
    Verifiers, Wake,
};

/// Wake-ups for one account. Lagging behind loses nothing but detail: it arrives as [`Wake::Lagged`].
#[derive(Debug)]
pub struct Watch(broadcast::Receiver<Wake>);

impl Watch {
    /// Wraps the engine's channel.
    #[must_use]
    pub fn new(receiver: broadcast::Receiver<Wake>) -> Self {
        Self(receiver)
    }

    /// The next wake-up. Never returns if nothing happens; `None` when the store closes. Cancel-safe.
    pub async fn next(&mut self) -> Option<Wake> {
        match self.0.recv().await {
            Ok(wake) => Some(wake),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Wake::Lagged),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Content on its way into the store, written piece by piece. Dropped unfinished, it leaves nothing behind.
///
/// [`Any`], so that an engine knows its own spools and need not copy them.
#[async_trait]
pub trait Spool: Any + Send + std::fmt::Debug {
    /// Adds a piece. Memory use stays bounded whatever the message's size.
    async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError>;

    /// Octets written so far.
    fn len(&self) -> u64;

    /// Whether nothing was written.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads back at most `length` octets from `offset`: fewer only at the end.
    async fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError>;
}

/// Stored content, read piece by piece. Stays readable while it is held, even if the message is expunged.
#[async_trait]
pub trait Body: Send + Sync + std::fmt::Debug {
    /// Octets in all.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads at most `length` octets from `offset`: fewer only at the end.
    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError>;
}

/// Everything the server keeps. Every operation is safe to call from many sessions at once; those that
/// change something answer only when the change is on stable storage.
#[async_trait]
pub trait Store: CleartextGrants + Send + Sync + std::fmt::Debug + 'static {
    /// Makes an account with its mailboxes `INBOX`, `Sent`, `Drafts`, `Junk`, `Trash` and `Archive`.
    async fn create_account(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<AccountId, StoreError>;

    /// Finds an account by its full address, without regard to ASCII case.
    async fn account(&self, address: &str) -> Result<Option<Account>, StoreError>;

    /// Every account, by address.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// Sets what verifies the password, and takes back `password_exposed`.
    async fn set_verifiers(
        &self,
        account: AccountId,
        verifiers: Verifiers,
    ) -> Result<(), StoreError>;

    /// Sets where the account stands on the ladder.
    async fn set_ladder(&self, account: AccountId, ladder: Ladder) -> Result<(), StoreError>;

    /// Notes that the account's password crossed a wire in clear (S4.1-6). [`Self::set_verifiers`] takes
    /// that back.
    async fn set_password_exposed(
        &self,
        account: AccountId,
        at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Removes an account and all its mail.
    async fn delete_account(&self, account: AccountId) -> Result<(), StoreError>;

    /// Puts an authentication attempt on record. May answer before it is on stable storage.
    async fn record_login(&self, record: LoginRecord) -> Result<(), StoreError>;

    /// The newest login records, newest first; of one account, or of all.
    async fn login_records(
        &self,
        account: Option<AccountId>,
        limit: u32,
    ) -> Result<Vec<LoginRecord>, StoreError>;

    /// Every mailbox of an account, by name.
    async fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>, StoreError>;

    /// A mailbox by name (`INBOX` in any case), with counts of this moment.
    async fn mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError>;

    /// Makes a mailbox, and those above it that do not exist.
    async fn create_mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError>;

    /// Renames a mailbox and those below it. Renaming `INBOX` moves its messages (RFC 9051 §6.3.6).
    async fn rename_mailbox(
        &self,
        account: AccountId,
        from: &str,
        to: &str,
    ) -> Result<(), StoreError>;

    /// Removes a mailbox and its messages. Those below it stay.
    async fn delete_mailbox(&self, account: AccountId, name: &str) -> Result<(), StoreError>;

    /// Subscribes to a mailbox, or ends the subscription.
    async fn set_subscribed(
        &self,
        account: AccountId,
        name: &str,
        subscribed: bool,
    ) -> Result<(), StoreError>;

    /// Begins a message's content.
    async fn spool(&self) -> Result<Box<dyn Spool>, StoreError>;

    /// Stores messages, all or none, in order.
    async fn append(
        &self,
        account: AccountId,
        messages: Vec<NewMessage<Box<dyn Spool>>>,
    ) -> Result<Vec<Appended>, StoreError>;

    /// Messages of a mailbox whose UIDs lie in any of the ranges, by UID, each once.
    async fn messages(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        ranges: &[UidRange],
    ) -> Result<Vec<Message>, StoreError>;

    /// What protocols remembered about a message's structure.
    async fn index(&self, account: AccountId, content: ContentId) -> Result<Vec<u8>, StoreError>;

    /// A message's content.
    async fn body(
        &self,
        account: AccountId,
        content: ContentId,
    ) -> Result<Box<dyn Body>, StoreError>;

    /// Changes flags of the messages in `uids` that are still there, and whose modification sequence is at
    /// most `unchanged_since` where that is given (RFC 7162 §3.1.3). Answers every message in `uids` that
    /// is still there as it is afterwards; those not changed keep their modification sequence.
    async fn set_flags(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Vec<Message>, StoreError>;

    /// Removes the messages in `uids` that are still there; answers those removed.
    async fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<Uid>, StoreError>;

    /// Copies messages with flags and dates, all or none; answers pairs of old UID and what it became.
    async fn copy(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError>;

    /// Moves messages, all or none; answers pairs of old UID and what it became (RFC 6851).
    async fn move_messages(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError>;

    /// What changed in a mailbox after `since`. Expunges are remembered for as long as the mailbox exists.
    async fn changes_since(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        since: ModSeq,
    ) -> Result<Changes, StoreError>;

    /// Wake-ups for changes in this account from now on.
    fn watch(&self, account: AccountId) -> Watch;

    /// Ends the store in order: waits for what is under way, then refuses with [`StoreError::Closed`].
    async fn close(&self);
}
