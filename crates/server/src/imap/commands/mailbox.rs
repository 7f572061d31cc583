//! CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE.

use pillarbox_proto::imap::server::{Code, Completion, Create, Delete, Rename};
use pillarbox_store::StoreError;

use crate::imap::session::{Session, failed};

impl Session {
    pub(in crate::imap) async fn create(&mut self, create: &Create) -> Completion {
        match self.mail() {
            Ok((store, account)) => done(
                store
                    .create_mailbox(account, &create.mailbox)
                    .await
                    .map(drop),
            ),
            Err(completion) => completion,
        }
    }

    pub(in crate::imap) async fn delete(&mut self, delete: &Delete) -> Completion {
        // RFC 3501 §6.3.4.
        if delete.mailbox == "INBOX" {
            return Completion::no(Code::Cannot, "INBOX cannot be deleted");
        }
        match self.mail() {
            Ok((store, account)) => done(store.delete_mailbox(account, &delete.mailbox).await),
            Err(completion) => completion,
        }
    }

    pub(in crate::imap) async fn rename(&mut self, rename: &Rename) -> Completion {
        match self.mail() {
            Ok((store, account)) => done(
                store
                    .rename_mailbox(account, &rename.from, &rename.to)
                    .await,
            ),
            Err(completion) => completion,
        }
    }

    pub(in crate::imap) async fn subscribe(&mut self, name: &str, subscribed: bool) -> Completion {
        match self.mail() {
            Ok((store, account)) => done(store.set_subscribed(account, name, subscribed).await),
            Err(completion) => completion,
        }
    }
}

fn done(result: Result<(), StoreError>) -> Completion {
    result.map_or_else(|error| failed(&error), |()| Completion::DONE)
}
