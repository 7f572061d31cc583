//! APPEND: the message streams into the store while its structure is found in the same pass.

use pillarbox_policy::Timestamp;
use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{Append, Code, Completion};
use pillarbox_proto::message::{IndexLimits, Indexer};
use pillarbox_store::{Flags, MailboxId, NewMessage, Spool, StoreError};

use crate::clock;
use crate::imap::session::{Ended, Handled, INTERNAL, Session, failed};

/// A message on its way in.
#[derive(Debug)]
pub(in crate::imap) struct Incoming {
    append: Append,
    mailbox: MailboxId,
    spool: Box<dyn Spool>,
    indexer: Indexer,
}

const NOT_STORED: &str = "The message could not be stored; try again later";

impl Session {
    pub(in crate::imap) async fn append_begin(&mut self, append: Append) -> Result<(), Ended> {
        match self.prepare(&append).await {
            Ok((mailbox, spool)) => {
                self.incoming = Some(Box::new(Incoming {
                    append,
                    mailbox,
                    spool,
                    indexer: Indexer::new(IndexLimits::default()),
                }));
                self.dialogue().message_accept();
            }
            Err(StoreError::NotFound { .. }) => self
                .dialogue()
                .message_refuse(Code::TryCreate, "There is no such mailbox"),
            Err(error) => {
                tracing::error!(%error, "a message cannot be taken");
                self.dialogue()
                    .message_refuse(Code::Unavailable, NOT_STORED);
            }
        }
        Ok(())
    }

    async fn prepare(
        &mut self,
        append: &Append,
    ) -> Result<(MailboxId, Box<dyn Spool>), StoreError> {
        let Ok((store, account)) = self.mail() else {
            return Err(StoreError::Closed);
        };
        let mailbox = store.mailbox(account, &append.mailbox).await?;
        Ok((mailbox.id, store.spool().await?))
    }

    pub(in crate::imap) async fn message_piece(&mut self, piece: &[u8]) -> Result<(), Ended> {
        let Some(incoming) = self.incoming.as_mut() else {
            return Ok(());
        };
        incoming.indexer.push(piece);
        if let Err(error) = incoming.spool.write(piece).await {
            tracing::error!(%error, "a message could not be written");
            self.incoming = None;
            self.dialogue().message_break(Code::Unavailable, NOT_STORED);
        }
        Ok(())
    }

    /// The message is complete: the reply leaves only when it is on stable storage.
    pub(in crate::imap) async fn message_end(&mut self) -> Handled {
        let Some(incoming) = self.incoming.take() else {
            return Ok(INTERNAL);
        };
        let (store, account) = match self.mail() {
            Ok(mail) => mail,
            Err(completion) => return Ok(completion),
        };
        let Incoming {
            append,
            mailbox,
            spool,
            indexer,
        } = *incoming;
        let (internal_date, internal_offset) = match append.date {
            Some(date) => (Timestamp(date.seconds), date.offset_minutes),
            None => (clock::now(), 0),
        };
        let message = NewMessage {
            mailbox,
            flags: Flags::new(append.flags),
            internal_date,
            internal_offset,
            index: indexer.finish().to_bytes(),
            body: spool,
        };
        Ok(match store.append(account, vec![message]).await {
            Ok(appended) => match appended.first() {
                Some(first) => Completion::Ok(Some(Code::AppendUid {
                    validity: first.uid_validity,
                    uids: SequenceSet::of(appended.iter().map(|one| one.uid.0.get())),
                })),
                None => INTERNAL,
            },
            // The mailbox was removed meanwhile.
            Err(StoreError::NotFound { .. }) => {
                Completion::no(Code::TryCreate, "There is no such mailbox")
            }
            Err(error) => failed(&error),
        })
    }
}
