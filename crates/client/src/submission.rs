//! Sending over a submission session.

use std::time::Duration;

use pillarbox_policy::{Credentials, Level};
use pillarbox_proto::Sealed;
use pillarbox_proto::smtp::LineEnds;
use pillarbox_proto::smtp::submission::client::{
    AuthenticateError, Client, Envelope, Event, LoginFailure,
};
use pillarbox_transport::Connection;

use crate::error::LoginError;
use crate::session::{Broken, SealedMachine, Session, farewell, next};
use crate::sign_in::sign_in;
use crate::{Account, ClientError, Draft, Indicator, Passwords};

/// How long a server may take over a message it was given (RFC 5321 §4.5.3.2.6).
const CONTENT_PATIENCE: Duration = Duration::from_secs(600);

/// A submission session that is logged in.
pub struct SubmissionSession {
    connection: Connection,
    machine: Box<Client<Sealed>>,
    level: Level,
}

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

impl SubmissionSession {
    /// Connects to an account's submission server at its level and logs in.
    ///
    /// # Errors
    /// No session at the level, no password, or the server does not take it.
    pub async fn open(account: &Account, passwords: &Passwords) -> Result<Self, ClientError> {
        let server = account.submission();
        let (session, credentials) = sign_in(account, server, passwords).await?;
        Self::log_in(session, &credentials)
            .await
            .map_err(|why| ClientError::Login {
                server: server.to_string(),
                why,
            })
    }

    /// Logs in.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn log_in(session: Session, credentials: &Credentials) -> Result<Self, LoginError> {
        let level = credentials.level();
        let Session {
            mut connection,
            machine: SealedMachine::Submission(mut machine),
            ..
        } = session
        else {
            return Err(LoginError::Exchange(
                "this is no submission server".to_owned(),
            ));
        };
        let Event::Ready(_) = next(&mut connection, machine.as_mut()).await? else {
            return Err(Broken::Ended.into());
        };
        let nonce = crate::random::nonce().map_err(|why| LoginError::Exchange(why.to_string()))?;
        match machine.authenticate(credentials, nonce) {
            Ok(mechanism) => tracing::debug!(%mechanism, "submission login"),
            Err(AuthenticateError::Refused(why)) => return Err(why.into()),
            Err(why) => return Err(LoginError::Exchange(why.to_string())),
        }
        match next(&mut connection, machine.as_mut()).await? {
            Event::Authenticated(_) => Ok(Self {
                connection,
                machine,
                level,
            }),
            Event::NotAuthenticated(LoginFailure::Refused(reply)) => {
                farewell_after(&mut machine, connection).await;
                Err(LoginError::Refused {
                    said: reply.to_string(),
                })
            }
            Event::NotAuthenticated(why) => {
                farewell_after(&mut machine, connection).await;
                Err(LoginError::Exchange(why.to_string()))
            }
            _ => Err(Broken::Ended.into()),
        }
    }

    /// The confidentiality sign of this very connection.
    #[must_use]
    pub fn indicator(&self) -> Indicator {
        Indicator::of(self.level, self.connection.channel())
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
        self.machine
            .send(envelope)
            .map_err(|why| crate::ComposeError::Unsendable(why.to_string()))?;
        let mut refused = Vec::new();
        let mut pieces = draft.content().chunks(pillarbox_proto::machine::MAX_OUTPUT);
        self.connection.set_idle_timeout(CONTENT_PATIENCE);
        loop {
            match next(&mut self.connection, self.machine.as_mut()).await? {
                Event::RecipientsAnswered {
                    accepted,
                    refused: not,
                } => {
                    refused = not
                        .iter()
                        .map(|one| (one.address.to_string(), one.reply.to_string()))
                        .collect();
                    if accepted == 0 {
                        self.machine.give_up();
                    } else {
                        self.machine.go_ahead(LineEnds::Crlf);
                    }
                }
                Event::NeedContent => match pieces.next() {
                    Some(piece) => self.machine.content(piece),
                    None => self.machine.end_content(),
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
                    return Err(ClientError::Refused {
                        what: "the message",
                        said: reply.to_string(),
                    });
                }
                Event::GivenUp => {
                    let said = refused
                        .iter()
                        .map(|(who, said)| format!("{who}: {said}"))
                        .collect::<Vec<_>>()
                        .join("; ");
                    return Err(ClientError::Refused {
                        what: "every recipient",
                        said,
                    });
                }
                _ => return Err(Broken::Ended.into()),
            }
        }
    }

    /// Says goodbye.
    pub async fn quit(mut self) {
        farewell_after(&mut self.machine, self.connection).await;
    }
}

async fn farewell_after(machine: &mut Client<Sealed>, connection: Connection) {
    machine.quit();
    farewell(connection, machine).await;
}

impl std::fmt::Debug for SubmissionSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubmissionSession").finish_non_exhaustive()
    }
}
