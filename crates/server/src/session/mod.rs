//! [`Session`]: what every session has around its protocol, the same for IMAP, POP3 and submission: the deadline for a
//! login, silence, shutdown, STARTTLS, logins and how they end, and the last words to log, client and connection.
//!
//! A protocol gives the machines, what they say at the end ([`ServerMachine::say_goodbye`]), and the answers to their
//! events.

pub(crate) mod context;
pub(crate) mod upgrade;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use pillarbox_policy::{Channel, Code, LoginAbort};
use pillarbox_proto::sasl::{LoginAnswer, LoginEvent, LoginsInClear};
use pillarbox_proto::{AsksForPermit, OnChannel, Sealed, Upgrade, Violation};
use pillarbox_transport::{Connection, ConnectionError, Conversation, Driven};
use tokio::time::{Instant, sleep_until};

use crate::auth::{Origin, SessionLogins};
use crate::core::shutdown::Shutdown;
use context::{Context, ListenerInfo};

/// Why a session is ended from our side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goodbye {
    /// The server shuts down.
    ShuttingDown,
    /// The client has not logged in in time.
    NoLogin,
    /// The client has said nothing for too long.
    Idle,
}

/// A server's machine, on any channel.
pub(crate) trait ServerMachine: OnChannel<Error = Violation> {
    /// Says goodbye as the protocol has it, and ends.
    fn say_goodbye(&mut self, why: Goodbye);

    /// The attempt to log in that is under way has ended so.
    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent>;
}

/// What a cleartext machine's event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClearRequest {
    /// The handshake.
    StartTls,
    /// Whether a login in the clear may be read.
    Permit,
    /// Nothing.
    Nothing,
}

/// A server's machine in the clear.
pub(crate) trait ClearMachine: ServerMachine + AsksForPermit + Upgrade {
    /// What this event asks for.
    fn request(event: &Self::Event) -> ClearRequest;
}

/// A conversation of a server.
pub(crate) trait ServerConversation: Sized {
    /// What its machine tells.
    type Event;

    /// See [`Conversation::drive`].
    fn drive(
        &mut self,
    ) -> impl Future<Output = Result<Driven<Self::Event, Violation>, ConnectionError>> + Send;
    /// See [`ServerMachine::say_goodbye`].
    fn say_goodbye(&mut self, why: Goodbye);
    /// See [`ServerMachine::abort_login`].
    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent>;
    /// The other end's address.
    fn peer_addr(&self) -> SocketAddr;
    /// What the connection is worth.
    fn channel(&self) -> Channel<'_>;
    /// See [`Conversation::close`].
    fn close(self) -> impl Future<Output = ()> + Send;
}

impl<M> ServerConversation for Conversation<M>
where
    M: ServerMachine + Send,
    M::Event: Send,
{
    type Event = M::Event;

    async fn drive(&mut self) -> Result<Driven<M::Event, Violation>, ConnectionError> {
        Self::drive(self).await
    }

    fn say_goodbye(&mut self, why: Goodbye) {
        self.machine().say_goodbye(why);
    }

    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        self.machine().abort_login(how)
    }

    fn peer_addr(&self) -> SocketAddr {
        self.connection().peer_addr()
    }

    fn channel(&self) -> Channel<'_> {
        Self::channel(self)
    }

    async fn close(self) {
        Self::close(self).await;
    }
}

/// What a session waits for.
#[derive(Debug)]
pub(crate) enum Next<E> {
    /// An event, to be answered.
    Event(E),
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
pub(crate) enum AfterClear<M: ClearMachine> {
    /// TLS.
    Sealed(Box<Connection<Sealed>>),
    /// A login in the clear, under a window.
    Permitted(Box<Conversation<M::Permitted>>),
}

/// One session, without its protocol.
pub(crate) struct Session {
    pub(crate) cx: Arc<Context>,
    pub(crate) listener: Arc<ListenerInfo>,
    pub(crate) shutdown: Shutdown,
    pub(crate) logins: SessionLogins,
    /// When it is ended, until it has logged in.
    log_in_by: Option<Instant>,
    goodbye: Option<Goodbye>,
}

impl Session {
    pub(crate) fn new(cx: Arc<Context>, listener: Arc<ListenerInfo>, shutdown: Shutdown) -> Self {
        Self {
            log_in_by: Some(cx.login_deadline()),
            cx,
            listener,
            shutdown,
            logins: SessionLogins::default(),
            goodbye: None,
        }
    }

    /// Whether logins in the clear are listed to this peer.
    pub(crate) async fn logins_in_clear(&self, peer: SocketAddr) -> LoginsInClear {
        match self.cx.legacy_window(peer.ip()).await {
            Some(_) => LoginsInClear::Listed,
            None => LoginsInClear::NotListed,
        }
    }

    /// The session is in use: nothing but silence ends it.
    pub(crate) fn lift_login_deadline(&mut self) {
        self.log_in_by = None;
    }

    /// Nobody is logged in any more, and somebody has to be in time.
    pub(crate) fn log_out(&mut self) {
        self.logins = SessionLogins::default();
        self.log_in_by = Some(self.cx.login_deadline());
    }

    /// Waits for the next event, the deadline or the shutdown of the server.
    pub(crate) async fn next<C: ServerConversation>(
        &mut self,
        conversation: &mut C,
    ) -> Result<Next<C::Event>, Ended> {
        loop {
            let goodbye = tokio::select! {
                biased;
                () = self.shutdown.requested(), if self.goodbye.is_none() => Goodbye::ShuttingDown,
                () = overdue(self.log_in_by), if self.goodbye.is_none() => {
                    tracing::info!("the client did not log in in time");
                    Goodbye::NoLogin
                }
                driven = conversation.drive() => match driven {
                    Ok(Driven::Event(event)) => return Ok(Next::Event(event)),
                    Ok(Driven::NeedReply) => return Ok(Next::Reply),
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
    pub(crate) async fn run_clear<M>(&mut self, mut clear: Conversation<M>) -> Option<AfterClear<M>>
    where
        M: ClearMachine + Send,
        M::Event: Send,
    {
        let ended = loop {
            match self.next(&mut clear).await {
                Ok(Next::Event(event)) => match M::request(&event) {
                    ClearRequest::StartTls => {
                        let sealed = self.start_tls(clear).await;
                        return sealed.map(|sealed| AfterClear::Sealed(Box::new(sealed)));
                    }
                    ClearRequest::Permit => {
                        let peer = clear.connection().peer_addr().ip();
                        match clear.permit_login(self.cx.legacy_window(peer).await) {
                            Ok(legacy) => return Some(AfterClear::Permitted(Box::new(legacy))),
                            Err(refused) => clear = refused,
                        }
                    }
                    ClearRequest::Nothing => {}
                },
                Ok(Next::Reply) => break unanswered(),
                Err(ended) => break ended,
            }
        };
        self.end(clear, ended).await;
        None
    }

    /// Does the handshake. `None` where it failed, which is in the log then, and the connection is gone. Nothing of the
    /// cleartext session is left after it (S2).
    pub(crate) async fn start_tls<M: Upgrade>(
        &mut self,
        clear: Conversation<M>,
    ) -> Option<Connection<Sealed>> {
        self.logins = SessionLogins::default();
        upgrade::start_tls(clear, &self.listener).await
    }

    /// The answer to a question about a login. `client` is what the client says it is.
    pub(crate) async fn answer(
        &mut self,
        remote: SocketAddr,
        channel: Channel<'_>,
        client: Option<&str>,
        event: LoginEvent,
    ) -> LoginAnswer {
        let origin = Origin {
            listener: self.listener.label(),
            remote,
            channel,
            client,
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
            self.answer(remote, channel, None, event).await;
        }
        match &ended {
            Ended::Lost(ConnectionError::PeerClosed) => tracing::debug!("the client left"),
            Ended::Lost(error) => {
                let code = error.code().map(Code::as_str);
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
