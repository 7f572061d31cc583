//! Messages on their way in: they stream into the store while their structure is found in the same pass.

use pillarbox_policy::Timestamp;
use pillarbox_proto::imap::server::{Append, Event, ResponseCode};
use pillarbox_proto::message::{IndexLimits, Indexer};
use pillarbox_store::{Flags, NewMessage, Spool, StoreError};

use super::session::{Ended, Incoming, Session};
use crate::core::clock;

const NOT_STORED: &str = "The message could not be stored; try again later";

impl Session {
    /// What is to be stored of a message that was announced. Where it cannot be taken, it was refused.
    pub(super) async fn new_message(
        &mut self,
        append: &Append,
    ) -> Option<NewMessage<Box<dyn Spool>>> {
        let (internal_date, internal_offset) = match append.date {
            Some(date) => (Timestamp(date.seconds), date.offset_minutes),
            None => (clock::now(), 0),
        };
        let prepared = match self.mail() {
            Ok((store, account)) => match store.mailbox(account, &append.mailbox).await {
                Ok(mailbox) => store.spool().await.map(|spool| (mailbox.id, spool)),
                Err(error) => Err(error),
            },
            Err(_) => Err(StoreError::Closed),
        };
        match prepared {
            Ok((mailbox, body)) => Some(NewMessage {
                mailbox,
                flags: Flags::new(append.flags.iter().cloned()),
                internal_date,
                internal_offset,
                index: Vec::new(),
                body,
            }),
            Err(StoreError::NotFound { .. }) => {
                self.dialogue()
                    .message_refuse(ResponseCode::TryCreate, "There is no such mailbox");
                None
            }
            Err(error) => {
                tracing::error!(%error, "a message cannot be taken");
                self.dialogue()
                    .message_refuse(ResponseCode::Unavailable, NOT_STORED);
                None
            }
        }
    }

    /// Lets the message come that this command brings.
    pub(super) fn accept(&mut self, message: NewMessage<Box<dyn Spool>>, command: Event) {
        self.incoming = Some(Box::new(Incoming {
            command,
            message,
            indexer: Indexer::new(IndexLimits::default()),
        }));
        self.dialogue().message_accept();
    }

    pub(super) async fn message_piece(&mut self, piece: &[u8]) -> Result<(), Ended> {
        let Some(incoming) = self.incoming.as_mut() else {
            return Ok(());
        };
        incoming.indexer.push(piece);
        if let Err(error) = incoming.message.body.write(piece).await {
            tracing::error!(%error, "a message could not be written");
            self.incoming = None;
            self.dialogue()
                .message_break(ResponseCode::Unavailable, NOT_STORED);
        }
        Ok(())
    }

    /// The message that is complete, and the command that brought it.
    pub(super) fn take_message(&mut self) -> Option<(Event, NewMessage<Box<dyn Spool>>)> {
        let Incoming {
            command,
            mut message,
            indexer,
        } = *self.incoming.take()?;
        message.index = indexer.finish().to_bytes();
        Some((command, message))
    }
}
