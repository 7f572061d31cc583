//! A store in memory with mailboxes, for sessions to run on.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use pillarbox_policy::{Ladder, Timestamp};
use pillarbox_store::{
    Account, AccountId, Appended, Body, Changes, ContentId, FlagChange, LoginRecord, Mailbox,
    MailboxId, Message, ModSeq, NewAccount, NewMessage, Spool, Store, StoreError, Uid, UidRange,
    Verifiers, Wake, Watch,
};
use tokio::sync::broadcast;

#[derive(Debug)]
struct Folder {
    mailbox: Mailbox,
    messages: Vec<Message>,
    expunged: Vec<(ModSeq, Uid)>,
}

#[derive(Debug, Default)]
struct State {
    accounts: Vec<Account>,
    folders: Vec<Folder>,
    contents: HashMap<u64, (Arc<Vec<u8>>, Vec<u8>)>,
    logins: Vec<LoginRecord>,
    counter: u64,
}

/// The store. It has one account at most.
#[derive(Debug)]
pub(crate) struct MemoryStore {
    state: Mutex<State>,
    wakes: broadcast::Sender<Wake>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            wakes: broadcast::channel(64).0,
        }
    }
}

#[derive(Debug, Default)]
struct Bytes(Arc<Vec<u8>>);

#[async_trait]
impl Spool for Bytes {
    async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        Arc::make_mut(&mut self.0).extend_from_slice(piece);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        Body::read_at(self, offset, length).await
    }
}

#[async_trait]
impl Body for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        let rest = &self.0[(offset as usize).min(self.0.len())..];
        Ok(rest[..length.min(rest.len())].to_vec())
    }
}

fn missing(what: &str) -> StoreError {
    StoreError::NotFound {
        what: what.to_owned(),
    }
}

impl State {
    fn next(&mut self) -> ModSeq {
        self.counter += 1;
        ModSeq(self.counter)
    }

    fn create(&mut self, name: &str, special_use: Option<&str>) -> Mailbox {
        let modseq = self.next();
        let validity = NonZeroU32::new(self.counter as u32).unwrap();
        let mailbox = Mailbox {
            id: MailboxId(modseq.0 as i64),
            name: name.to_owned(),
            uid_validity: validity,
            uid_next: NonZeroU32::MIN,
            highest_modseq: modseq,
            subscribed: true,
            special_use: special_use.map(str::to_owned),
            messages: 0,
            unseen: 0,
            deleted: 0,
            size: 0,
        };
        self.folders.push(Folder {
            mailbox: mailbox.clone(),
            messages: Vec::new(),
            expunged: Vec::new(),
        });
        mailbox
    }

    fn named(&mut self, name: &str) -> Result<&mut Folder, StoreError> {
        self.folders
            .iter_mut()
            .find(|folder| {
                folder.mailbox.name == name
                    || (name.eq_ignore_ascii_case("INBOX") && folder.mailbox.name == "INBOX")
            })
            .ok_or_else(|| missing("the mailbox"))
    }

    fn folder(&mut self, id: MailboxId) -> Result<&mut Folder, StoreError> {
        self.folders
            .iter_mut()
            .find(|folder| folder.mailbox.id == id)
            .ok_or_else(|| missing("the mailbox"))
    }

    fn put(&mut self, to: MailboxId, mut message: Message) -> Result<Appended, StoreError> {
        let modseq = self.next();
        let folder = self.folder(to)?;
        let uid = Uid(folder.mailbox.uid_next);
        folder.mailbox.uid_next = folder.mailbox.uid_next.checked_add(1).unwrap();
        folder.mailbox.highest_modseq = modseq;
        let content = message.content;
        message.uid = uid;
        message.modseq = modseq;
        folder.messages.push(message);
        Ok(Appended {
            mailbox: to,
            uid_validity: folder.mailbox.uid_validity,
            uid,
            content,
            modseq,
        })
    }

    fn remove(&mut self, from: MailboxId, uids: &[Uid]) -> Result<Vec<Uid>, StoreError> {
        let modseq = self.next();
        let folder = self.folder(from)?;
        let gone: Vec<Uid> = folder
            .messages
            .iter()
            .map(|message| message.uid)
            .filter(|uid| uids.contains(uid))
            .collect();
        folder
            .messages
            .retain(|message| !gone.contains(&message.uid));
        folder
            .expunged
            .extend(gone.iter().map(|uid| (modseq, *uid)));
        folder.mailbox.highest_modseq = modseq;
        Ok(gone)
    }

    fn duplicate(
        &mut self,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        let messages: Vec<Message> = self
            .folder(from)?
            .messages
            .iter()
            .filter(|message| uids.contains(&message.uid))
            .cloned()
            .collect();
        messages
            .into_iter()
            .map(|message| Ok((message.uid, self.put(to, message)?)))
            .collect()
    }
}

fn counted(folder: &Folder) -> Mailbox {
    let without = |flag: &str, set: bool| {
        folder
            .messages
            .iter()
            .filter(|message| message.flags.contains(flag) == set)
            .count() as u32
    };
    Mailbox {
        messages: folder.messages.len() as u32,
        unseen: without("\\Seen", false),
        deleted: without("\\Deleted", true),
        size: folder.messages.iter().map(|message| message.size).sum(),
        ..folder.mailbox.clone()
    }
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wake(&self, mailbox: MailboxId) {
        let _ = self.wakes.send(Wake::Mailbox(mailbox));
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn create_account(
        &self,
        account: NewAccount,
        now: Timestamp,
    ) -> Result<AccountId, StoreError> {
        let mut state = self.state();
        let id = AccountId(1);
        state.accounts.push(Account {
            id,
            address: account.address,
            verifiers: account.verifiers,
            ladder: account.ladder,
            password_exposed: None,
            created: now,
        });
        state.create("INBOX", None);
        for name in ["Archive", "Drafts", "Junk", "Sent", "Trash"] {
            state.create(name, Some(name));
        }
        Ok(id)
    }

    async fn account(&self, address: &str) -> Result<Option<Account>, StoreError> {
        let state = self.state();
        Ok(state
            .accounts
            .iter()
            .find(|account| account.address.eq_ignore_ascii_case(address))
            .cloned())
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        Ok(self.state().accounts.clone())
    }

    async fn set_verifiers(&self, _: AccountId, _: Verifiers) -> Result<(), StoreError> {
        unimplemented!()
    }

    async fn set_ladder(&self, _: AccountId, ladder: Ladder) -> Result<(), StoreError> {
        self.state().accounts[0].ladder = ladder;
        Ok(())
    }

    async fn delete_account(&self, _: AccountId) -> Result<(), StoreError> {
        unimplemented!()
    }

    async fn record_login(&self, record: LoginRecord) -> Result<(), StoreError> {
        self.state().logins.push(record);
        Ok(())
    }

    async fn login_records(
        &self,
        _: Option<AccountId>,
        _: u32,
    ) -> Result<Vec<LoginRecord>, StoreError> {
        Ok(self.state().logins.iter().rev().cloned().collect())
    }

    async fn mailboxes(&self, _: AccountId) -> Result<Vec<Mailbox>, StoreError> {
        let mut all: Vec<Mailbox> = self.state().folders.iter().map(counted).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn mailbox(&self, _: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        self.state().named(name).map(|folder| counted(folder))
    }

    async fn create_mailbox(&self, _: AccountId, name: &str) -> Result<Mailbox, StoreError> {
        let mut state = self.state();
        if state.named(name).is_ok() {
            return Err(StoreError::Exists {
                what: "the mailbox".to_owned(),
            });
        }
        Ok(state.create(name, None))
    }

    async fn rename_mailbox(&self, _: AccountId, from: &str, to: &str) -> Result<(), StoreError> {
        self.state().named(from)?.mailbox.name = to.to_owned();
        Ok(())
    }

    async fn delete_mailbox(&self, _: AccountId, name: &str) -> Result<(), StoreError> {
        let mut state = self.state();
        let id = state.named(name)?.mailbox.id;
        state.folders.retain(|folder| folder.mailbox.id != id);
        Ok(())
    }

    async fn set_subscribed(
        &self,
        _: AccountId,
        name: &str,
        subscribed: bool,
    ) -> Result<(), StoreError> {
        self.state().named(name)?.mailbox.subscribed = subscribed;
        Ok(())
    }

    async fn spool(&self) -> Result<Box<dyn Spool>, StoreError> {
        Ok(Box::<Bytes>::default())
    }

    async fn append(
        &self,
        _: AccountId,
        messages: Vec<NewMessage<Box<dyn Spool>>>,
    ) -> Result<Vec<Appended>, StoreError> {
        let mut appended = Vec::new();
        for mut message in messages {
            let length = usize::try_from(message.body.len()).unwrap();
            let content = message.body.read_at(0, length).await?;
            let mut state = self.state();
            let id = state.next().0;
            state
                .contents
                .insert(id, (Arc::new(content), message.index));
            let stored = Message {
                uid: Uid(NonZeroU32::MIN),
                content: ContentId(id),
                flags: message.flags,
                internal_date: message.internal_date,
                internal_offset: message.internal_offset,
                size: length as u64,
                modseq: ModSeq(0),
            };
            appended.push(state.put(message.mailbox, stored)?);
            drop(state);
            self.wake(message.mailbox);
        }
        Ok(appended)
    }

    async fn messages(
        &self,
        _: AccountId,
        mailbox: MailboxId,
        ranges: &[UidRange],
    ) -> Result<Vec<Message>, StoreError> {
        let mut state = self.state();
        Ok(state
            .folder(mailbox)?
            .messages
            .iter()
            .filter(|message| {
                ranges
                    .iter()
                    .any(|range| (range.from..=range.to).contains(&message.uid))
            })
            .cloned()
            .collect())
    }

    async fn index(&self, _: AccountId, content: ContentId) -> Result<Vec<u8>, StoreError> {
        let state = self.state();
        let stored = state
            .contents
            .get(&content.0)
            .ok_or_else(|| missing("the message"))?;
        Ok(stored.1.clone())
    }

    async fn body(&self, _: AccountId, content: ContentId) -> Result<Box<dyn Body>, StoreError> {
        let state = self.state();
        let stored = state
            .contents
            .get(&content.0)
            .ok_or_else(|| missing("the message"))?;
        Ok(Box::new(Bytes(Arc::clone(&stored.0))))
    }

    async fn set_flags(
        &self,
        _: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<Vec<Message>, StoreError> {
        let mut state = self.state();
        let modseq = state.next();
        let folder = state.folder(mailbox)?;
        let mut answered = Vec::new();
        for message in folder
            .messages
            .iter_mut()
            .filter(|message| uids.contains(&message.uid))
        {
            if unchanged_since.is_none_or(|since| message.modseq <= since) {
                let before = message.flags.clone();
                match change {
                    FlagChange::Replace(flags) => message.flags = flags.clone(),
                    FlagChange::Add(flags) => flags.iter().for_each(|flag| {
                        message.flags.insert(flag.to_owned());
                    }),
                    FlagChange::Remove(flags) => flags.iter().for_each(|flag| {
                        message.flags.remove(flag);
                    }),
                }
                if before != message.flags {
                    message.modseq = modseq;
                    folder.mailbox.highest_modseq = modseq;
                }
            }
            answered.push(message.clone());
        }
        drop(state);
        self.wake(mailbox);
        Ok(answered)
    }

    async fn expunge(
        &self,
        _: AccountId,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<Vec<Uid>, StoreError> {
        let gone = self.state().remove(mailbox, uids)?;
        self.wake(mailbox);
        Ok(gone)
    }

    async fn copy(
        &self,
        _: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        let copied = self.state().duplicate(from, uids, to)?;
        self.wake(to);
        Ok(copied)
    }

    async fn move_messages(
        &self,
        _: AccountId,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
    ) -> Result<Vec<(Uid, Appended)>, StoreError> {
        let mut state = self.state();
        let moved = state.duplicate(from, uids, to)?;
        state.remove(from, uids)?;
        drop(state);
        self.wake(from);
        self.wake(to);
        Ok(moved)
    }

    async fn changes_since(
        &self,
        _: AccountId,
        mailbox: MailboxId,
        since: ModSeq,
    ) -> Result<Changes, StoreError> {
        let mut state = self.state();
        let folder = state.folder(mailbox)?;
        let mut expunged: Vec<Uid> = folder
            .expunged
            .iter()
            .filter(|(modseq, _)| *modseq > since)
            .map(|(_, uid)| *uid)
            .collect();
        expunged.sort();
        Ok(Changes {
            changed: folder
                .messages
                .iter()
                .filter(|message| message.modseq > since)
                .cloned()
                .collect(),
            expunged,
            highest_modseq: Some(folder.mailbox.highest_modseq),
        })
    }

    fn watch(&self, _: AccountId) -> Watch {
        Watch::new(self.wakes.subscribe())
    }

    async fn close(&self) {}
}
