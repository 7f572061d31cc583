//! An account's INBOX as a maildrop, and the one POP3 session it may have at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use pillarbox_proto::pop3::maildrop::{Entry, Maildrop, UniqueId};
use pillarbox_proto::pop3::server::{CannotOpen, Updated};
use pillarbox_store::{AccountId, Body, ContentId, MailboxId, StoreError, Uid, UidRange};

use crate::{AccountHandle, Context};

/// Which accounts have a POP3 session (RFC 1939 §4: exclusive access; RFC 2449 §8.1.2). It keeps out other
/// POP3 sessions, nobody else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Maildrops(Arc<Mutex<HashSet<AccountId>>>);

impl Maildrops {
    /// Takes the account's maildrop; `None` where another session has it.
    fn take(&self, account: AccountId) -> Option<Taken> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.insert(account).then(|| Taken {
            maildrops: self.clone(),
            account,
        })
    }
}

/// A maildrop that is taken; given back when this is dropped.
#[derive(Debug)]
struct Taken {
    maildrops: Maildrops,
    account: AccountId,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut taken = self
            .maildrops
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.remove(&self.account);
    }
}

/// INBOX as it was at login.
#[derive(Debug)]
pub(super) struct OpenMaildrop {
    taken: Taken,
    mailbox: MailboxId,
    /// By UID.
    contents: Vec<(Uid, ContentId)>,
}

impl OpenMaildrop {
    /// Takes the maildrop and looks at what is in it.
    pub(super) async fn open(
        cx: &Context,
        account: &AccountHandle,
    ) -> Result<(Self, Maildrop), CannotOpen> {
        let taken = cx.maildrops.take(account.id).ok_or(CannotOpen::InUse)?;
        Self::look(cx, taken).await.map_err(|error| {
            tracing::error!(%error, "an INBOX cannot be opened");
            CannotOpen::Unavailable
        })
    }

    async fn look(cx: &Context, taken: Taken) -> Result<(Self, Maildrop), StoreError> {
        let account = taken.account;
        let inbox = cx.store.mailbox(account, "INBOX").await?;
        let messages = cx
            .store
            .messages(account, inbox.id, &[UidRange::ALL])
            .await?;
        let validity = inbox.uid_validity.get();
        let entries = messages
            .iter()
            .map(|message| Entry {
                octets: message.size,
                id: UniqueId {
                    validity,
                    uid: message.uid.0.get(),
                },
            })
            .collect();
        let contents = messages
            .iter()
            .map(|message| (message.uid, message.content))
            .collect();
        let open = Self {
            taken,
            mailbox: inbox.id,
            contents,
        };
        Ok((open, Maildrop::new(entries)))
    }

    /// The content of a message; `None` where it cannot be read, or another client has removed it.
    pub(super) async fn body(&self, cx: &Context, entry: Entry) -> Option<Box<dyn Body>> {
        let (_, content) = self.find(entry)?;
        match cx.store.body(self.taken.account, content).await {
            Ok(body) => Some(body),
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => {
                tracing::error!(%error, "a message cannot be read from the store");
                None
            }
        }
    }

    /// Removes messages; those another client removed meanwhile are gone as well.
    pub(super) async fn remove(&self, cx: &Context, entries: &[Entry]) -> Updated {
        let uids: Vec<_> = entries
            .iter()
            .filter_map(|entry| self.find(*entry))
            .map(|(uid, _)| uid)
            .collect();
        match cx
            .store
            .expunge(self.taken.account, self.mailbox, &uids)
            .await
        {
            Ok(_) => Updated::Removed,
            Err(error) => {
                tracing::error!(%error, "messages deleted over POP3 cannot be removed");
                Updated::SomeNotRemoved
            }
        }
    }

    fn find(&self, entry: Entry) -> Option<(Uid, ContentId)> {
        let at = self
            .contents
            .binary_search_by_key(&entry.id.uid, |(uid, _)| uid.0.get())
            .ok()?;
        self.contents.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_session_an_account_at_a_time() {
        let maildrops = Maildrops::default();
        let first = maildrops.take(AccountId(1)).unwrap();
        assert!(maildrops.take(AccountId(1)).is_none());
        assert!(maildrops.take(AccountId(2)).is_some());
        drop(first);
        assert!(maildrops.take(AccountId(1)).is_some());
    }
}
