//! Submission sessions (RFC 6409): the machine of `proto`, authentication, and local delivery.
//!
//! A sender may use the address of its account, or the null return path (R6409-2). Recipients are local
//! accounts; mail to other domains is refused in plain words until there is a relay.

mod login;
mod stamp;
mod transaction;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_policy::{Channel, Code};
use pillarbox_proto::Sealed;
use pillarbox_proto::smtp::submission::server::{Config, Event, Limits, Server, StartTlsOffer};
use pillarbox_proto::smtp::{DeliveryReports, Refusal};
use pillarbox_proto::{Clear, smtp::submission::server::Violation};
use pillarbox_transport::{Connection, ConnectionError, Driven};
use tokio::time::{Instant, sleep_until};

use self::login::Logins;
use self::transaction::Transaction;
use crate::{Context, ListenerInfo, Shutdown, upgrade};

/// How long a client may stay silent (RFC 5321 §4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(5 * 60);

/// Serves one connection to its end. `connection` is inside TLS already where that is how the listener opens.
pub async fn serve(
    mut connection: Connection,
    cx: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) {
    connection.set_idle_timeout(IDLE);
    let log_in_by = cx.login_deadline();
    let config = Arc::new(config(&cx));
    let facts = connection.channel().facts().cloned();
    let mut server = match facts {
        Some(facts) => Server::<Sealed>::new(config, facts),
        None => {
            let mut clear = Server::<Clear>::new(config, listener.legacy_window.clone());
            let mut session = Session::new(&cx, &listener, &shutdown, log_in_by);
            match session.run(&mut connection, &mut clear).await {
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
    let mut session = Session::new(&cx, &listener, &shutdown, log_in_by);
    match session.run(&mut connection, &mut server).await {
        End::Over | End::StartTls => connection.close().await,
        End::Lost => {}
    }
}

/// The handshake behind STARTTLS. Nothing of the cleartext session is left after it (S2, R3207-1).
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

fn config(cx: &Context) -> Config {
    let settings = cx.settings();
    Config {
        hostname: settings.hostname.to_string(),
        // To hold a `ListenerInfo` is to hold an acceptor, and to have a certificate.
        starttls: StartTlsOffer::Offered,
        reports: DeliveryReports::NotOffered,
        limits: Limits {
            message: settings.limits.message_size,
            ..Limits::default()
        },
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

/// One session on one channel.
struct Session<'a> {
    cx: &'a Arc<Context>,
    shutdown: &'a Shutdown,
    log_in_by: Instant,
    logins: Logins<'a>,
    transaction: Option<Transaction>,
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
            log_in_by,
            logins: Logins::new(&cx.authenticator, listener.name),
            transaction: None,
        }
    }

    async fn run<C>(&mut self, connection: &mut Connection, server: &mut Server<C>) -> End {
        let mut goodbye = Goodbye::NotSaid;
        loop {
            let driven = tokio::select! {
                biased;
                () = self.shutdown.requested(), if goodbye == Goodbye::NotSaid => {
                    server.shut_down();
                    goodbye = Goodbye::Said;
                    continue;
                }
                () = sleep_until(self.log_in_by), if self.may_be_overdue(goodbye) => {
                    tracing::info!("the client did not log in in time");
                    server.idle_too_long();
                    goodbye = Goodbye::Said;
                    continue;
                }
                driven = connection.drive(server) => driven,
            };
            match driven {
                Ok(Driven::Event(Event::StartTls)) => return End::StartTls,
                Ok(Driven::Event(event)) => self.answer(event, connection, server).await,
                // Every event is answered before the machine is driven again.
                Ok(Driven::NeedReply) => {
                    tracing::error!("a submission session was left without an answer");
                    return End::Over;
                }
                Ok(Driven::Closed) => return End::Over,
                Ok(Driven::Violation(violation)) => {
                    note(violation);
                    return End::Over;
                }
                Err(ConnectionError::IdleTimedOut(_)) if goodbye == Goodbye::NotSaid => {
                    server.idle_too_long();
                    goodbye = Goodbye::Said;
                }
                Err(error) => {
                    self.lost(&error);
                    return End::Lost;
                }
            }
        }
    }

    /// Whether the client still has to log in.
    fn may_be_overdue(&self, goodbye: Goodbye) -> bool {
        goodbye == Goodbye::NotSaid && self.logins.account().is_none()
    }

    /// The peer is gone. A message that was on its way is thrown away (C19, S3.4-1).
    fn lost(&mut self, error: &ConnectionError) {
        let code = error.code().map(Code::as_str);
        match (error, self.transaction.take()) {
            (ConnectionError::PeerClosed, None) => tracing::debug!("the client left"),
            (error, None) => tracing::info!(code, %error, "connection lost"),
            (error, Some(_)) => {
                tracing::info!(code, %error, "connection lost in a transaction; its message is thrown away");
            }
        }
    }

    async fn answer<C>(&mut self, event: Event, connection: &Connection, server: &mut Server<C>) {
        match event {
            Event::Sender(mail) => {
                let verdict = match self.logins.account() {
                    Some(account) => Transaction::begin(mail, account),
                    None => Err(Refusal::LocalError),
                };
                let verdict = verdict.map(|transaction| self.transaction = Some(transaction));
                settle(server, verdict);
            }
            Event::Recipient(rcpt) => {
                let verdict = match &mut self.transaction {
                    Some(transaction) => transaction.add(rcpt, self.cx).await,
                    None => Err(Refusal::LocalError),
                };
                settle(server, verdict);
            }
            Event::ContentBegins => {
                let client = server.client_name().map(ToString::to_string);
                let arrival = Arrival {
                    client: client.unwrap_or_default(),
                    remote: connection.peer_addr(),
                    channel: connection.channel(),
                };
                let verdict = match &mut self.transaction {
                    Some(transaction) => transaction.begin_content(self.cx, &arrival).await,
                    None => Err(Refusal::LocalError),
                };
                if verdict.is_err() {
                    self.transaction = None;
                }
                settle(server, verdict);
            }
            Event::Content(piece) => {
                if let Some(transaction) = &mut self.transaction
                    && let Err(refusal) = transaction.content(&piece).await
                {
                    server.refuse(refusal);
                }
            }
            Event::ContentEnds => {
                let verdict = match self.transaction.take() {
                    Some(transaction) => transaction.commit().await,
                    None => Err(Refusal::LocalError),
                };
                settle(server, verdict);
            }
            Event::TransactionAbandoned => self.transaction = None,
            login => {
                let address = connection.peer_addr();
                self.logins
                    .answer(login, address, connection.channel(), server)
                    .await;
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    NotSaid,
    Said,
}

/// Where a message came from, for its Received field.
struct Arrival<'a> {
    /// The name given with EHLO.
    client: String,
    remote: SocketAddr,
    channel: &'a Channel,
}

fn settle<C>(server: &mut Server<C>, verdict: Result<(), Refusal>) {
    match verdict {
        Ok(()) => server.accept(),
        Err(refusal) => server.refuse(refusal),
    }
}

fn note(violation: Violation) {
    match violation {
        Violation::Injected(_) => {
            tracing::warn!(code = %violation.code(), %violation, "connection closed");
        }
        _ => tracing::info!(code = %violation.code(), %violation, "connection closed"),
    }
}
