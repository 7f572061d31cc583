//! Final delivery: one message into the INBOX of each of its local recipients.
//!
//! Content is spooled once while it streams in, and indexed on the way. Nothing is acknowledged before
//! [`Delivery::commit`] has answered, and then every recipient has the message on stable storage.

use std::sync::Arc;

use pillarbox_policy::Timestamp;
use pillarbox_proto::message::{IndexLimits, Indexer};
use pillarbox_proto::smtp::ReversePath;
use pillarbox_store::{AccountId, Appended, Flags, Mail, NewMessage, Spool, StoreError};

/// Octets copied at a time when a message has more than one recipient.
const PIECE: usize = 64 * 1024;

/// A message on its way into mailboxes. Dropped before [`Delivery::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Delivery {
    mail: Arc<dyn Mail>,
    recipients: Vec<AccountId>,
    spool: Box<dyn Spool>,
    indexer: Indexer,
}

impl Delivery {
    /// Begins with the Return-Path field, which final delivery adds (RFC 5321 §4.4). Each recipient gets one
    /// copy, however often it is named.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(
        mail: Arc<dyn Mail>,
        recipients: &[AccountId],
        return_path: &ReversePath,
    ) -> Result<Self, StoreError> {
        let mut recipients = recipients.to_vec();
        recipients.sort_unstable();
        recipients.dedup();
        let spool = mail.spool().await?;
        let mut delivery = Self {
            mail,
            recipients,
            spool,
            indexer: Indexer::new(IndexLimits::default()),
        };
        let field = format!("Return-Path: {return_path}\r\n");
        delivery.write(field.as_bytes()).await?;
        Ok(delivery)
    }

    /// Adds a piece of the message.
    ///
    /// # Errors
    /// The store's.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.indexer.push(piece);
        self.spool.write(piece).await
    }

    /// Octets written so far, the Return-Path field included.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.spool.len()
    }

    /// Whether nothing was written; never, since there is a Return-Path field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spool.is_empty()
    }

    /// Stores the message for every recipient; answers when all of it is on stable storage.
    ///
    /// # Errors
    /// The store's. Some recipients may have the message then: whoever sends it again delivers to them
    /// twice, which mail allows and losing it does not.
    pub async fn commit(self, now: Timestamp) -> Result<Vec<Appended>, StoreError> {
        let Self {
            mail,
            recipients,
            mut spool,
            indexer,
        } = self;
        let index = indexer.finish().to_bytes();
        // Everything that is likely to fail comes before the first recipient has the message.
        let mut copies: Vec<Box<dyn Spool>> = Vec::new();
        for _ in recipients.iter().skip(1) {
            copies.push(copy(mail.as_ref(), spool.as_mut()).await?);
        }
        copies.push(spool);
        let mut messages = Vec::new();
        for (account, body) in recipients.into_iter().zip(copies) {
            let inbox = mail.mailbox(account, "INBOX").await?;
            let message = NewMessage {
                mailbox: inbox.id,
                flags: Flags::default(),
                internal_date: now,
                internal_offset: 0,
                index: index.clone(),
                body,
            };
            messages.push((account, message));
        }
        let mut stored = Vec::new();
        for (account, message) in messages {
            stored.extend(mail.append(account, vec![message]).await?);
        }
        Ok(stored)
    }
}

async fn copy(mail: &dyn Mail, from: &mut dyn Spool) -> Result<Box<dyn Spool>, StoreError> {
    let mut to = mail.spool().await?;
    while to.len() < from.len() {
        let piece = from.read_at(to.len(), PIECE).await?;
        if piece.is_empty() {
            return Err(StoreError::Engine(
                "a spool ended before its length".to_owned(),
            ));
        }
        to.write(&piece).await?;
    }
    Ok(to)
}
