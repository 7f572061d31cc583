//! Reading over a POP3 session. Nothing is deleted.

use pillarbox_policy::Credentials;
use pillarbox_proto::pop3::client::{Client, Event};
use pillarbox_proto::{Clear, Sealed};
use pillarbox_transport::Conversation;

use crate::error::{ClientError, out_of_turn};
use crate::message::{MAX_MESSAGE, Summary, summary};
use crate::session::{Broken, LoggedIn, LoginError, Protocol, Session, next};

/// POP3, as a client speaks it.
#[derive(Debug)]
pub struct Pop3;

/// A POP3 session that is logged in.
pub type Pop3Session = LoggedIn<Pop3>;

impl Protocol for Pop3 {
    type Clear = Client<Clear>;
    type Sealed = Client<Sealed>;

    fn clear_settings() -> Result<(), Broken> {
        Ok(())
    }

    fn settings() {}

    async fn ask_for_tls(clear: &mut Conversation<Client<Clear>>) -> Result<(), Broken> {
        loop {
            match next(clear).await? {
                Event::Greeted => clear.machine().start_tls().map_err(Broken::ours)?,
                Event::StartTls => return Ok(()),
                _ => return Err(Broken::Ended),
            }
        }
    }

    async fn log_in(
        session: &mut Session<Self>,
        credentials: &Credentials,
    ) -> Result<(), LoginError> {
        while session.next().await? != Event::Ready {}
        let nonce = crate::random::nonce().map_err(LoginError::exchange)?;
        match session.machine().log_in(credentials, nonce) {
            Ok(()) => {}
            Err(pillarbox_proto::pop3::client::LoginError::BelowLevel(why)) => {
                return Err(why.into());
            }
            Err(why) => return Err(LoginError::exchange(why)),
        }
        match session.next().await? {
            Event::LoggedIn(by) => {
                tracing::debug!(?by, "POP3 login");
                Ok(())
            }
            Event::LoginRefused(refused) => Err(LoginError::refused(refused.text.as_str())),
            _ => Err(Broken::Ended.into()),
        }
    }

    fn quit(machine: &mut Client<Sealed>) {
        if let Err(why) = machine.quit() {
            tracing::debug!(%why, "QUIT cannot be sent");
        }
    }
}

impl Pop3Session {
    /// The newest messages, at most `limit`, in order.
    ///
    /// # Errors
    /// The server refused, or the connection broke off.
    pub async fn list(&mut self, limit: u32) -> Result<Vec<Summary>, ClientError> {
        let mut sizes = Vec::new();
        self.machine().list().map_err(out_of_turn)?;
        loop {
            match self.event("the list of messages").await? {
                Event::Size { message, octets } => sizes.push((message, octets)),
                Event::ListEnds => break,
                _ => {}
            }
        }
        let ids = self.unique_ids().await?;
        let first = sizes
            .len()
            .saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut list = Vec::new();
        for (number, size) in sizes.into_iter().skip(first) {
            self.machine().top(number, 0).map_err(out_of_turn)?;
            // TOP need not be there (RFC 1939 §7); then there is nothing to say but the size
            let header = match self.octets(number).await {
                Err(ClientError::NoMessage(_)) => Vec::new(),
                header => header?,
            };
            let uid = ids
                .iter()
                .find(|(of, _)| *of == number)
                .map(|(_, id)| id.clone());
            list.push(summary(number, uid, size, None, &header));
        }
        Ok(list)
    }

    /// Unique-ids; none where the server does not give them, which it need not (RFC 1939 §7).
    async fn unique_ids(&mut self) -> Result<Vec<(u32, String)>, ClientError> {
        let mut ids = Vec::new();
        self.machine().unique_ids().map_err(out_of_turn)?;
        loop {
            match self.next().await? {
                Event::UniqueId { message, id } => ids.push((message, id)),
                Event::ListEnds | Event::Refused(_) => return Ok(ids),
                _ => {}
            }
        }
    }

    /// A message, whole.
    ///
    /// # Errors
    /// There is none, it is too large, the server refused, or the connection broke off.
    pub async fn message(&mut self, number: u32) -> Result<Vec<u8>, ClientError> {
        self.machine().retrieve(number).map_err(out_of_turn)?;
        self.octets(number).await
    }

    /// What RETR or TOP brings, to its very end (C19).
    async fn octets(&mut self, number: u32) -> Result<Vec<u8>, ClientError> {
        let mut octets = Vec::new();
        let mut size: u64 = 0;
        loop {
            match self.next().await? {
                Event::MessagePiece(piece) => {
                    size = size.saturating_add(piece.len() as u64);
                    if size <= MAX_MESSAGE {
                        octets.extend_from_slice(&piece);
                    } else {
                        octets = Vec::new();
                    }
                }
                Event::MessageEnds if size > MAX_MESSAGE => {
                    return Err(ClientError::too_large(size));
                }
                Event::MessageEnds => return Ok(octets),
                Event::Refused(_) => return Err(ClientError::NoMessage(number)),
                _ => {}
            }
        }
    }

    async fn event(&mut self, what: &'static str) -> Result<Event, ClientError> {
        match self.next().await? {
            Event::Refused(refused) => Err(ClientError::refused(what, refused.text.as_str())),
            event => Ok(event),
        }
    }
}
