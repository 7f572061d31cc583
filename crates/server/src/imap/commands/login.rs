//! LOGIN, AUTHENTICATE and ID.

use pillarbox_proto::imap::server::{Denial, Login};

use crate::auth::nonce;
use crate::imap::session::{Ended, Session};
use crate::{AccountHandle, Attempt, Denied};

/// The longest text of a client about itself that is kept, in octets.
const LONGEST_CLIENT: usize = 255;

impl Session {
    pub(in crate::imap) async fn login(&mut self, login: Login) -> Result<(), Ended> {
        match login {
            Login::Nonce(_) => {
                let Some(nonce) = nonce() else {
                    self.conversation
                        .dialogue()
                        .bye("Not possible at the moment");
                    return Ok(());
                };
                self.conversation.dialogue().exchange_nonce(nonce);
            }
            Login::ScramKeys { login } => {
                let attempt = self.attempt("SCRAM-SHA-256");
                match self
                    .context
                    .authenticator
                    .scram_keys(&attempt, &login)
                    .await
                {
                    Ok(keys) => self.conversation.dialogue().scram_keys(keys),
                    Err(denied) => self
                        .conversation
                        .dialogue()
                        .login_decided(Err(denial(denied))),
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
                self.conversation.dialogue().login_decided(Ok(()));
            }
            Err(denied) => self
                .conversation
                .dialogue()
                .login_decided(Err(denial(denied))),
        }
    }

    /// ID: remembered for the login record, and logged.
    pub(in crate::imap) fn identified(&mut self, fields: &[(String, Option<String>)]) {
        let value = |wanted: &str| {
            fields
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .and_then(|(_, value)| value.as_deref())
        };
        let words: Vec<&str> = [value("name"), value("version"), value("os")]
            .into_iter()
            .flatten()
            .collect();
        let mut client = words.join(" ");
        client.truncate(client.floor_char_boundary(LONGEST_CLIENT));
        if !client.is_empty() {
            tracing::info!(client, "the client says what it is");
            self.client = Some(client);
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
