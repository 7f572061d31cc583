//! USER, PASS and AUTH: the machine's questions, put to the one [`Authenticator`].

use std::net::SocketAddr;

use pillarbox_policy::Channel;
use pillarbox_proto::LoginChannel;
use pillarbox_proto::pop3::server::{Event, LoginRefusal, Server};

use crate::auth::nonce;
use crate::{AccountHandle, Attempt, Authenticator, Denied};

/// The logins of one session: attempts, and the one that succeeded.
pub(super) struct Logins<'a> {
    authenticator: &'a Authenticator,
    listener: &'static str,
    /// Accepted by the authenticator; the exchange may have a last message to go.
    accepted: Option<AccountHandle>,
}

impl<'a> Logins<'a> {
    pub(super) fn new(authenticator: &'a Authenticator, listener: &'static str) -> Self {
        Self {
            authenticator,
            listener,
            accepted: None,
        }
    }

    /// Who has just logged in.
    pub(super) fn take_accepted(&mut self) -> Option<AccountHandle> {
        self.accepted.take()
    }

    /// Answers the events of a login.
    pub(super) async fn answer<C: LoginChannel>(
        &mut self,
        event: Event,
        remote: SocketAddr,
        channel: Channel<'_>,
        server: &mut Server<C>,
    ) {
        let attempt = |mechanism| Attempt {
            listener: self.listener,
            remote,
            channel,
            mechanism,
            client: None,
        };
        match event {
            Event::NeedNonce => match nonce() {
                Some(nonce) => server.nonce(nonce),
                None => server.refuse(LoginRefusal::Unavailable),
            },
            Event::NeedScramKeys { mechanism, login } => {
                match self
                    .authenticator
                    .scram_keys(&attempt(mechanism), &login)
                    .await
                {
                    Ok(keys) => server.scram_keys(keys),
                    Err(denied) => server.refuse(refusal(denied)),
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
            other => tracing::error!(?other, "an event of POP3 that nobody answers"),
        }
    }

    fn decided<C: LoginChannel>(
        &mut self,
        decided: Result<AccountHandle, Denied>,
        server: &mut Server<C>,
    ) {
        match decided {
            Ok(account) => {
                self.accepted = Some(account);
                server.admit();
            }
            Err(denied) => {
                self.accepted = None;
                server.refuse(refusal(denied));
            }
        }
    }
}

fn refusal(denied: Denied) -> LoginRefusal {
    match denied {
        Denied::Credentials => LoginRefusal::Credentials,
        Denied::PrivacyRequired => LoginRefusal::PrivacyRequired,
        Denied::Ladder(refusal) => LoginRefusal::Ladder(refusal),
        Denied::TooManyFailures | Denied::Unavailable => LoginRefusal::Unavailable,
    }
}
