//! An account's INBOX as a maildrop, and the one POP3 session it may have at a time.

use std::sync::Arc;
use std::time::Duration;

use pillarbox_proto::pop3::maildrop::{Entry, Maildrop, UniqueId};
use pillarbox_proto::pop3::server::{CannotOpen, Updated};
use pillarbox_store::{
    Body, ContentId, Lease, Leases, MailboxId, Renewal, StoreError, Uid, UidRange,
};
use tokio::time::Instant;

use crate::{AccountHandle, Context};

/// How long a maildrop stays taken without a sign of life of its session: longer than a session may be silent.
const LEASE: Duration = Duration::from_secs(15 * 60);
/// How old a lease gets before it is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(60);

/// The one POP3 session an account may have at a time (RFC 1939 §4: exclusive access; RFC 2449 §8.1.2). It
/// keeps out other POP3 sessions, nobody else. Given back when this is dropped.
#[derive(Debug)]
struct Taken {
    leases: Arc<dyn Leases>,
    lease: Lease,
    renewed: Instant,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.leases.give_back(&self.lease);
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
        let unavailable = |error: StoreError| {
            tracing::error!(%error, "an INBOX cannot be opened");
            CannotOpen::Unavailable
        };
        let leases = Arc::clone(&cx.stores.leases);
        let lease = leases.take(account.id, LEASE).await.map_err(unavailable)?;
        let taken = Taken {
            lease: lease.ok_or(CannotOpen::InUse)?,
            leases,
            renewed: Instant::now(),
        };
        Self::look(cx, taken).await.map_err(unavailable)
    }

    /// Keeps the maildrop while the session lives; to be called whenever its client does something. Answers
    /// whether it is still this session's.
    pub(super) async fn keep(&mut self) -> bool {
        if self.taken.renewed.elapsed() < RENEW_AFTER {
            return true;
        }
        match self.taken.leases.renew(&self.taken.lease, LEASE).await {
            Ok(Renewal::Held) => {
                self.taken.renewed = Instant::now();
                true
            }
            Ok(Renewal::Lost) => {
                tracing::warn!("a POP3 session lost its maildrop");
                false
            }
            Err(error) => {
                tracing::error!(%error, "a maildrop cannot be kept");
                false
            }
        }
    }

    async fn look(cx: &Context, taken: Taken) -> Result<(Self, Maildrop), StoreError> {
        let account = taken.lease.account();
        let inbox = cx.stores.mail.mailbox(account, "INBOX").await?;
        let messages = cx
            .stores
            .mail
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
        match cx
            .stores
            .mail
            .body(self.taken.lease.account(), content)
            .await
        {
            Ok(body) => Some(body),
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => {
                tracing::error!(%error, "a message cannot be read from the store");
                None
            }
        }
    }

    /// Removes messages; those another client removed meanwhile are gone as well.
    pub(super) async fn remove(&mut self, cx: &Context, entries: &[Entry]) -> Updated {
        if !self.keep().await {
            return Updated::SomeNotRemoved;
        }
        let uids: Vec<_> = entries
            .iter()
            .filter_map(|entry| self.find(*entry))
            .map(|(uid, _)| uid)
            .collect();
        let account = self.taken.lease.account();
        match cx.stores.mail.expunge(account, self.mailbox, &uids).await {
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
