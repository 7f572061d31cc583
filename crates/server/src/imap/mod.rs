//! IMAP sessions: the machine of [`pillarbox_proto::imap::server`], answered from the store.
//!
//! A file here answers the commands of the file with the same name there. [`serve`] is the way in.
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

use std::sync::Arc;

use pillarbox_proto::Clear;
use pillarbox_proto::imap::server::{ClearSettings, Limits, Server, StartTls};
use pillarbox_transport::Accepted;

use crate::session::{self as sessions, AfterClear};
use crate::{Context, ListenerInfo, Shutdown};

use conversation::Conversation;
use session::{BEFORE_LOGIN, Session};

/// Serves one connection to its end. Inside TLS it greets at once; in the clear it offers STARTTLS and
/// nothing that is secret.
pub async fn serve(
    connection: Accepted,
    context: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) {
    if let Some(session) = Box::pin(open(connection, context, listener, shutdown)).await {
        session.run().await;
    }
}

/// Everything up to the greeting inside TLS, where the client comes so far.
async fn open(
    connection: Accepted,
    context: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) -> Option<Box<Session>> {
    let limits = Limits {
        message: context.settings().limits.message_size,
        ..Limits::default()
    };
    let mut common = sessions::Session::new(context, listener, shutdown);
    let sealed = match connection {
        Accepted::Sealed(connection) => connection,
        Accepted::Clear(mut connection) => {
            connection.set_idle_timeout(BEFORE_LOGIN);
            let settings = ClearSettings {
                limits,
                starttls: StartTls::Offered,
                logins: common.logins_in_clear(connection.peer_addr()).await,
            };
            let clear = connection.start::<Server<Clear>>(settings);
            match common.run_clear(clear).await? {
                AfterClear::Sealed(connection) => *connection,
                AfterClear::Permitted(legacy) => {
                    let conversation = Conversation::Legacy(*legacy);
                    return Some(Box::new(Session::new(conversation, common)));
                }
            }
        }
    };
    let conversation = Conversation::Sealed(sealed.start(limits));
    Some(Box::new(Session::new(conversation, common)))
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    fn size<A, B, C, D, F: Future>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// A session that waits costs its task this much beside socket and TLS state: large commands are boxed
    /// while they run.
    #[test]
    fn a_waiting_session_is_small() {
        let size = size(serve) + size_of::<Session>();
        assert!(size <= 4096, "{size} octets");
    }
}
