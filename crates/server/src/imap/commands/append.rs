//! APPEND.

use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{Append, Code, Completion, Event};
use pillarbox_store::{Appended, NewMessage, Spool, StoreError};

use crate::imap::session::{INTERNAL, Session, TRY_CREATE, failed};

impl Session {
    pub(in crate::imap) async fn append_begin(&mut self, append: Append) {
        if let Some(message) = self.new_message(&append).await {
            self.accept(message, Event::Append(append));
        }
    }

    /// The message is complete: the reply leaves only when it is on stable storage.
    pub(in crate::imap) async fn append_end(
        &mut self,
        message: NewMessage<Box<dyn Spool>>,
    ) -> Completion {
        let (store, account) = match self.mail() {
            Ok(mail) => mail,
            Err(completion) => return completion,
        };
        match store.append(account, vec![message]).await.as_deref() {
            Ok([appended]) => Completion::Ok(Some(append_uid(appended))),
            Ok(_) => INTERNAL,
            // The mailbox was removed meanwhile.
            Err(StoreError::NotFound { .. }) => TRY_CREATE,
            Err(error) => failed(error),
        }
    }
}

/// APPENDUID (RFC 4315 §3).
pub(super) fn append_uid(appended: &Appended) -> Code {
    Code::AppendUid {
        validity: appended.uid_validity,
        uids: SequenceSet::of([appended.uid.0.get()]),
    }
}
