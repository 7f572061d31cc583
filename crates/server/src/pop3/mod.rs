//! POP3 sessions (RFC 1939): the machine of `proto`, authentication, and the INBOX of an account.
//!
//! A session sees INBOX as it was at login. It removes what was marked deleted when the client says QUIT, and
//! never otherwise (RFC 1939 §6). It keeps other POP3 sessions of the account out (a lease) and nobody
//! else: IMAP and delivery go on meanwhile, and no lock of the store is held between two operations.

mod maildrop;

use std::sync::Arc;
use std::time::Duration;

use pillarbox_policy::LoginAbort;
use pillarbox_proto::pop3::maildrop::Entry;
use pillarbox_proto::pop3::server::{ClearSettings, Event, Limits, Server, Stls, Updated};
use pillarbox_proto::pop3::stuffing::Wanted;
use pillarbox_proto::sasl::LoginEvent;
use pillarbox_proto::{ChannelState, Clear, LoginChannel, Sealed};
use pillarbox_store::Body;
use pillarbox_transport::{Accepted, Conversation};

use self::maildrop::OpenMaildrop;
use crate::session::{
    AfterClear, ClearMachine, ClearRequest, Ended, Goodbye, Next, ServerMachine, Session,
    unanswered,
};
use crate::{Context, ListenerInfo, Shutdown};

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
    let mut session = Session::new(cx, listener, shutdown);
    let mut sealed = match connection {
        Accepted::Sealed(connection) => connection,
        Accepted::Clear(mut connection) => {
            connection.set_idle_timeout(IDLE);
            let settings = ClearSettings {
                limits: Limits::default(),
                // To hold a `ListenerInfo` is to hold an acceptor, and to have a certificate.
                stls: Stls::Available,
                logins: session.logins_in_clear(connection.peer_addr()).await,
            };
            let clear = connection.start::<Server<Clear>>(settings);
            let sealed = match session.run_clear(clear).await {
                Some(AfterClear::Sealed(connection)) => Some(*connection),
                Some(AfterClear::Permitted(legacy)) => {
                    match Pop3::new(&mut session).run(*legacy).await {
                        Some(legacy) => session.start_tls(legacy).await,
                        None => None,
                    }
                }
                None => None,
            };
            let Some(sealed) = sealed else { return };
            sealed
        }
    };
    sealed.set_idle_timeout(IDLE);
    let conversation = sealed.start::<Server<Sealed>>(Limits::default());
    Pop3::new(&mut session).run(conversation).await;
}

impl<C: ChannelState> ServerMachine for Server<C> {
    /// Who is silent gets no response (RFC 1939 §3).
    fn say_goodbye(&mut self, why: Goodbye) {
        match why {
            Goodbye::ShuttingDown => self.shut_down(),
            Goodbye::NoLogin | Goodbye::Idle => self.hang_up(),
        }
    }

    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        Self::abort_login(self, how)
    }
}

impl ClearMachine for Server<Clear> {
    fn request(event: &Event) -> ClearRequest {
        match event {
            Event::StartTls => ClearRequest::StartTls,
            Event::NeedPermit => ClearRequest::Permit,
            _ => ClearRequest::Nothing,
        }
    }
}

/// A message on its way to the client.
struct Sending {
    body: Box<dyn Body>,
    sent: u64,
}

/// What a session is beside what all sessions are.
struct Pop3<'s> {
    session: &'s mut Session,
    maildrop: Option<OpenMaildrop>,
    sending: Option<Sending>,
}

impl<'s> Pop3<'s> {
    fn new(session: &'s mut Session) -> Self {
        Self {
            session,
            maildrop: None,
            sending: None,
        }
    }

    /// Runs a conversation to its end; hands it back where TLS comes next.
    async fn run<C: LoginChannel>(
        mut self,
        mut conversation: Conversation<Server<C>>,
    ) -> Option<Conversation<Server<C>>> {
        let ended = loop {
            match self.session.next(&mut conversation).await {
                Ok(Next::Event(Event::StartTls)) => return Some(conversation),
                Ok(Next::Event(Event::NeedPermit)) => {
                    let peer = conversation.connection().peer_addr().ip();
                    let window = self.session.cx.legacy_window(peer).await;
                    conversation.machine().permit(window);
                }
                Ok(_) if self.lost_maildrop().await => break Ended::Over,
                Ok(Next::Event(event)) => self.answer(event, &mut conversation).await,
                Ok(Next::Reply) => match self.sending.take() {
                    Some(sending) => self.send_on(sending, conversation.machine()).await,
                    None => break unanswered(),
                },
                Err(ended) => break ended,
            }
        };
        self.session.end(conversation, ended).await;
        None
    }

    /// Keeps the maildrop for another while. Without it the session ends and removes nothing.
    async fn lost_maildrop(&mut self) -> bool {
        match &mut self.maildrop {
            Some(maildrop) => !maildrop.keep().await,
            None => false,
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
                let Some(account) = self.session.logins.take_account() else {
                    // A machine that says so without an accepted login has a fault; nobody's mail is opened.
                    tracing::error!("a POP3 session came to a mailbox without a login");
                    return server.shut_down();
                };
                match OpenMaildrop::open(&self.session.cx, &account).await {
                    Ok((open, maildrop)) => {
                        self.maildrop = Some(open);
                        self.session.lift_login_deadline();
                        server.open(maildrop);
                    }
                    Err(why) => server.cannot_open(why),
                }
            }
            Event::Retrieve { entry } => self.begin_sending(entry, server).await,
            Event::Update { entries } => {
                let updated = match &mut self.maildrop {
                    Some(maildrop) => maildrop.remove(&self.session.cx, &entries).await,
                    None => Updated::SomeNotRemoved,
                };
                // The next session may come before the client has closed this one.
                self.maildrop = None;
                server.updated(updated);
            }
            Event::Login(event) => {
                let answer = self.session.answer(address, channel, None, event).await;
                server.answer_login(answer);
            }
            // The loop answers them.
            Event::StartTls | Event::NeedPermit => {}
        }
    }

    async fn begin_sending<C: LoginChannel>(&mut self, entry: Entry, server: &mut Server<C>) {
        let body = match &self.maildrop {
            Some(maildrop) => maildrop.body(&self.session.cx, entry).await,
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
