//! POP3 sessions (RFC 1939): the machine of `proto`, authentication, and the INBOX of an account.
//!
//! A session sees INBOX as it was at login. It removes what was marked deleted when the client says QUIT, and
//! never otherwise (RFC 1939 §6). It keeps other POP3 sessions of the account out (a lease) and nobody
//! else: IMAP and delivery go on meanwhile, and no lock of the store is held between two operations.

mod maildrop;

use std::time::Duration;

use pillarbox_proto::pop3::maildrop::Entry;
use pillarbox_proto::pop3::server::{Config, Request, Server, Updated};
use pillarbox_proto::pop3::stuffing::Wanted;
use pillarbox_proto::sasl::LoginsInClear;
use pillarbox_proto::server::Goodbye;
use pillarbox_proto::{Clear, Legacy, LoginChannel, Sealed, ServerMachine};
use pillarbox_store::Body;
use pillarbox_transport::{Connection, Conversation};

use self::maildrop::OpenMaildrop;
use crate::session::context::Context;
use crate::session::protocol::Protocol;
use crate::session::{Ended, Next, Session, unanswered};

/// How much of a message is read at a time, in octets.
const PIECE: usize = 16 * 1024;

/// A message on its way to the client.
struct Sending {
    body: Box<dyn Body>,
    sent: u64,
}

/// A session.
pub(crate) struct Pop3 {
    session: Session,
    maildrop: Option<OpenMaildrop>,
    sending: Option<Sending>,
}

impl Protocol for Pop3 {
    type Clear = Server<Clear>;
    type Sealed = Server<Sealed>;

    /// RFC 1939 §3. Who is silent is cut off without a word, and nothing is removed.
    const IDLE: Duration = Duration::from_secs(10 * 60);

    fn settings(_cx: &Context) -> Config {
        // To hold a `ListenerInfo` is to hold an acceptor, and to have a certificate: STLS is offered.
        Config::default()
    }

    fn in_clear(config: Config, logins: LoginsInClear) -> (Config, LoginsInClear) {
        (config, logins)
    }

    async fn run_legacy(
        session: Session,
        conversation: Conversation<Server<Legacy>>,
    ) -> Option<(Session, Connection<Sealed>)> {
        let (session, conversation) = Self::new(session).run(conversation).await?;
        session.start_tls(conversation).await
    }

    async fn run_sealed(session: Session, conversation: Conversation<Server<Sealed>>) {
        Self::new(session).run(conversation).await;
    }
}

impl Pop3 {
    fn new(session: Session) -> Self {
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
    ) -> Option<(Session, Conversation<Server<C>>)> {
        let ended = loop {
            match self.session.next(&mut conversation).await {
                Ok(Next::StartTls) => return Some((self.session, conversation)),
                Ok(_) if self.lost_maildrop().await => break Ended::Over,
                Ok(Next::Request(request)) => self.answer(request, conversation.machine()).await,
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

    async fn answer<C: LoginChannel>(&mut self, request: Request, server: &mut Server<C>) {
        match request {
            Request::OpenMaildrop { .. } => {
                let Some(account) = self.session.logins.take_account() else {
                    // A machine that says so without an accepted login has a fault; nobody's mail is opened.
                    tracing::error!("a POP3 session came to a mailbox without a login");
                    return server.say_goodbye(Goodbye::ShuttingDown);
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
            Request::Retrieve { entry } => self.begin_sending(entry, server).await,
            Request::Update { entries } => {
                let updated = match &mut self.maildrop {
                    Some(maildrop) => maildrop.remove(&self.session.cx, &entries).await,
                    None => Updated::SomeNotRemoved,
                };
                // The next session may come before the client has closed this one.
                self.maildrop = None;
                server.updated(updated);
            }
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
