//! STATUS.

use pillarbox_proto::imap::server::{Completion, Status, StatusValues};
use pillarbox_store::Mailbox;

use crate::imap::session::{Session, failed};

impl Session {
    pub(in crate::imap) async fn status(&mut self, status: &Status) -> Completion {
        let (store, account) = match self.mail() {
            Ok(mail) => mail,
            Err(completion) => return completion,
        };
        match store.mailbox(account, &status.mailbox).await {
            Ok(mailbox) => {
                self.responses()
                    .status(&mailbox.name, &status.items, &values(&mailbox));
                Completion::DONE
            }
            Err(error) => failed(&error),
        }
    }
}

/// What STATUS tells of a mailbox.
pub(in crate::imap) fn values(mailbox: &Mailbox) -> StatusValues {
    StatusValues {
        messages: mailbox.messages,
        uid_next: mailbox.uid_next,
        uid_validity: mailbox.uid_validity,
        unseen: mailbox.unseen,
        deleted: mailbox.deleted,
        size: mailbox.size,
        highest_modseq: mailbox.highest_modseq.0,
    }
}
