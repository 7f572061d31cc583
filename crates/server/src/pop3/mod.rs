//! POP3 sessions (RFC 1939): the machine of `proto`, authentication, and the INBOX of an account.
//!
//! A session sees INBOX as it was at login. It removes what was marked deleted when the client says QUIT, and
//! never otherwise (RFC 1939 §6). It keeps other POP3 sessions of the account out (a lease) and nobody
//! else: IMAP and delivery go on meanwhile, and no lock of the store is held between two operations.

mod maildrop;

use std::sync::Arc;
use std::time::Duration;

use pillarbox_policy::Code;
use pillarbox_proto::pop3::maildrop::Entry;
use pillarbox_proto::pop3::server::{
    ClearSettings, Event, Limits, LoginsInClear, Server, Stls, Updated, Violation,
};
use pillarbox_proto::pop3::stuffing::Wanted;
use pillarbox_proto::{ChannelState, Clear, Legacy, LoginChannel, Sealed};
use pillarbox_store::Body;
use pillarbox_transport::{Accepted, ConnectionError, Conversation, Driven};
use tokio::time::{Instant, sleep_until};

use self::maildrop::OpenMaildrop;
use crate::auth::{Origin, SessionLogins};
use crate::{Context, ListenerInfo, Shutdown, upgrade};

/// How long a client may stay silent (RFC 1939 §3). It is then cut off without a word, and nothing is removed.
const IDLE: Duration = Duration::from_secs(10 * 60);

/// How much of a message is read at a time, in octets.
const PIECE: usize = 16 * 1024;

/// Serves one connection to its end. `connection` is inside TLS already where that is how the listener opens.
pub async fn serve(
    connection: Accepted,
    cx: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) {
    let log_in_by = cx.login_deadline();
    let session = || Session::new(&cx, &listener, &shutdown, log_in_by);
    let mut sealed = match connection {
        Accepted::Sealed(connection) => connection,
        Accepted::Clear(mut connection) => {
            connection.set_idle_timeout(IDLE);
            let settings = ClearSettings {
                limits: Limits::default(),
                // To hold a `ListenerInfo` is to hold an acceptor, and to have a certificate.
                stls: Stls::Available,
                logins: match cx.legacy_window(connection.peer_addr().ip()).await {
                    Some(_) => LoginsInClear::Listed,
                    None => LoginsInClear::NotListed,
                },
            };
            let sealed = match session().run_clear(connection.start(settings)).await {
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
    let mut conversation = sealed.start::<Server<Sealed>>(Limits::default());
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
    listener: &'a ListenerInfo,
    logins: SessionLogins,
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
            listener,
            logins: SessionLogins::default(),
            maildrop: None,
            sending: None,
        }
    }

    /// The session in the clear, to its end or to what comes after it.
    async fn run_clear(&mut self, mut clear: Conversation<Server<Clear>>) -> Option<After> {
        let mut told = Told::NotYet;
        let end = loop {
            match self.next(&mut clear, &mut told).await {
                Ok(Some(Event::StartTls)) => return Some(After::StartTls(clear)),
                Ok(Some(Event::NeedPermit)) => {
                    let window = self
                        .cx
                        .legacy_window(clear.connection().peer_addr().ip())
                        .await;
                    match clear.permit_login(window) {
                        Ok(legacy) => return Some(After::Permitted(Box::new(legacy))),
                        Err(refused) => clear = refused,
                    }
                }
                Ok(_) => {
                    tracing::error!("a cleartext POP3 session came to a login");
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
        let mut told = Told::NotYet;
        loop {
            match self.next(conversation, &mut told).await {
                Ok(Some(Event::StartTls)) => return End::StartTls,
                Ok(Some(Event::NeedPermit)) => {
                    let peer = conversation.connection().peer_addr().ip();
                    let window = self.cx.legacy_window(peer).await;
                    conversation.machine().permit(window);
                }
                Ok(_) if self.lost_maildrop().await => return End::Over,
                Ok(Some(event)) => self.answer(event, conversation).await,
                Ok(None) => match self.sending.take() {
                    Some(sending) => self.send_on(sending, conversation.machine()).await,
                    None => {
                        tracing::error!("a POP3 session was left without an answer");
                        return End::Over;
                    }
                },
                Err(end) => return end,
            }
        }
    }

    /// Keeps the maildrop for another while. Without it the session ends and removes nothing.
    async fn lost_maildrop(&mut self) -> bool {
        match &mut self.maildrop {
            Some(maildrop) => !maildrop.keep().await,
            None => false,
        }
    }

    /// The next event, `None` where the machine waits for us, or the end of the session.
    async fn next<C: ChannelState>(
        &mut self,
        conversation: &mut Conversation<Server<C>>,
        told: &mut Told,
    ) -> Result<Option<Event>, End> {
        loop {
            let driven = tokio::select! {
                biased;
                () = self.shutdown.requested(), if *told == Told::NotYet => {
                    conversation.machine().shut_down();
                    *told = Told::GoingDown;
                    continue;
                }
                () = overdue(self.log_in_by) => {
                    tracing::info!("the client did not log in in time");
                    return Err(End::Over);
                }
                driven = conversation.drive() => driven,
            };
            return match driven {
                Ok(Driven::Event(event)) => Ok(Some(event)),
                Ok(Driven::NeedReply) => Ok(None),
                Ok(Driven::Closed) => Err(End::Over),
                Ok(Driven::Violation(violation)) => {
                    note(violation);
                    Err(End::Over)
                }
                Err(error) => Err(lost(&error)),
            };
        }
    }

    async fn answer<C: LoginChannel>(
        &mut self,
        event: Event,
        conversation: &mut Conversation<Server<C>>,
    ) {
        let address = conversation.connection().peer_addr();
        let (server, channel) = conversation.split();
        match event {
            Event::OpenMaildrop { .. } => {
                let Some(account) = self.logins.take_account() else {
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
            Event::Update { entries } => {
                let updated = match &mut self.maildrop {
                    Some(maildrop) => maildrop.remove(self.cx, &entries).await,
                    None => Updated::SomeNotRemoved,
                };
                // The next session may come before the client has closed this one.
                self.maildrop = None;
                server.updated(updated);
            }
            Event::Login(event) => {
                let origin = Origin {
                    listener: self.listener.label(),
                    remote: address,
                    channel,
                    client: None,
                };
                let authenticator = &self.cx.authenticator;
                let answer = authenticator.answer(&mut self.logins, &origin, event).await;
                server.answer_login(answer);
            }
            // The loop answers them.
            Event::StartTls | Event::NeedPermit => {}
        }
    }

    async fn begin_sending<C: LoginChannel>(&mut self, entry: Entry, server: &mut Server<C>) {
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
    async fn send_on<C: LoginChannel>(&mut self, mut sending: Sending, server: &mut Server<C>) {
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
