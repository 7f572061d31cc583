//! POP3 sessions (RFC 1939): the machine of `proto`, authentication, and the INBOX of an account.
//!
//! A session sees INBOX as it was at login. It removes what was marked deleted when the client says QUIT, and
//! never otherwise (RFC 1939 §6). It keeps other POP3 sessions of the account out (`Maildrops`) and nobody
//! else: IMAP and delivery go on meanwhile, and no lock of the store is held between two operations.

mod login;
mod maildrop;

use std::sync::Arc;
use std::time::Duration;

use pillarbox_policy::Code;
use pillarbox_proto::pop3::maildrop::Entry;
use pillarbox_proto::pop3::server::{Event, Limits, Server, Stls, Updated, Violation};
use pillarbox_proto::pop3::stuffing::Wanted;
use pillarbox_proto::{Clear, Sealed};
use pillarbox_store::Body;
use pillarbox_transport::{Connection, ConnectionError, Driven};
use tokio::time::{Instant, sleep_until};

use self::login::Logins;
pub(crate) use self::maildrop::Maildrops;
use self::maildrop::OpenMaildrop;
use crate::{Context, ListenerInfo, Shutdown, upgrade};

/// How long a client may stay silent (RFC 1939 §3). It is then cut off without a word, and nothing is removed.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// How much of a message is read at a time, in octets.
const PIECE: usize = 16 * 1024;

/// Serves one connection to its end. `connection` is inside TLS already where that is how the listener opens.
pub async fn serve(
    mut connection: Connection,
    cx: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) {
    connection.set_idle_timeout(IDLE);
    let log_in_by = cx.login_deadline();
    let facts = connection.channel().facts().cloned();
    let mut server = match facts {
        Some(facts) => Server::<Sealed>::new(facts, Limits::default()),
        None => {
            // To hold a `ListenerInfo` is to hold an acceptor, and to have a certificate.
            let window = listener.legacy_window.as_ref();
            let mut clear = Server::<Clear>::new(Limits::default(), Stls::Available, window);
            match Session::new(&cx, &listener, &shutdown, log_in_by)
                .run(&mut connection, &mut clear)
                .await
            {
                End::Over => return connection.close().await,
                End::Lost => return,
                End::StartTls => {}
            }
            let Some((sealed, server)) = seal(connection, clear, &listener).await else {
                return;
            };
            connection = sealed;
            connection.set_idle_timeout(IDLE);
            server
        }
    };
    match Session::new(&cx, &listener, &shutdown, log_in_by)
        .run(&mut connection, &mut server)
        .await
    {
        End::Over | End::StartTls => connection.close().await,
        End::Lost => {}
    }
}

/// The handshake behind STLS. Nothing of the cleartext session is left after it (S2).
async fn seal(
    connection: Connection,
    clear: Server<Clear>,
    listener: &ListenerInfo,
) -> Option<(Connection, Server<Sealed>)> {
    let (connection, facts) = upgrade::start_tls(connection, listener).await?;
    match clear.into_sealed(facts) {
        Ok(server) => Some((connection, server)),
        Err(injected) => {
            tracing::warn!(code = %injected.code(), %injected, "connection closed");
            None
        }
    }
}

/// How the conversation with a machine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// TLS is next.
    StartTls,
    /// Over; say goodbye to the transport.
    Over,
    /// The peer is gone.
    Lost,
}

/// A message on its way to the client.
struct Sending {
    body: Box<dyn Body>,
    sent: u64,
}

/// One session on one channel.
struct Session<'a> {
    cx: &'a Arc<Context>,
    shutdown: &'a Shutdown,
    /// When it is ended, until it has logged in.
    log_in_by: Option<Instant>,
    logins: Logins<'a>,
    maildrop: Option<OpenMaildrop>,
    sending: Option<Sending>,
}

impl<'a> Session<'a> {
    fn new(
        cx: &'a Arc<Context>,
        listener: &'a ListenerInfo,
        shutdown: &'a Shutdown,
        log_in_by: Instant,
    ) -> Self {
        Self {
            cx,
            shutdown,
            log_in_by: Some(log_in_by),
            logins: Logins::new(&cx.authenticator, listener.name),
            maildrop: None,
            sending: None,
        }
    }

    async fn run<C>(&mut self, connection: &mut Connection, server: &mut Server<C>) -> End {
        let mut told = Told::NotYet;
        loop {
            let driven = tokio::select! {
                biased;
                () = self.shutdown.requested(), if told == Told::NotYet => {
                    server.shut_down();
                    told = Told::GoingDown;
                    continue;
                }
                () = overdue(self.log_in_by) => {
                    tracing::info!("the client did not log in in time");
                    return End::Over;
                }
                driven = connection.drive(server) => driven,
            };
            match driven {
                Ok(Driven::Event(Event::StartTls)) => return End::StartTls,
                Ok(Driven::Event(event)) => self.answer(event, connection, server).await,
                Ok(Driven::NeedReply) => match self.sending.take() {
                    Some(sending) => self.send_on(sending, server).await,
                    None => {
                        tracing::error!("a POP3 session was left without an answer");
                        return End::Over;
                    }
                },
                Ok(Driven::Closed) => return End::Over,
                Ok(Driven::Violation(violation)) => {
                    note(violation);
                    return End::Over;
                }
                Err(error) => return lost(&error),
            }
        }
    }

    async fn answer<C>(&mut self, event: Event, connection: &Connection, server: &mut Server<C>) {
        match event {
            Event::OpenMaildrop { .. } => {
                let Some(account) = self.logins.take_accepted() else {
                    // A machine that says so without an accepted login has a fault; nobody's mail is opened.
                    tracing::error!("a POP3 session came to a mailbox without a login");
                    return server.shut_down();
                };
                match OpenMaildrop::open(self.cx, &account).await {
                    Ok((open, maildrop)) => {
                        self.maildrop = Some(open);
                        self.log_in_by = None;
                        server.open(maildrop);
                    }
                    Err(why) => server.cannot_open(why),
                }
            }
            Event::Retrieve { entry } => self.begin_sending(entry, server).await,
            Event::ExchangeFailed { mechanism, failure } => {
                tracing::warn!(mechanism, %failure, "login failed");
            }
            Event::Update { entries } => {
                let updated = match &self.maildrop {
                    Some(maildrop) => maildrop.remove(self.cx, &entries).await,
                    None => Updated::SomeNotRemoved,
                };
                // The next session may come before the client has closed this one.
                self.maildrop = None;
                server.updated(updated);
            }
            login => {
                let address = connection.peer_addr();
                self.logins
                    .answer(login, address, connection.channel(), server)
                    .await;
            }
        }
    }

    async fn begin_sending<C>(&mut self, entry: Entry, server: &mut Server<C>) {
        let body = match &self.maildrop {
            Some(maildrop) => maildrop.body(self.cx, entry).await,
            None => None,
        };
        match body {
            Some(body) => {
                server.message_begins(body.len());
                self.sending = Some(Sending { body, sent: 0 });
            }
            None => server.message_missing(),
        }
    }

    /// Gives the machine one more piece. It is asked for the next when the client has taken this one.
    async fn send_on<C>(&mut self, mut sending: Sending, server: &mut Server<C>) {
        match sending.body.read_at(sending.sent, PIECE).await {
            Ok(piece) if piece.is_empty() => server.message_ends(),
            Ok(piece) => {
                // A piece is at most 16 KiB long.
                sending.sent += u64::try_from(piece.len()).unwrap_or(u64::MAX);
                match server.message_piece(&piece) {
                    Wanted::More => self.sending = Some(sending),
                    Wanted::NoMore => server.message_ends(),
                }
            }
            Err(error) => {
                tracing::error!(%error, "a message broke off: it cannot be read from the store");
                server.message_fails();
            }
        }
    }
}

/// Waits until then, or for ever.
async fn overdue(by: Option<Instant>) {
    match by {
        Some(by) => sleep_until(by).await,
        None => std::future::pending().await,
    }
}

/// Whether the client was told that the server is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    NotYet,
    GoingDown,
}

/// The peer is gone or silent, and nothing is removed (RFC 1939 §6). Who is silent gets no response (RFC 1939 §3),
/// but close_notify (S3.4-1).
fn lost(error: &ConnectionError) -> End {
    match error {
        ConnectionError::PeerClosed => tracing::debug!("the client left"),
        ConnectionError::IdleTimedOut(_) => {
            tracing::info!(%error, "connection closed");
            return End::Over;
        }
        error => {
            let code = error.code().map(Code::as_str);
            tracing::info!(code, %error, "connection lost");
        }
    }
    End::Lost
}

fn note(violation: Violation) {
    match violation {
        Violation::Injected(_) => {
            tracing::warn!(code = %violation.code(), %violation, "connection closed");
        }
        _ => tracing::info!(code = %violation.code(), %violation, "connection closed"),
    }
}
