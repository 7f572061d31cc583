//! CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE.

use pillarbox_proto::imap::server::{Completion, Create, Delete, Rename, ResponseCode};

use crate::imap::session::{Handled, Session};

impl Session {
    pub(in crate::imap) async fn create(&mut self, create: &Create) -> Handled {
        let (store, account) = self.mail()?;
        store.create_mailbox(account, &create.mailbox).await?;
        Ok(Completion::DONE)
    }

    pub(in crate::imap) async fn delete(&mut self, delete: &Delete) -> Handled {
        // RFC 3501 §6.3.4.
        if delete.mailbox == "INBOX" {
            return Ok(Completion::no(
                ResponseCode::Cannot,
                "INBOX cannot be deleted",
            ));
        }
        let (store, account) = self.mail()?;
        store.delete_mailbox(account, &delete.mailbox).await?;
        Ok(Completion::DONE)
    }

    pub(in crate::imap) async fn rename(&mut self, rename: &Rename) -> Handled {
        let (store, account) = self.mail()?;
        store
            .rename_mailbox(account, &rename.from, &rename.to)
            .await?;
        Ok(Completion::DONE)
    }

    pub(in crate::imap) async fn subscribe(&mut self, name: &str, subscribed: bool) -> Handled {
        let (store, account) = self.mail()?;
        store.set_subscribed(account, name, subscribed).await?;
        Ok(Completion::DONE)
    }
}
