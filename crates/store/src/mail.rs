//! [`Mail`]: the mailboxes and messages of accounts.

use async_trait::async_trait;

use crate::{
    AccountId, Appended, Body, Changes, ContentId, FlagChange, FlagsChanged, Mailbox, MailboxId,
    Message, ModSeq, NewDelivery, NewMessage, OpenMailbox, Snapshot, Spool, StoreError, Uid,
    UidRange,
};

/// What became of messages that were to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Moved {
    /// Those that were: the old UID and what it became.
    pub pairs: Vec<(Uid, Appended)>,
    /// Why the rest was not; it is where it was.
    pub failed: Option<StoreError>,
}

/// Mailboxes and messages. What is changed is on stable storage when an operation answers.
///
/// An operation on many messages is done in slices, each of which is on stable storage before the next
/// begins, so that others need not wait for all of it. Each slice has a modification sequence of its own. If
/// one fails, the operation ends with its error and what was done stays done, unless it says otherwise.
#[async_trait]
pub trait Mail: Send + Sync + std::fmt::Debug + 'static {
    /// Every mailbox of an account, by name.
    async fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>, StoreError>;

    /// A mailbox by name (`INBOX` in any case), with counts of this moment.
    async fn mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError>;

    /// A mailbox by name (`INBOX` in any case), with what a session needs that begins to work in it. Takes
    /// the same time however many messages there are, but for the first snapshot in a while.
    async fn open_mailbox(&self, account: AccountId, name: &str)
    -> Result<OpenMailbox, StoreError>;

    /// The messages of a mailbox as they are now. All who ask get the same list, and later lists share with
    /// it what did not change.
    async fn snapshot(
        &self,
        account: AccountId,
        mailbox: MailboxId,
    ) -> Result<Snapshot, StoreError>;

    /// Makes a mailbox, and those above it that do not exist.
    async fn create_mailbox(&self, account: AccountId, name: &str) -> Result<Mailbox, StoreError>;

    /// Renames a mailbox and those below it. Renaming `INBOX` moves its messages (RFC 9051 §6.3.6), as
    /// [`Self::move_messages`] does.
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

    /// Delivers a message to many accounts, and answers for each recipient in turn. One that has it already,
    /// from a delivery with the same identity, gets the same answer and nothing else; one that was refused is
    /// tried again. The content is stored once for all, or once for each part of the engine.
    async fn deliver(
        &self,
        delivery: NewDelivery,
    ) -> Result<Vec<Result<Appended, StoreError>>, StoreError>;

    /// Stores a message and removes the message `old` of the mailbox `from`, both or neither (RFC 8508). Nothing
    /// is done and `None` answered where the old message is not there any more.
    async fn replace(
        &self,
        account: AccountId,
        from: MailboxId,
        old: Uid,
        message: NewMessage<Box<dyn Spool>>,
    ) -> Result<Option<Appended>, StoreError>;

    /// Messages of a mailbox whose UIDs lie in any of the ranges, by UID, each once.
    async fn messages(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        ranges: &[UidRange],
    ) -> Result<Vec<Message>, StoreError>;

    /// The messages of a mailbox that have the flag `\Deleted`, ascending. Takes no longer than there are.
    async fn marked_deleted(
        &self,
        account: AccountId,
        mailbox: MailboxId,
    ) -> Result<Vec<Uid>, StoreError>;

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
    /// is still there; those not changed keep their modification sequence.
    async fn set_flags(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Vec<FlagsChanged>, StoreError>;

    /// Removes those of `uids` that still have `\Deleted` when it is their turn; answers those removed.
    async fn expunge_deleted(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<Uid>, StoreError>;

    /// Removes the messages in `uids` that are still there, whatever their flags; answers those removed.
    async fn expunge(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<Uid>, StoreError>;

    /// Copies messages with flags and dates, all or none: if a slice fails, the copies that were made are
    /// removed. Answers pairs of old UID and what it became.
    async fn copy(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError>;

    /// Moves messages; each is in one of both mailboxes at any time (RFC 6851). An error only where none was
    /// moved.
    async fn move_messages(
        &self,
        account: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Moved, StoreError>;

    /// What changed in a mailbox after `since`: some `limit` changed messages, or all if there are fewer. The
    /// rest is to be asked for after [`Changes::upto`]. Expunges are remembered for as long as the mailbox
    /// exists.
    async fn changes_since(
        &self,
        account: AccountId,
        mailbox: MailboxId,
        since: ModSeq,
        limit: u32,
    ) -> Result<Changes, StoreError>;
}
