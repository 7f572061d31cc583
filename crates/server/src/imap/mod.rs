//! IMAP sessions: the machine of [`pillarbox_proto::imap::server`], answered from the store.
//!
//! A file here answers the commands of the file with the same name there. [`serve`] is the way in.
//!
//! A session holds its machine, its connection and, while a mailbox is selected, the UIDs of its messages.
//! Message bodies pass through in pieces; what a slow reader has not taken is waited for, with no lock held.
//! Handlers are boxed where they run, so that an idle session is not as large as its largest command.

mod commands;
mod encoded_word;
mod finder;
mod session;
mod updates;

use std::sync::Arc;
use std::time::Duration;

use pillarbox_policy::Channel;
use pillarbox_proto::imap::server::{ClearEvent, Dialogue, Limits, Server, StartTls, Violation};
use pillarbox_proto::{Clear, Sealed};
use pillarbox_transport::{Connection, ConnectionError, Driven};

use crate::{Context, ListenerInfo, Shutdown, upgrade};

use session::Session;
use tokio::time::{Instant, sleep_until};

/// How long a client may take for each step before it has logged in.
const BEFORE_LOGIN: Duration = Duration::from_secs(60);
/// What a client is told that does not log in in time.
const NO_LOGIN: &str = "Autologout; no login in time";
/// The inactivity after which a session is ended (RFC 3501 §5.4: at least 30 minutes).
const AUTOLOGOUT: Duration = Duration::from_secs(30 * 60);

/// Serves one connection to its end. Inside TLS it greets at once; in the clear it offers STARTTLS and
/// nothing that is secret.
pub async fn serve(
    connection: Connection,
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
    connection: Connection,
    context: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) -> Option<Box<Session>> {
    let log_in_by = context.login_deadline();
    let limits = Limits {
        message: context.settings().limits.message_size,
        ..Limits::default()
    };
    let (connection, dialogue) = match connection.channel().clone() {
        Channel::Sealed(facts) => {
            let server = Server::<Sealed>::new(facts, limits);
            (connection, server.into_dialogue())
        }
        Channel::Clear(_) => cleartext(connection, limits, &listener, &shutdown, log_in_by).await?,
    };
    Some(Box::new(Session::new(
        connection, dialogue, context, listener, shutdown, log_in_by,
    )))
}

/// The cleartext phase. Answers the connection and the conversation that goes on after it, if one does.
async fn cleartext(
    mut connection: Connection,
    limits: Limits,
    listener: &ListenerInfo,
    shutdown: &Shutdown,
    log_in_by: Instant,
) -> Option<(Connection, Dialogue)> {
    let window = listener.legacy_window.as_ref();
    let mut server = Server::<Clear>::new(limits, StartTls::Offered, window);
    connection.set_idle_timeout(BEFORE_LOGIN);
    loop {
        let driven = tokio::select! {
            driven = connection.drive(&mut server) => driven,
            () = sleep_until(log_in_by) => {
                tracing::info!("the client did not log in in time");
                server.bye(NO_LOGIN);
                let _ = connection.drive(&mut server).await;
                connection.close().await;
                return None;
            }
            () = shutdown.requested() => {
                server.bye("The server is shutting down");
                let _ = connection.drive(&mut server).await;
                connection.close().await;
                return None;
            }
        };
        match driven {
            Ok(Driven::Event(ClearEvent::StartTls)) => break,
            Ok(Driven::Event(ClearEvent::Legacy(permit))) => {
                return Some((connection, server.into_legacy(permit)));
            }
            Ok(Driven::NeedReply) => {}
            Ok(Driven::Closed) => {
                connection.close().await;
                return None;
            }
            Ok(Driven::Violation(violation)) => {
                note(&violation);
                connection.close().await;
                return None;
            }
            Err(error) => {
                if let ConnectionError::IdleTimedOut(_) = error {
                    server.bye("Autologout; idle for too long");
                    let _ = connection.drive(&mut server).await;
                }
                connection.close().await;
                return None;
            }
        }
    }
    let (connection, facts) = upgrade::start_tls(connection, listener).await?;
    match server.into_sealed(facts) {
        Ok(server) => Some((connection, server.into_dialogue())),
        Err(injected) => {
            note(&Violation::Injected(injected));
            connection.close().await;
            None
        }
    }
}

/// Logs how a client broke the protocol. Nothing it sent is in it.
fn note(violation: &Violation) {
    match violation {
        Violation::Injected(_) => {
            tracing::warn!(code = %violation.code(), %violation, "connection closed");
        }
        _ => tracing::info!(code = %violation.code(), %violation, "connection closed"),
    }
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
