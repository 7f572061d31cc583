//! STATUS.

use pillarbox_proto::imap::server::{Completion, Status, StatusValues};
use pillarbox_store::Mailbox;

use crate::imap::session::{Handled, Session};

impl Session {
    pub(in crate::imap) async fn status(&mut self, status: &Status) -> Handled {
        let (store, account) = self.mail()?;
        let mailbox = store.mailbox(account, &status.mailbox).await?;
        self.responses()
            .status(&mailbox.name, &status.items, &values(&mailbox));
        Ok(Completion::DONE)
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
