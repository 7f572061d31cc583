//! REPLACE: one message for another, in one operation of the store.

use std::num::NonZeroU32;

use pillarbox_proto::imap::server::{Completion, Event, Replace, ResponseCode};
use pillarbox_store::{NewMessage, Spool, Uid};

use super::append::{append_uid, try_create};
use crate::imap::session::{Handled, Session};
use crate::imap::updates::Own;
use crate::imap::view::Expunges;

const NO_MESSAGE: &str = "The message to be replaced is not there";

impl Session {
    pub(in crate::imap) async fn replace_begin(&mut self, replace: Replace) {
        if self.replaced(&replace).is_none() {
            self.dialogue()
                .message_refuse(ResponseCode::Nonexistent, NO_MESSAGE);
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
    ) -> Handled {
        let gone = || Completion::no(ResponseCode::Nonexistent, NO_MESSAGE);
        let old = self.replaced(replace).ok_or_else(gone)?;
        let (store, account) = self.mail()?;
        let from = self.selected()?.id;
        let replaced = store.replace(account, from, old, message).await;
        let appended = replaced.map_err(try_create)?.ok_or_else(gone)?;
        self.responses().replaced(&append_uid(&appended));
        // The new message is told before the old one goes (RFC 8508 §3.2).
        self.updates(Expunges::Withheld, &Own::new()).await?;
        Ok(Completion::DONE)
    }

    /// The message that goes, as far as this session knows.
    fn replaced(&mut self, replace: &Replace) -> Option<Uid> {
        let named = self.selected().ok()?.named(&replace.old).ok()?;
        match named.as_slice() {
            [(_, uid)] => NonZeroU32::new(*uid).map(Uid),
            _ => None,
        }
    }
}
