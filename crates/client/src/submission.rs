//! Sending over a submission session.

use std::time::Duration;

use pillarbox_policy::Credentials;
use pillarbox_proto::smtp::LineEnds;
use pillarbox_proto::smtp::submission::client::{
    AuthenticateError, Client, Envelope, Event, LoginFailure,
};
use pillarbox_proto::{Clear, Sealed};
use pillarbox_transport::Conversation;

use crate::session::{Broken, LoggedIn, LoginError, Protocol, Session, next};
use crate::sign_in::sign_in;
use crate::{Account, ClientError, Draft, Passwords};

/// How long a server may take over a message it was given (RFC 5321 §4.5.3.2.6).
const CONTENT_PATIENCE: Duration = Duration::from_secs(600);

/// Submission, as a client speaks it.
#[derive(Debug)]
pub struct Submission;

/// A submission session that is logged in.
pub type SubmissionSession = LoggedIn<Submission>;

/// A message that the server has taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// How many recipients the server accepted.
    pub accepted: usize,
    /// Those it did not, with its words.
    pub refused: Vec<(String, String)>,
    /// The server's answer, made fit for a terminal.
    pub said: String,
}

impl Protocol for Submission {
    type Clear = Client<Clear>;
    type Sealed = Client<Sealed>;

    fn clear_settings() -> Result<(), Broken> {
        Ok(())
    }

    fn settings() {}

    async fn ask_for_tls(clear: &mut Conversation<Client<Clear>>) -> Result<(), Broken> {
        match next(clear).await? {
            Event::StartTls => Ok(()),
            _ => Err(Broken::Ended),
        }
    }

    async fn log_in(
        session: &mut Session<Self>,
        credentials: &Credentials,
    ) -> Result<(), LoginError> {
        let Event::Ready(_) = session.next().await? else {
            return Err(Broken::Ended.into());
        };
        let nonce = crate::random::nonce().map_err(LoginError::exchange)?;
        match session.machine().authenticate(credentials, nonce) {
            Ok(mechanism) => tracing::debug!(%mechanism, "submission login"),
            Err(AuthenticateError::Refused(why)) => return Err(why.into()),
            Err(why) => return Err(LoginError::exchange(why)),
        }
        match session.next().await? {
            Event::Authenticated(_) => Ok(()),
            Event::NotAuthenticated(LoginFailure::Refused(reply)) => {
                Err(LoginError::refused(reply))
            }
            Event::NotAuthenticated(why) => Err(LoginError::exchange(why)),
            _ => Err(Broken::Ended.into()),
        }
    }

    fn quit(machine: &mut Client<Sealed>) {
        machine.quit();
    }
}

impl SubmissionSession {
    /// Connects to an account's submission server at its level and logs in.
    ///
    /// # Errors
    /// No session at the level, no password, or the server does not take it.
    pub async fn open(account: &Account, passwords: &Passwords) -> Result<Self, ClientError> {
        sign_in(account, account.submission(), passwords).await
    }

    /// Sends a message. It goes to the recipients the server accepts, and is reported sent only after the
    /// server's final 250 (C19).
    ///
    /// # Errors
    /// The server refused the sender, every recipient or the message, or the connection broke off: then it
    /// may or may not have been taken over, and is reported as not sent.
    pub async fn send(&mut self, draft: &Draft) -> Result<Sent, ClientError> {
        let envelope = Envelope {
            sender: draft.sender(),
            recipients: draft.recipients(),
            size: draft.content().len() as u64,
            body: draft.body(),
            utf8_header: draft.has_utf8_header(),
        };
        let total = envelope.recipients.len();
        self.machine()
            .send(envelope)
            .map_err(|why| crate::ComposeError::Unsendable(why.to_string()))?;
        let mut refused = Vec::new();
        let mut pieces = draft.content().chunks(pillarbox_proto::machine::MAX_OUTPUT);
        self.0.conversation.set_idle_timeout(CONTENT_PATIENCE);
        loop {
            match self.next().await? {
                Event::RecipientsAnswered {
                    accepted,
                    refused: not,
                } => {
                    refused = not
                        .iter()
                        .map(|one| (one.address.to_string(), one.reply.to_string()))
                        .collect();
                    if accepted == 0 {
                        self.machine().give_up();
                    } else {
                        self.machine().go_ahead(LineEnds::Crlf);
                    }
                }
                Event::NeedContent => match pieces.next() {
                    Some(piece) => self.machine().content(piece),
                    None => self.machine().end_content(),
                }
                .map_err(|why| crate::ComposeError::Unsendable(why.to_string()))?,
                Event::Sent(reply) => {
                    let accepted = total.saturating_sub(refused.len());
                    return Ok(Sent {
                        accepted,
                        refused,
                        said: reply.to_string(),
                    });
                }
                Event::NotSent { reply, .. } => {
                    return Err(ClientError::refused("the message", reply));
                }
                Event::GivenUp => {
                    let said = refused.iter().map(|(who, said)| format!("{who}: {said}"));
                    let said = said.collect::<Vec<_>>().join("; ");
                    return Err(ClientError::refused("every recipient", said));
                }
                _ => return Err(Broken::Ended.into()),
            }
        }
    }
}
