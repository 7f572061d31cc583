//! [`Session`]: what every session has around its protocol, the same for IMAP, POP3 and submission: the deadline for a
//! login, silence, shutdown, STARTTLS, logins and how they end, and the last words to log, client and connection.
//!
//! What a session serves is a [`protocol::Protocol`].

pub(crate) mod context;
pub(crate) mod conversation;
pub(crate) mod protocol;
pub(crate) mod upgrade;

use std::net::SocketAddr;
use std::sync::Arc;

use pillarbox_policy::{Channel, LoginAbort, RefusalCode};
use pillarbox_proto::machine::ClearEvent;
use pillarbox_proto::sasl::{LoginAnswer, LoginEvent, LoginsInClear};
use pillarbox_proto::server::{Event, Goodbye};
use pillarbox_proto::{Sealed, Upgrade, Violation};
use pillarbox_transport::{Connection, ConnectionError, Conversation, Driven};
use tokio::time::{Instant, sleep_until};

use crate::auth::{Origin, SessionLogins};
use crate::core::shutdown::Shutdown;
use context::{Context, ListenerInfo};
use conversation::{ClearMachine, LoginConversation, ServerConversation};

/// What a session is to do next.
#[derive(Debug)]
pub(crate) enum Next<R> {
    /// Answer what the protocol asks for.
    Request(R),
    /// The handshake.
    StartTls,
    /// The client has taken everything, and the machine waits for us.
    Reply,
}

/// How a session ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// In order, from either side.
    Over,
    /// The client broke the protocol.
    Violated,
    /// The connection failed, or the client closed it.
    Lost(ConnectionError),
}

/// What comes after a cleartext session.
enum AfterClear<M: ClearMachine> {
    /// The handshake.
    StartTls(Box<Conversation<M>>),
    /// A login in the clear, under a window.
    Permitted(Box<Conversation<M::Permitted>>),
}

/// One session, without its protocol.
pub(crate) struct Session {
    pub(crate) cx: Arc<Context>,
    pub(crate) listener: Arc<ListenerInfo>,
    pub(crate) shutdown: Shutdown,
    pub(crate) logins: SessionLogins,
    /// What the client says it is.
    pub(crate) client: Option<String>,
    /// When it is ended, where nobody is logged in by then.
    log_in_by: Option<Instant>,
    goodbye: Option<Goodbye>,
}

impl Session {
    fn new(cx: Arc<Context>, listener: Arc<ListenerInfo>, shutdown: Shutdown) -> Self {
        Self {
            log_in_by: Some(cx.login_deadline()),
            cx,
            listener,
            shutdown,
            logins: SessionLogins::default(),
            client: None,
            goodbye: None,
        }
    }

    /// Whether logins in the clear are listed to this peer.
    async fn logins_in_clear(&self, peer: SocketAddr) -> LoginsInClear {
        match self.cx.legacy_window(peer.ip()).await {
            Some(_) => LoginsInClear::Listed,
            None => LoginsInClear::NotListed,
        }
    }

    /// The session is in use by an account that was taken out of `logins`: nothing but silence ends it.
    pub(crate) fn lift_login_deadline(&mut self) {
        self.log_in_by = None;
    }

    /// Nobody is logged in any more, and somebody has to be in time.
    pub(crate) fn log_out(&mut self) {
        self.logins = SessionLogins::default();
        self.log_in_by = Some(self.cx.login_deadline());
    }

    /// Waits for the next thing to do that is the protocol's. Whatever has to do with logins is answered here.
    pub(crate) async fn next<C: LoginConversation>(
        &mut self,
        conversation: &mut C,
    ) -> Result<Next<C::Request>, Ended> {
        loop {
            let Some(event) = self.wait(conversation).await? else {
                return Ok(Next::Reply);
            };
            match C::sort(event) {
                Event::StartTls => return Ok(Next::StartTls),
                Event::NeedPermit => {
                    let peer = conversation.peer_addr().ip();
                    conversation.permit(Box::pin(self.cx.legacy_window(peer)).await);
                }
                Event::Login(event) => Box::pin(self.answer_login(conversation, event)).await,
                Event::Request(request) => return Ok(Next::Request(request)),
            }
        }
    }

    /// Waits for the next event, the deadline or the shutdown of the server. `None` where the client has taken
    /// everything and the machine waits for us.
    async fn wait<C: ServerConversation>(
        &mut self,
        conversation: &mut C,
    ) -> Result<Option<C::Event>, Ended> {
        loop {
            let log_in_by = match self.logins.account() {
                Some(_) => None,
                None => self.log_in_by,
            };
            let goodbye = tokio::select! {
                biased;
                () = self.shutdown.requested(), if self.goodbye.is_none() => Goodbye::ShuttingDown,
                () = overdue(log_in_by), if self.goodbye.is_none() => {
                    tracing::info!("the client did not log in in time");
                    Goodbye::NoLogin
                }
                driven = conversation.drive() => match driven {
                    Ok(Driven::Event(event)) => return Ok(Some(event)),
                    Ok(Driven::NeedReply) => return Ok(None),
                    Ok(Driven::Closed) => return Err(Ended::Over),
                    Ok(Driven::Violation(violation)) => {
                        log_violation(&violation);
                        return Err(Ended::Violated);
                    }
                    Err(ConnectionError::IdleTimedOut(_)) if self.goodbye.is_none() => Goodbye::Idle,
                    Err(error) => return Err(Ended::Lost(error)),
                },
            };
            self.goodbye = Some(goodbye);
            conversation.say_goodbye(goodbye);
        }
    }

    /// The cleartext session, to its end or to what comes after it.
    async fn run_clear<M: ClearMachine>(
        &mut self,
        mut clear: Conversation<M>,
    ) -> Option<AfterClear<M>> {
        let ended = loop {
            match self.wait(&mut clear).await {
                Ok(Some(event)) => match M::clear_event(&event) {
                    Some(ClearEvent::StartTls) => {
                        return Some(AfterClear::StartTls(Box::new(clear)));
                    }
                    Some(ClearEvent::NeedPermit) => {
                        let peer = clear.connection().peer_addr().ip();
                        match clear.permit_login(self.cx.legacy_window(peer).await) {
                            Ok(legacy) => return Some(AfterClear::Permitted(Box::new(legacy))),
                            Err(refused) => clear = refused,
                        }
                    }
                    None => {}
                },
                Ok(None) => break unanswered(),
                Err(ended) => break ended,
            }
        };
        self.end(clear, ended).await;
        None
    }

    /// Does the handshake. `None` where it failed, which is in the log then, or the server shuts down, and the connection
    /// is gone. Nothing of the cleartext session is left after it (S2).
    pub(crate) async fn start_tls<M: Upgrade>(
        mut self,
        clear: Conversation<M>,
    ) -> Option<(Self, Connection<Sealed>)> {
        self.logins = SessionLogins::default();
        self.client = None;
        let sealed = tokio::select! {
            sealed = upgrade::start_tls(clear, &self.listener) => sealed?,
            () = self.shutdown.requested() => return None,
        };
        Some((self, sealed))
    }

    async fn answer_login<C: LoginConversation>(
        &mut self,
        conversation: &mut C,
        event: LoginEvent,
    ) {
        if let Some(name) = conversation.client_name() {
            self.client = Some(name);
        }
        let (remote, channel) = (conversation.peer_addr(), conversation.channel());
        let answer = self.answer(remote, channel, event).await;
        if self.logins.account().is_some() {
            conversation.logged_in();
        }
        conversation.answer_login(answer);
    }

    /// The answer to a question about a login.
    async fn answer(
        &mut self,
        remote: SocketAddr,
        channel: Channel<'_>,
        event: LoginEvent,
    ) -> LoginAnswer {
        let origin = Origin {
            listener: self.listener.label(),
            remote,
            channel,
            client: self.client.as_deref(),
        };
        let authenticator = &self.cx.authenticator;
        authenticator.answer(&mut self.logins, &origin, event).await
    }

    /// Ends it: what was under way goes on record, why it ended into the log, and the client gets what it is owed and
    /// close_notify, also as the answer to its own (S3.4-1, RFC 8446 §6.1).
    pub(crate) async fn end<C: ServerConversation>(&mut self, mut conversation: C, ended: Ended) {
        let how = match (&ended, self.goodbye) {
            (Ended::Violated, _) => LoginAbort::Malformed,
            (_, Some(Goodbye::ShuttingDown)) => LoginAbort::ShutDown,
            (_, Some(Goodbye::NoLogin | Goodbye::Idle)) => LoginAbort::TimedOut,
            (Ended::Over | Ended::Lost(_), None) => LoginAbort::Disconnected,
        };
        if let Some(event) = conversation.abort_login(how) {
            let (remote, channel) = (conversation.peer_addr(), conversation.channel());
            self.answer(remote, channel, event).await;
        }
        match &ended {
            Ended::Lost(ConnectionError::PeerClosed) => tracing::debug!("the client left"),
            Ended::Lost(error) => {
                let code = error.code().map(RefusalCode::as_str);
                tracing::info!(code, %error, "connection lost");
            }
            Ended::Over | Ended::Violated => {}
        }
        conversation.close().await;
    }
}

/// A machine waits for an answer that nobody owes it: a fault of ours.
pub(crate) fn unanswered() -> Ended {
    tracing::error!("a session was left without an answer");
    Ended::Over
}

/// Waits until then, or for ever.
async fn overdue(by: Option<Instant>) {
    match by {
        Some(by) => sleep_until(by).await,
        None => std::future::pending().await,
    }
}

/// Logs how a client broke the protocol. Nothing it sent is in it.
pub(crate) fn log_violation(violation: &Violation) {
    match violation {
        Violation::Injected(_) => {
            tracing::warn!(code = %violation.code(), %violation, "connection closed");
        }
        _ => tracing::info!(code = %violation.code(), %violation, "connection closed"),
    }
}
