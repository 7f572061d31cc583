//! LOGIN and AUTHENTICATE.

use pillarbox_proto::imap::server::{Denial, Login};

use crate::auth::nonce;
use crate::imap::session::{Ended, Session};
use crate::{AccountHandle, Attempt, Denied};

impl Session {
    pub(in crate::imap) async fn login(&mut self, login: Login) -> Result<(), Ended> {
        match login {
            Login::Nonce(_) => {
                let Some(nonce) = nonce() else {
                    self.dialogue().bye("Not possible at the moment");
                    return Ok(());
                };
                self.dialogue().exchange_nonce(nonce);
            }
            Login::ScramKeys { login } => {
                let attempt = self.attempt("SCRAM-SHA-256");
                match self
                    .context
                    .authenticator
                    .scram_keys(&attempt, &login)
                    .await
                {
                    Ok(keys) => self.dialogue().scram_keys(keys),
                    Err(denied) => self.dialogue().login_decided(Err(denial(denied))),
                }
            }
            Login::Password {
                mechanism,
                login,
                password,
            } => {
                let attempt = self.attempt(mechanism);
                let decided = self
                    .context
                    .authenticator
                    .password(&attempt, &login, password)
                    .await;
                self.decided(decided);
            }
            Login::Scram {
                mechanism,
                login,
                outcome,
            } => {
                let attempt = self.attempt(mechanism);
                let decided = self
                    .context
                    .authenticator
                    .scram_finished(&attempt, &login, &outcome)
                    .await;
                self.decided(decided);
            }
        }
        Ok(())
    }

    fn attempt<'a>(&'a self, mechanism: &'a str) -> Attempt<'a> {
        Attempt {
            listener: self.listener.name,
            remote: self.conversation.peer_addr(),
            channel: self.conversation.channel(),
            mechanism,
            client: self.client.as_deref(),
        }
    }

    fn decided(&mut self, decided: Result<AccountHandle, Denied>) {
        match decided {
            Ok(account) => {
                self.logged_in(account);
                self.dialogue().login_decided(Ok(()));
            }
            Err(denied) => self.dialogue().login_decided(Err(denial(denied))),
        }
    }
}

fn denial(denied: Denied) -> Denial {
    match denied {
        Denied::Credentials => Denial::Credentials,
        Denied::PrivacyRequired | Denied::Ladder(_) => Denial::Ladder,
        Denied::TooManyFailures | Denied::Unavailable => Denial::Unavailable,
    }
}
