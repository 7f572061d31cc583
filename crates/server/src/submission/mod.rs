//! Submission sessions (RFC 6409): the machine of `proto`, authentication, and local delivery.
//!
//! A sender may use the address of its account, or the null return path (R6409-2). Recipients are local
//! accounts; mail to other domains is refused in plain words until there is a relay.

mod transaction;

use std::sync::Arc;
use std::time::Duration;

use pillarbox_policy::Code;
use pillarbox_proto::smtp::submission::server::{
    Config, Event, Limits, LoginsInClear, Server, StartTlsOffer, Violation,
};
use pillarbox_proto::smtp::{DeliveryReports, Refusal};
use pillarbox_proto::{ChannelState, Clear, Legacy, LoginChannel, Sealed};
use pillarbox_transport::{Accepted, ConnectionError, Conversation, Driven};
use tokio::time::{Instant, sleep_until};

use self::transaction::{Arrival, Transaction};
use crate::auth::{Origin, SessionLogins};
use crate::{Context, ListenerInfo, Shutdown, upgrade};

/// How long a client may stay silent (RFC 5321 §4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(5 * 60);

/// Serves one connection to its end. `connection` is inside TLS already where that is how the listener opens.
pub async fn serve(
    connection: Accepted,
    cx: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) {
    let log_in_by = cx.login_deadline();
    let config = Arc::new(config(&cx));
    let session = || Session::new(&cx, &listener, &shutdown, log_in_by);
    let mut sealed = match connection {
        Accepted::Sealed(connection) => connection,
        Accepted::Clear(mut connection) => {
            connection.set_idle_timeout(IDLE);
            let logins = match cx.legacy_window(connection.peer_addr().ip()).await {
                Some(_) => LoginsInClear::Listed,
                None => LoginsInClear::NotListed,
            };
            let clear = connection.start((Arc::clone(&config), logins));
            let sealed = match session().run_clear(clear).await {
                Some(After::StartTls(clear)) => upgrade::start_tls(clear, &listener).await,
                Some(After::Permitted(legacy)) => {
                    let mut legacy = *legacy;
                    match session().run(&mut legacy).await {
                        End::StartTls => upgrade::start_tls(legacy, &listener).await,
                        End::Over => return legacy.close().await,
                        End::Lost => return,
                    }
                }
                None => return,
            };
            let Some(sealed) = sealed else { return };
            sealed
        }
    };
    sealed.set_idle_timeout(IDLE);
    let mut conversation = sealed.start::<Server<Sealed>>(config);
    match session().run(&mut conversation).await {
        End::Over | End::StartTls => conversation.close().await,
        End::Lost => {}
    }
}

/// What comes after a cleartext session.
enum After {
    StartTls(Conversation<Server<Clear>>),
    /// A login in the clear, under a window.
    Permitted(Box<Conversation<Server<Legacy>>>),
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
    listener: &'a ListenerInfo,
    logins: SessionLogins,
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
            listener,
            logins: SessionLogins::default(),
            transaction: None,
        }
    }

    /// The session in the clear, to its end or to what comes after it.
    async fn run_clear(&mut self, mut clear: Conversation<Server<Clear>>) -> Option<After> {
        let mut goodbye = Goodbye::NotSaid;
        let end = loop {
            match self.next(&mut clear, &mut goodbye).await {
                Ok(Event::StartTls) => return Some(After::StartTls(clear)),
                Ok(Event::NeedPermit) => {
                    let peer = clear.connection().peer_addr().ip();
                    let window = self.cx.legacy_window(peer).await;
                    match clear.permit_login(window) {
                        Ok(legacy) => return Some(After::Permitted(Box::new(legacy))),
                        Err(refused) => clear = refused,
                    }
                }
                Ok(Event::TransactionAbandoned) => {}
                Ok(_) => {
                    tracing::error!("a cleartext submission session came to a login");
                    break End::Over;
                }
                Err(end) => break end,
            }
        };
        if end == End::Over {
            clear.close().await;
        }
        None
    }

    async fn run<C: LoginChannel>(&mut self, conversation: &mut Conversation<Server<C>>) -> End {
        let mut goodbye = Goodbye::NotSaid;
        loop {
            match self.next(conversation, &mut goodbye).await {
                Ok(Event::StartTls) => return End::StartTls,
                Ok(Event::NeedPermit) => {
                    let peer = conversation.connection().peer_addr().ip();
                    let window = self.cx.legacy_window(peer).await;
                    conversation.machine().permit(window);
                }
                Ok(event) => self.answer(event, conversation).await,
                Err(end) => return end,
            }
        }
    }

    /// The next event, or the end of the session.
    async fn next<C: ChannelState>(
        &mut self,
        conversation: &mut Conversation<Server<C>>,
        goodbye: &mut Goodbye,
    ) -> Result<Event, End> {
        loop {
            let driven = tokio::select! {
                biased;
                () = self.shutdown.requested(), if *goodbye == Goodbye::NotSaid => {
                    conversation.machine().shut_down();
                    *goodbye = Goodbye::Said;
                    continue;
                }
                () = sleep_until(self.log_in_by), if self.may_be_overdue(*goodbye) => {
                    tracing::info!("the client did not log in in time");
                    conversation.machine().idle_too_long();
                    *goodbye = Goodbye::Said;
                    continue;
                }
                driven = conversation.drive() => driven,
            };
            match driven {
                Ok(Driven::Event(event)) => return Ok(event),
                // Every event is answered before the machine is driven again.
                Ok(Driven::NeedReply) => {
                    tracing::error!("a submission session was left without an answer");
                    return Err(End::Over);
                }
                Ok(Driven::Closed) => return Err(End::Over),
                Ok(Driven::Violation(violation)) => {
                    note(violation);
                    return Err(End::Over);
                }
                Err(ConnectionError::IdleTimedOut(_)) if *goodbye == Goodbye::NotSaid => {
                    conversation.machine().idle_too_long();
                    *goodbye = Goodbye::Said;
                }
                Err(error) => {
                    self.lost(&error);
                    return Err(End::Lost);
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

    async fn answer<C: LoginChannel>(
        &mut self,
        event: Event,
        conversation: &mut Conversation<Server<C>>,
    ) {
        let remote = conversation.connection().peer_addr();
        let (server, channel) = conversation.split();
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
                    remote,
                    channel,
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
            Event::Login(event) => {
                let client = server.client_name().map(ToString::to_string);
                let origin = Origin {
                    listener: self.listener.label(),
                    remote,
                    channel,
                    client: client.as_deref(),
                };
                let authenticator = &self.cx.authenticator;
                let answer = authenticator.answer(&mut self.logins, &origin, event).await;
                server.answer_login(answer);
            }
            // The loop answers it; there is no other.
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    NotSaid,
    Said,
}

fn settle<C: LoginChannel>(server: &mut Server<C>, verdict: Result<(), Refusal>) {
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
