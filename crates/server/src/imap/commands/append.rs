//! APPEND.

use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{Append, Completion, Event, ResponseCode};
use pillarbox_store::{Appended, NewMessage, Spool, StoreError};

use crate::imap::session::{Failure, Handled, INTERNAL, Session, TRY_CREATE};

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
    ) -> Handled {
        let (store, account) = self.mail()?;
        let appended = store.append(account, vec![message]).await;
        match appended.map_err(try_create)?.as_slice() {
            [appended] => Ok(Completion::Ok(Some(append_uid(appended)))),
            _ => Err(INTERNAL.into()),
        }
    }
}

/// Why nothing was put into a mailbox. One that is not there, or was removed meanwhile, would have to be made first
/// (RFC 3501 §6.3.11).
pub(super) fn try_create(error: StoreError) -> Failure {
    match error {
        StoreError::NotFound { .. } => Failure::Answer(TRY_CREATE),
        error => error.into(),
    }
}

/// APPENDUID (RFC 4315 §3).
pub(super) fn append_uid(appended: &Appended) -> ResponseCode {
    ResponseCode::AppendUid {
        validity: appended.uid_validity,
        uids: SequenceSet::of([appended.uid.0.get()]),
    }
}
