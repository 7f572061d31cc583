//! What the session does for each command: a file for each family, named as the one in
//! [`pillarbox_proto::imap::server`], and the dispatch.

mod append;
mod copy;
mod expunge;
mod fetch;
mod id;
mod idle;
mod list;
mod mailbox;
mod replace;
mod search;
mod select;
mod status;
mod store;
mod unauthenticate;

use pillarbox_proto::imap::server::{Access, Completion, Event, Naming, ResponseCode};

use super::session::{Ended, Failure, INTERNAL, Session};
use super::updates::Own;
use super::view::Expunges;

impl Session {
    /// Carries out what the machine asks for.
    pub(super) async fn handle(&mut self, event: Event) -> Result<(), Ended> {
        use Expunges::{Announced, Withheld};
        let mut own = Own::new();
        let (handled, expunges) = match event {
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
                Some(_) | None => (Ok(INTERNAL), Withheld),
            },
            Event::MessageAborted => {
                self.incoming = None;
                return Ok(());
            }
            // Waited for by the loop itself, and answered by every session alike.
            Event::Idle(_) | Event::NeedPermit | Event::Login(_) => return Ok(()),
            Event::Select(select) => return self.select(&select, Access::ReadWrite).await,
            Event::Examine(examine) => return self.select(&examine.0, Access::ReadOnly).await,
            Event::Id(id) => (Ok(self.identified(&id.fields)), Withheld),
            Event::Noop(_) | Event::Check(_) | Event::IdleEnd => (Ok(Completion::DONE), Announced),
            Event::Close(_) => (self.close_mailbox().await, Withheld),
            Event::Unselect(_) => {
                self.selected = None;
                (Ok(Completion::DONE), Withheld)
            }
            Event::Unauthenticate(_) => (Ok(self.unauthenticate()), Withheld),
            Event::Create(create) => (self.create(&create).await, Announced),
            Event::Delete(delete) => (self.delete(&delete).await, Announced),
            Event::Rename(rename) => (self.rename(&rename).await, Announced),
            Event::Subscribe(it) => (self.subscribe(&it.mailbox, true).await, Announced),
            Event::Unsubscribe(it) => (self.subscribe(&it.mailbox, false).await, Announced),
            Event::List(list) => (self.list(&list).await, Announced),
            Event::Lsub(lsub) => (self.lsub(&lsub).await, Announced),
            Event::Status(status) => (self.status(&status).await, Announced),
            Event::Expunge(expunge) => (self.expunge(&expunge).await, Announced),
            Event::Search(search) => (self.search(&search).await, allowed_by(search.naming)),
            Event::Fetch(fetch) => {
                let expunges = allowed_by(fetch.messages.naming);
                (self.fetch(&fetch, &mut own).await, expunges)
            }
            Event::Store(store) => {
                let expunges = allowed_by(store.messages.naming);
                (self.store(&store, &mut own).await, expunges)
            }
            Event::Copy(copy) => (self.copy(&copy).await, Announced),
            Event::Move(copy) => (self.move_messages(&copy.0).await, Announced),
        };
        let completion = match handled {
            Ok(completion) | Err(Failure::Answer(completion)) => completion,
            Err(Failure::Session(ended)) => return Err(ended),
        };
        // A failed command may not have been understood: sequence numbers stay for the next.
        let expunges = match completion {
            Completion::Ok(_) | Completion::No(Some(ResponseCode::ExpungeIssued), _) => expunges,
            Completion::No(..) | Completion::Bad(_) => Withheld,
        };
        self.updates(expunges, &own).await?;
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
