//! IDLE: waits for the client and for the store at once, with no buffer of its own.

use std::collections::HashMap;

use pillarbox_proto::imap::server::{Completion, Event, Expunges};
use pillarbox_store::Wake;
use pillarbox_transport::Driven;

use crate::imap::note;
use crate::imap::session::{Ended, Session};

/// What ended a wait.
enum Woken {
    Client(Driven<Event, pillarbox_proto::imap::server::Violation>),
    Store(Option<Wake>),
    Shutdown,
}

impl Session {
    pub(in crate::imap) async fn idle(&mut self) -> Result<(), Ended> {
        let Ok((_, account)) = self.mail() else {
            return Err(Ended::Over);
        };
        // Watching begins before the first look, so that nothing falls between.
        let mut watch = self.context.stores.wakeups.watch(account);
        Box::pin(self.updates(Expunges::Announced, &HashMap::new())).await?;
        loop {
            let woken = tokio::select! {
                driven = self.conversation.drive() => Woken::Client(driven?),
                wake = watch.next() => Woken::Store(wake),
                () = self.shutdown.requested() => Woken::Shutdown,
            };
            match woken {
                Woken::Client(Driven::Event(_)) => {
                    Box::pin(self.updates(Expunges::Announced, &HashMap::new())).await?;
                    self.dialogue().complete(Completion::DONE);
                    return Ok(());
                }
                Woken::Client(Driven::Violation(violation)) => {
                    note(&violation);
                    return Err(Ended::Over);
                }
                Woken::Client(Driven::Closed | Driven::NeedReply) => return Err(Ended::Over),
                Woken::Store(Some(wake)) => {
                    if self.concerns(wake) {
                        Box::pin(self.updates(Expunges::Announced, &HashMap::new())).await?;
                    }
                }
                Woken::Store(None) | Woken::Shutdown => return Err(self.shutting_down()),
            }
        }
    }

    fn concerns(&self, wake: Wake) -> bool {
        match (&self.selected, wake) {
            (Some(selected), Wake::Mailbox { mailbox, modseq }) => {
                selected.id == mailbox && selected.seen < modseq
            }
            (Some(_), Wake::Lagged) => true,
            (_, Wake::MailboxList) | (None, _) => false,
        }
    }
}
