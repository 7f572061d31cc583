//! REPLACE: one message for another, in one operation of the store.

use std::num::NonZeroU32;

use pillarbox_proto::imap::server::{Code, Completion, Event, Replace};
use pillarbox_store::{NewMessage, Spool, StoreError, Uid};

use super::append::append_uid;
use crate::imap::session::{Session, TRY_CREATE, failed};

const NO_MESSAGE: &str = "The message to be replaced is not there";

impl Session {
    pub(in crate::imap) async fn replace_begin(&mut self, replace: Replace) {
        if self.replaced(&replace).is_none() {
            self.dialogue()
                .message_refuse(Code::Nonexistent, NO_MESSAGE);
        } else if let Some(message) = self.new_message(&replace.new).await {
            self.accept(message, Event::Replace(replace));
        }
    }

    /// The message is complete: it takes the place of the old one, or nothing changes. What is gone is told like
    /// what others remove, by the updates that follow.
    pub(in crate::imap) async fn replace_end(
        &mut self,
        replace: &Replace,
        message: NewMessage<Box<dyn Spool>>,
    ) -> Completion {
        let gone = Completion::no(Code::Nonexistent, NO_MESSAGE);
        let Some(old) = self.replaced(replace) else {
            return gone;
        };
        let (store, account, from) = match (self.mail(), self.selected()) {
            (Ok((store, account)), Ok(selected)) => (store, account, selected.id),
            (Err(completion), _) | (_, Err(completion)) => return completion,
        };
        match store.replace(account, from, old, message).await {
            Ok(Some(appended)) => {
                self.responses().replaced(&append_uid(&appended));
                Completion::DONE
            }
            Ok(None) => gone,
            // The mailbox was removed meanwhile.
            Err(StoreError::NotFound { .. }) => TRY_CREATE,
            Err(error) => failed(&error),
        }
    }

    /// The message that goes, as far as this session knows.
    fn replaced(&mut self, replace: &Replace) -> Option<Uid> {
        let selected = self.selected().ok()?;
        let named = selected.view.resolve(&replace.old, replace.naming).ok()?;
        match named.as_slice() {
            [(_, uid)] => NonZeroU32::new(*uid).map(Uid),
            _ => None,
        }
    }
}
