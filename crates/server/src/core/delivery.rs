//! Final delivery: one message into the INBOX of each of its local recipients.
//!
//! Content is spooled once while it streams in, and indexed on the way. Nothing is acknowledged before
//! [`Delivery::commit`] has answered, and then every recipient has the message on stable storage.

use std::sync::Arc;

use pillarbox_policy::Timestamp;
use pillarbox_proto::message::{IndexLimits, Indexer};
use pillarbox_proto::smtp::ReversePath;
use pillarbox_store::{
    AccountId, DeliveryId, Flags, Mail, NewDelivery, Recipient, Spool, StoreError,
};

/// A message on its way into mailboxes. Dropped before [`Delivery::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct Delivery {
    mail: Arc<dyn Mail>,
    id: DeliveryId,
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
        id: DeliveryId,
        recipients: &[AccountId],
        return_path: &ReversePath,
    ) -> Result<Self, StoreError> {
        let mut recipients = recipients.to_vec();
        recipients.sort_unstable();
        recipients.dedup();
        let spool = mail.spool().await?;
        let mut delivery = Self {
            mail,
            id,
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

    /// Stores the message for every recipient; answers how many, when all of them have it on stable storage. A
    /// recipient whose account was removed since it was named is passed over, unless nobody else is left.
    ///
    /// # Errors
    /// The store's. Some recipients may have the message then: whoever sends it again delivers to them
    /// twice, which mail allows and losing it does not.
    pub async fn commit(self, now: Timestamp) -> Result<usize, StoreError> {
        let recipients = self.recipients.into_iter().map(|account| Recipient {
            account,
            mailbox: "INBOX".to_owned(),
            flags: Flags::default(),
        });
        let delivery = NewDelivery {
            id: self.id,
            recipients: recipients.collect(),
            internal_date: now,
            internal_offset: 0,
            index: self.indexer.finish().to_bytes(),
            body: self.spool,
        };
        let stored = self.mail.deliver(delivery).await?;
        let mut copies = 0;
        let mut gone = Ok(());
        for stored in stored {
            match stored {
                Ok(_) => copies += 1,
                Err(error @ StoreError::NotFound { .. }) => {
                    tracing::warn!(%error, "a recipient is gone since it was accepted");
                    gone = Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        match copies {
            0 => gone.map(|()| 0),
            copies => Ok(copies),
        }
    }
}
