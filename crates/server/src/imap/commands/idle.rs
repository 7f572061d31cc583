//! IDLE: waits for the client and for the store at once, with no buffer of its own.

use pillarbox_proto::imap::server::{Completion, Event};
use pillarbox_store::Wake;
use pillarbox_transport::Driven;

use crate::imap::session::{Ended, Selected, Session};
use crate::imap::updates::Own;
use crate::imap::view::Expunges;
use crate::session::conversation::ServerConversation;
use crate::session::log_violation;

/// What ended a wait.
enum Woken {
    Client(Driven<Event, pillarbox_proto::imap::server::Violation>),
    Store(Option<Wake>),
    Shutdown,
}

impl Session {
    pub(in crate::imap) async fn idle(&mut self) -> Result<(), Ended> {
        Box::pin(self.updates(Expunges::Announced, &Own::new())).await?;
        loop {
            let woken = tokio::select! {
                driven = self.conversation.drive() => Woken::Client(driven?),
                wake = next_wake(&mut self.selected) => Woken::Store(wake),
                () = self.common.shutdown.requested() => Woken::Shutdown,
            };
            match woken {
                Woken::Client(Driven::Event(_)) => {
                    Box::pin(self.updates(Expunges::Announced, &Own::new())).await?;
                    self.dialogue().complete(Completion::DONE);
                    return Ok(());
                }
                Woken::Client(Driven::Violation(violation)) => {
                    log_violation(&violation);
                    return Err(Ended::Violated);
                }
                Woken::Client(Driven::Closed | Driven::NeedReply) => return Err(Ended::Over),
                Woken::Store(Some(wake)) => {
                    if let Some(selected) = &mut self.selected
                        && selected.concerns(wake)
                    {
                        selected.stale = true;
                        Box::pin(self.updates(Expunges::Announced, &Own::new())).await?;
                    }
                }
                Woken::Store(None) | Woken::Shutdown => return Err(self.shutting_down()),
            }
        }
    }
}

/// The next wake-up; without a selected mailbox there is none.
async fn next_wake(selected: &mut Option<Selected>) -> Option<Wake> {
    match selected {
        Some(selected) => selected.watch.next().await,
        None => std::future::pending().await,
    }
}
