//! AUTH: the machine's questions, put to the one [`Authenticator`].

use std::net::SocketAddr;

use pillarbox_policy::Channel;
use pillarbox_proto::LoginChannel;
use pillarbox_proto::sasl::Mechanism;
use pillarbox_proto::smtp::submission::server::{Event, LoginAnswer, Server};

use crate::auth::nonce;
use crate::{AccountHandle, Attempt, Authenticator, Denied};

/// The logins of one session: attempts, and the one that succeeded.
pub(super) struct Logins<'a> {
    authenticator: &'a Authenticator,
    listener: &'static str,
    /// Accepted by the authenticator; the exchange may have a last message to go.
    accepted: Option<AccountHandle>,
    account: Option<AccountHandle>,
}

impl<'a> Logins<'a> {
    pub(super) fn new(authenticator: &'a Authenticator, listener: &'static str) -> Self {
        Self {
            authenticator,
            listener,
            accepted: None,
            account: None,
        }
    }

    /// Who is logged in.
    pub(super) fn account(&self) -> Option<&AccountHandle> {
        self.account.as_ref()
    }

    /// Answers the events of AUTH.
    pub(super) async fn answer<C: LoginChannel>(
        &mut self,
        event: Event,
        remote: SocketAddr,
        channel: Channel<'_>,
        server: &mut Server<C>,
    ) {
        let client = server.client_name().map(ToString::to_string);
        let attempt = |mechanism: Mechanism| Attempt {
            listener: self.listener,
            remote,
            channel,
            mechanism: mechanism.as_str(),
            client: client.as_deref(),
        };
        match event {
            Event::NeedNonce => match nonce() {
                Some(nonce) => server.nonce(nonce),
                None => server.login_decided(LoginAnswer::Unavailable),
            },
            Event::NeedScramKeys { mechanism, login } => {
                match self
                    .authenticator
                    .scram_keys(&attempt(mechanism), &login)
                    .await
                {
                    Ok(keys) => server.scram_keys(keys),
                    Err(denied) => server.login_decided(refusal(denied)),
                }
            }
            Event::CheckPassword {
                mechanism,
                login,
                password,
            } => {
                let decided = self
                    .authenticator
                    .password(&attempt(mechanism), &login, password)
                    .await;
                self.decided(decided, server);
            }
            Event::CheckScram {
                mechanism,
                login,
                outcome,
            } => {
                let decided = self
                    .authenticator
                    .scram_finished(&attempt(mechanism), &login, &outcome)
                    .await;
                self.decided(decided, server);
            }
            Event::Authenticated { .. } => self.account = self.accepted.take(),
            // Not printed: an event may hold content.
            _ => tracing::error!("an event of submission that nobody answers"),
        }
    }

    fn decided<C: LoginChannel>(
        &mut self,
        decided: Result<AccountHandle, Denied>,
        server: &mut Server<C>,
    ) {
        let answer = match &decided {
            Ok(_) => LoginAnswer::Accept,
            Err(denied) => refusal(*denied),
        };
        self.accepted = decided.ok();
        server.login_decided(answer);
    }
}

fn refusal(denied: Denied) -> LoginAnswer {
    match denied {
        Denied::Credentials | Denied::PrivacyRequired => LoginAnswer::Refuse,
        Denied::Ladder(_) => LoginAnswer::ChannelTooWeak,
        Denied::TooManyFailures | Denied::Unavailable => LoginAnswer::Unavailable,
    }
}
