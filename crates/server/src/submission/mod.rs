//! Submission sessions (RFC 6409): the machine of `proto`, authentication, and local delivery.
//!
//! A sender may use the address of its account, or the null return path (R6409-2). Recipients are local
//! accounts; mail to other domains is refused in plain words until there is a relay.

mod transaction;

use std::sync::Arc;
use std::time::Duration;

use pillarbox_policy::LoginAbort;
use pillarbox_proto::sasl::LoginEvent;
use pillarbox_proto::smtp::submission::server::{Config, Event, Limits, Server, StartTlsOffer};
use pillarbox_proto::smtp::{DeliveryReports, Refusal};
use pillarbox_proto::{ChannelState, Clear, LoginChannel, Sealed};
use pillarbox_transport::{Accepted, Conversation};

use self::transaction::{Arrival, Transaction};
use crate::session::{
    AfterClear, ClearMachine, ClearRequest, Ended, Goodbye, Next, ServerMachine, Session,
    unanswered,
};
use crate::{Context, ListenerInfo, Shutdown};

/// How long a client may stay silent (RFC 5321 §4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(5 * 60);

/// Serves one connection to its end. `connection` is inside TLS already where that is how the listener opens.
pub async fn serve(
    connection: Accepted,
    cx: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) {
    let config = Arc::new(config(&cx));
    let mut session = Session::new(cx, listener, shutdown);
    let mut sealed = match connection {
        Accepted::Sealed(connection) => connection,
        Accepted::Clear(mut connection) => {
            connection.set_idle_timeout(IDLE);
            let logins = session.logins_in_clear(connection.peer_addr()).await;
            let clear = connection.start::<Server<Clear>>((Arc::clone(&config), logins));
            let sealed = match session.run_clear(clear).await {
                Some(AfterClear::Sealed(connection)) => Some(*connection),
                Some(AfterClear::Permitted(legacy)) => {
                    match Submission::new(&mut session).run(*legacy).await {
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
    let conversation = sealed.start::<Server<Sealed>>(config);
    Submission::new(&mut session).run(conversation).await;
}

impl<C: ChannelState> ServerMachine for Server<C> {
    fn say_goodbye(&mut self, why: Goodbye) {
        match why {
            Goodbye::ShuttingDown => self.shut_down(),
            Goodbye::NoLogin | Goodbye::Idle => self.idle_too_long(),
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

/// What a session is beside what all sessions are.
struct Submission<'s> {
    session: &'s mut Session,
    transaction: Option<Transaction>,
}

impl<'s> Submission<'s> {
    fn new(session: &'s mut Session) -> Self {
        Self {
            session,
            transaction: None,
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
                Ok(Next::Event(event)) => self.answer(event, &mut conversation).await,
                Ok(Next::Reply) => break unanswered(),
                Err(ended) => break ended,
            }
        };
        if let (Ended::Lost(_), Some(_)) = (&ended, self.transaction.take()) {
            tracing::info!("a message that was on its way is thrown away");
        }
        self.session.end(conversation, ended).await;
        None
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
                let verdict = match self.session.logins.account() {
                    Some(account) => Transaction::begin(mail, account),
                    None => Err(Refusal::LocalError),
                };
                let verdict = verdict.map(|transaction| self.transaction = Some(transaction));
                settle(server, verdict);
            }
            Event::Recipient(rcpt) => {
                let verdict = match &mut self.transaction {
                    Some(transaction) => transaction.add(rcpt, &self.session.cx).await,
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
                    Some(transaction) => {
                        transaction.begin_content(&self.session.cx, &arrival).await
                    }
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
                let session = &mut self.session;
                let answer = session
                    .answer(remote, channel, client.as_deref(), event)
                    .await;
                if session.logins.account().is_some() {
                    session.lift_login_deadline();
                }
                server.answer_login(answer);
            }
            // The loop answers it; there is no other.
            _ => {}
        }
    }
}

fn settle<C: LoginChannel>(server: &mut Server<C>, verdict: Result<(), Refusal>) {
    match verdict {
        Ok(()) => server.accept(),
        Err(refusal) => server.refuse(refusal),
    }
}
