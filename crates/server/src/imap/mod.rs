//! IMAP sessions: the machine of [`pillarbox_proto::imap::server`], answered from the store.
//!
//! A file here answers the commands of the file with the same name there.
//!
//! A session holds its machine, its connection and, while a mailbox is selected, the UIDs of its messages.
//! Message bodies pass through in pieces; what a slow reader has not taken is waited for, with no lock held.
//! Handlers are boxed where they run, so that an idle session is not as large as its largest command.

mod commands;
mod conversation;
mod message;
mod session;
mod updates;
mod view;

use std::time::Duration;

use pillarbox_proto::imap::server::{ClearSettings, Limits, Server, StartTls};
use pillarbox_proto::sasl::LoginsInClear;
use pillarbox_proto::{Clear, Legacy, Sealed};
use pillarbox_transport::Connection;

use crate::session as sessions;
use crate::session::context::Context;
use crate::session::protocol::Protocol;

use conversation::{BEFORE_LOGIN, Conversation};
use session::Session;

/// IMAP.
pub(crate) struct Imap;

impl Protocol for Imap {
    type Clear = Server<Clear>;
    type Sealed = Server<Sealed>;

    const IDLE: Duration = BEFORE_LOGIN;

    fn settings(cx: &Context) -> Limits {
        Limits {
            message: cx.settings().limits.message_size,
            ..Limits::default()
        }
    }

    fn in_clear(limits: Limits, logins: LoginsInClear) -> ClearSettings {
        ClearSettings {
            limits,
            // To hold a `ListenerInfo` is to hold an acceptor, and to have a certificate.
            starttls: StartTls::Offered,
            logins,
        }
    }

    /// There is no STARTTLS any more (S2).
    async fn run_legacy(
        session: sessions::Session,
        conversation: pillarbox_transport::Conversation<Server<Legacy>>,
    ) -> Option<(sessions::Session, Connection<Sealed>)> {
        let conversation = Conversation::Legacy(conversation);
        Box::new(Session::new(conversation, session)).run().await;
        None
    }

    fn run_sealed(
        session: sessions::Session,
        conversation: pillarbox_transport::Conversation<Server<Sealed>>,
    ) -> impl Future<Output = ()> + Send + 'static {
        Box::new(Session::new(Conversation::Sealed(conversation), session)).run()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session that waits costs its task this much beside socket and TLS state: large commands are boxed
    /// while they run.
    #[test]
    fn a_waiting_session_is_small() {
        fn size<F: Future>(_: fn(Box<Session>) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(Session::run) + size_of::<Session>();
        assert!(size <= 4096, "{size} octets");
    }
}
