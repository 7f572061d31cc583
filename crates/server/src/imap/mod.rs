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
use std::time::Duration;

use pillarbox_proto::imap::server::{
    ClearEvent, ClearSettings, Limits, LoginsInClear, Server, StartTls, Violation,
};
use pillarbox_proto::{Clear, Legacy};
use pillarbox_transport::{Accepted, Connection, ConnectionError, Driven};

use crate::{Context, ListenerInfo, Shutdown, upgrade};

use conversation::Conversation;
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
    let log_in_by = context.login_deadline();
    let limits = Limits {
        message: context.settings().limits.message_size,
        ..Limits::default()
    };
    let sealed = match connection {
        Accepted::Sealed(connection) => connection,
        Accepted::Clear(connection) => {
            let clear = cleartext(connection, limits, &context, &shutdown, log_in_by).await?;
            match clear {
                After::StartTls(clear) => upgrade::start_tls(clear, &listener).await?,
                After::Permitted(legacy) => {
                    let conversation = Conversation::Legacy(*legacy);
                    return Some(Box::new(Session::new(
                        conversation,
                        context,
                        listener,
                        shutdown,
                        log_in_by,
                    )));
                }
            }
        }
    };
    let conversation = Conversation::Sealed(sealed.start(limits));
    Some(Box::new(Session::new(
        conversation,
        context,
        listener,
        shutdown,
        log_in_by,
    )))
}

/// What comes after a cleartext session.
enum After {
    StartTls(pillarbox_transport::Conversation<Server<Clear>>),
    /// A login in the clear, under a window.
    Permitted(Box<pillarbox_transport::Conversation<Server<Legacy>>>),
}

/// The cleartext session, to its end or to what comes after it.
async fn cleartext(
    mut connection: Connection<Clear>,
    limits: Limits,
    context: &Context,
    shutdown: &Shutdown,
    log_in_by: Instant,
) -> Option<After> {
    connection.set_idle_timeout(BEFORE_LOGIN);
    let peer = connection.peer_addr().ip();
    let mut clear = connection.start::<Server<Clear>>(ClearSettings {
        limits,
        starttls: StartTls::Offered,
        logins: match context.legacy_window(peer).await {
            Some(_) => LoginsInClear::Listed,
            None => LoginsInClear::NotListed,
        },
    });
    let goodbye = loop {
        let driven = tokio::select! {
            driven = clear.drive() => driven,
            () = sleep_until(log_in_by) => {
                tracing::info!("the client did not log in in time");
                break Some(NO_LOGIN);
            }
            () = shutdown.requested() => break Some("The server is shutting down"),
        };
        match driven {
            Ok(Driven::Event(ClearEvent::StartTls)) => return Some(After::StartTls(clear)),
            Ok(Driven::Event(ClearEvent::NeedPermit)) => {
                match clear.permit_login(context.legacy_window(peer).await) {
                    Ok(legacy) => return Some(After::Permitted(Box::new(legacy))),
                    Err(refused) => clear = refused,
                }
            }
            Ok(Driven::NeedReply) => {}
            Ok(Driven::Closed) => break None,
            Ok(Driven::Violation(violation)) => {
                note(&violation);
                break None;
            }
            Err(ConnectionError::IdleTimedOut(_)) => break Some("Autologout; idle for too long"),
            Err(_) => break None,
        }
    };
    if let Some(text) = goodbye {
        clear.machine().bye(text);
        let _ = clear.drive().await;
    }
    clear.close().await;
    None
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
