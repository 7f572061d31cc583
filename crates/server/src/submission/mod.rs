//! Submission sessions (RFC 6409): the machine of `proto`, authentication, and local delivery.
//!
//! A sender may use the address of its account, or the null return path (R6409-2). Recipients are local
//! accounts; mail to other domains is refused in plain words until there is a relay.

mod transaction;

use std::sync::Arc;
use std::time::Duration;

use pillarbox_proto::sasl::LoginsInClear;
use pillarbox_proto::smtp::Refusal;
use pillarbox_proto::smtp::submission::server::{Config, Limits, Request, Server};
use pillarbox_proto::{Clear, Legacy, LoginChannel, LoginMachine, Sealed};
use pillarbox_transport::{Connection, Conversation};

use self::transaction::{Arrival, Transaction};
use crate::session::context::Context;
use crate::session::protocol::Protocol;
use crate::session::{Ended, Next, Session, unanswered};

/// A session.
pub(crate) struct Submission {
    session: Session,
    transaction: Option<Transaction>,
}

impl Protocol for Submission {
    type Clear = Server<Clear>;
    type Sealed = Server<Sealed>;

    /// RFC 5321 §4.5.3.2.7.
    const IDLE: Duration = Duration::from_secs(5 * 60);

    fn settings(cx: &Context) -> Arc<Config> {
        let settings = cx.settings();
        Arc::new(Config {
            limits: Limits {
                message: settings.limits.message_size,
                ..Limits::default()
            },
            // To hold a `ListenerInfo` is to hold an acceptor, and to have a certificate: STARTTLS is offered.
            ..Config::new(settings.hostname.to_string())
        })
    }

    fn in_clear(config: Arc<Config>, logins: LoginsInClear) -> (Arc<Config>, LoginsInClear) {
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

impl Submission {
    fn new(session: Session) -> Self {
        Self {
            session,
            transaction: None,
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
                Ok(Next::Request(request)) => self.answer(request, &mut conversation).await,
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
        request: Request,
        conversation: &mut Conversation<Server<C>>,
    ) {
        let remote = conversation.connection().peer_addr();
        let (server, channel) = conversation.split();
        match request {
            Request::Sender(mail) => {
                let verdict = match self.session.logins.account() {
                    Some(account) => Transaction::begin(mail, account),
                    None => Err(Refusal::LocalError),
                };
                let verdict = verdict.map(|transaction| self.transaction = Some(transaction));
                settle(server, verdict);
            }
            Request::Recipient(rcpt) => {
                let verdict = match &mut self.transaction {
                    Some(transaction) => transaction.add(rcpt, &self.session.cx).await,
                    None => Err(Refusal::LocalError),
                };
                settle(server, verdict);
            }
            Request::ContentBegins => {
                let arrival = Arrival {
                    client: server.client_name().unwrap_or_default(),
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
            Request::Content(piece) => {
                if let Some(transaction) = &mut self.transaction
                    && let Err(refusal) = transaction.content(&piece).await
                {
                    server.refuse(refusal);
                }
            }
            Request::ContentEnds => {
                let verdict = match self.transaction.take() {
                    Some(transaction) => transaction.commit().await,
                    None => Err(Refusal::LocalError),
                };
                settle(server, verdict);
            }
            Request::TransactionAbandoned => self.transaction = None,
        }
    }
}

fn settle<C: LoginChannel>(server: &mut Server<C>, verdict: Result<(), Refusal>) {
    match verdict {
        Ok(()) => server.accept(),
        Err(refusal) => server.refuse(refusal),
    }
}
