//! What the session does for each command: a file for each family, named as the one in
//! [`pillarbox_proto::imap::server`], and the dispatch.

mod append;
mod copy;
mod expunge;
mod fetch;
mod id;
mod idle;
mod list;
mod login;
mod mailbox;
mod replace;
mod search;
mod select;
mod status;
mod store;
mod unauthenticate;

use std::collections::HashMap;

use pillarbox_proto::imap::server::{Access, Completion, Event, Naming};

use super::session::{Ended, INTERNAL, Session};
use super::view::Expunges;
use crate::session::ServerConversation;

impl Session {
    /// Carries out what the machine asks for.
    pub(super) async fn handle(&mut self, event: Event) -> Result<(), Ended> {
        use Expunges::{Announced, Withheld};
        let (completion, expunges) = match event {
            Event::Id(id) => (self.identified(&id.fields), Withheld),
            Event::NeedPermit => {
                let peer = self.conversation.peer_addr().ip();
                let window = self.context.legacy_window(peer).await;
                self.conversation.permit(window);
                return Ok(());
            }
            Event::Login(login) => return self.login(login).await,
            Event::Append(append) => {
                self.append_begin(append).await;
                return Ok(());
            }
            Event::Replace(replace) => {
                self.replace_begin(replace).await;
                return Ok(());
            }
            Event::MessagePiece(piece) => return self.message_piece(&piece).await,
            Event::MessageEnd => match self.take_message() {
                Some((Event::Append(_), message)) => (self.append_end(message).await, Announced),
                Some((Event::Replace(replace), message)) => {
                    (self.replace_end(&replace, message).await, Announced)
                }
                // No other command brings a message.
                Some(_) | None => (INTERNAL, Withheld),
            },
            Event::MessageAborted => {
                self.incoming = None;
                return Ok(());
            }
            // Waited for by the loop itself.
            Event::Idle(_) => return Ok(()),
            Event::Noop(_) | Event::Check(_) | Event::IdleEnd => (Completion::DONE, Announced),
            Event::Select(select) => return self.select(&select, Access::ReadWrite).await,
            Event::Examine(examine) => return self.select(&examine.0, Access::ReadOnly).await,
            Event::Close(_) => (self.close_mailbox().await, Withheld),
            Event::Unselect(_) => {
                self.selected = None;
                (Completion::DONE, Withheld)
            }
            Event::Unauthenticate(_) => (self.unauthenticate(), Withheld),
            Event::Create(create) => (self.create(&create).await, Announced),
            Event::Delete(delete) => (self.delete(&delete).await, Announced),
            Event::Rename(rename) => (self.rename(&rename).await, Announced),
            Event::Subscribe(subscribe) => {
                (self.subscribe(&subscribe.mailbox, true).await, Announced)
            }
            Event::Unsubscribe(unsubscribe) => {
                (self.subscribe(&unsubscribe.mailbox, false).await, Announced)
            }
            Event::List(list) => (self.list(&list).await?, Announced),
            Event::Lsub(lsub) => (self.lsub(&lsub).await?, Announced),
            Event::Status(status) => (self.status(&status).await, Announced),
            Event::Expunge(expunge) => (self.expunge(&expunge).await, Announced),
            Event::Search(search) => (self.search(&search).await?, allowed_by(search.naming)),
            Event::Fetch(fetch) => return self.fetch(&fetch).await,
            Event::Store(store) => return self.store(&store).await,
            Event::Copy(copy) => (self.copy(&copy).await, Announced),
            Event::Move(copy) => (self.move_messages(&copy.0).await, Announced),
        };
        // A failed command may not have been understood: sequence numbers stay for the next.
        let expunges = match completion {
            Completion::Ok(_) => expunges,
            Completion::No(..) | Completion::Bad(_) => Withheld,
        };
        self.updates(expunges, &HashMap::new()).await?;
        self.dialogue().complete(completion);
        Ok(())
    }
}

/// RFC 3501 §7.4.1: no EXPUNGE while sequence numbers are in use.
fn allowed_by(naming: Naming) -> Expunges {
    match naming {
        Naming::Sequence => Expunges::Withheld,
        Naming::Uid => Expunges::Announced,
    }
}
