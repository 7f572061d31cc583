//! A store in memory with one mailbox, as far as POP3 sessions need one.

use std::num::NonZeroU32;
use std::sync::Mutex;

use async_trait::async_trait;
use pillarbox_policy::{Ladder, Timestamp};
use pillarbox_store::{
    Account, AccountId, Appended, Body, Changes, ContentId, FlagChange, Flags, LoginRecord,
    Mailbox, MailboxId, Message, ModSeq, NewAccount, NewMessage, Spool, Store, StoreError, Uid,
    UidRange, Verifiers, Wake, Watch,
};
use tokio::sync::broadcast;

#[derive(Debug)]
pub(crate) struct MemoryStore {
    account: Mutex<Option<Account>>,
    pub(crate) messages: Mutex<Vec<(u32, Vec<u8>)>>,
    pub(crate) logins: Mutex<Vec<LoginRecord>>,
    /// Content that can be listed and not read.
    pub(crate) unreadable: Mutex<Vec<u32>>,
    wakes: broadcast::Sender<Wake>,
}

impl MemoryStore {
    pub(crate) fn new(messages: &[(u32, &[u8])]) -> Self {
        Self {
            account: Mutex::default(),
            messages: Mutex::new(
                messages
                    .iter()
                    .map(|(uid, message)| (*uid, message.to_vec()))
                    .collect(),
            ),
            logins: Mutex::default(),
            unreadable: Mutex::default(),
            wakes: broadcast::channel(1).0,
        }
    }

    pub(crate) fn uids(&self) -> Vec<u32> {
        let messages = self.messages.lock().unwrap();
        messages.iter().map(|(uid, _)| *uid).collect()
    }
}

#[derive(Debug)]
struct Content(Vec<u8>);

#[async_trait]
impl Body for Content {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let rest = self.0.iter().skip(offset as usize).take(length);
        Ok(rest.copied().collect())
    }
}

fn uid(uid: u32) -> Uid {
    Uid(NonZeroU32::new(uid).unwrap())
}

#[async_trait]
impl Store for MemoryStore {
    async fn create_account(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<AccountId, StoreError> {
        *self.account.lock().unwrap() = Some(Account {
            id: AccountId(1),
            address: account.address,
            verifiers: account.verifiers,
            ladder: account.ladder,
            password_exposed: None,
            created: now,
        });
        Ok(AccountId(1))
    }

    async fn account(&self, address: &str) -> Result<Option<Account>, StoreError> {
        let account = self.account.lock().unwrap().clone();
        Ok(account.filter(|account| account.address.eq_ignore_ascii_case(address)))
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.account.lock().unwrap().iter().cloned().collect())
    }

    async fn set_verifiers(&self, _: AccountId, _: Verifiers) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    async fn set_ladder(&self, _: AccountId, ladder: Ladder) -> Result<(), StoreError> {
        if let Some(account) = self.account.lock().unwrap().as_mut() {
            account.ladder = ladder;
        }
        Ok(())
    }

    async fn delete_account(&self, _: AccountId) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    async fn record_login(&self, record: LoginRecord) -> Result<(), StoreError> {
        self.logins.lock().unwrap().push(record);
        Ok(())
    }

    async fn login_records(
        &self,
        _: Option<AccountId>,
        _: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        Ok(self.logins.lock().unwrap().clone())
    }

    async fn mailboxes(&self, account: AccountId) -> Result<Vec<Mailbox>, StoreError> {
        Ok(vec![self.mailbox(account, "INBOX").await?])
    }

    async fn mailbox(&self, _: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        assert_eq!(name, "INBOX");
        let messages = self.messages.lock().unwrap();
        Ok(Mailbox {
            id: MailboxId(3),
            name: name.to_owned(),
            uid_validity: NonZeroU32::new(77).unwrap(),
            uid_next: NonZeroU32::new(1000).unwrap(),
            highest_modseq: ModSeq(1),
            subscribed: true,
            special_use: None,
            messages: messages.len() as u32,
            unseen: 0,
            deleted: 0,
            size: 0,
        })
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
        mailbox: MailboxId,
        _: &[UidRange],
    ) -> Result<Vec<Message>, StoreError> {
        assert_eq!(mailbox, MailboxId(3));
        let messages = self.messages.lock().unwrap();
        let message = |(number, content): &(u32, Vec<u8>)| Message {
            uid: uid(*number),
            content: ContentId(u64::from(*number) + 500),
            flags: Flags::default(),
            internal_date: Timestamp(0),
            internal_offset: 0,
            size: content.len() as u64,
            modseq: ModSeq(1),
        };
        Ok(messages.iter().map(message).collect())
    }

    async fn index(&self, _: AccountId, _: ContentId) -> Result<Vec<u8>, StoreError> {
        Err(StoreError::Closed)
    }

    async fn body(
        &self,
        account: AccountId,
        content: ContentId,
    ) -> Result<Box<dyn Body>, StoreError> {
        assert_eq!(account, AccountId(1));
        let number = u32::try_from(content.0 - 500).unwrap();
        let missing = || StoreError::NotFound {
            what: "the message".to_owned(),
        };
        if self.unreadable.lock().unwrap().contains(&number) {
            return Err(missing());
        }
        let messages = self.messages.lock().unwrap();
        let found = messages.iter().find(|(uid, _)| *uid == number);
        let (_, content) = found.ok_or_else(missing)?;
        Ok(Box::new(Content(content.clone())))
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

    async fn expunge(
        &self,
        _: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<Uid>, StoreError> {
        assert_eq!(mailbox, MailboxId(3));
        let mut messages = self.messages.lock().unwrap();
        messages.retain(|(number, _)| !uids.contains(&uid(*number)));
        Ok(uids.to_vec())
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
