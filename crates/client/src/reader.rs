//! Reading an account's mail, whichever protocol it is read by.

use pillarbox_names::Service;

use crate::message::Summary;
use crate::sign_in::sign_in;
use crate::{Account, ClientError, ImapSession, Indicator, Passwords, Pop3Session};

/// The access server of an account, logged in.
#[derive(Debug)]
pub enum Reader {
    /// By IMAP.
    Imap(ImapSession),
    /// By POP3.
    Pop3(Pop3Session),
}

impl Reader {
    /// Connects at the account's level and logs in.
    ///
    /// # Errors
    /// No session at the level, no password, or the server does not take it.
    pub async fn open(account: &Account, passwords: &Passwords) -> Result<Self, ClientError> {
        let server = account.access();
        Ok(match server.label().service {
            Service::Pop3 => Self::Pop3(sign_in(account, server, passwords).await?),
            Service::Imap | Service::Submission => {
                Self::Imap(sign_in(account, server, passwords).await?)
            }
        })
    }

    /// The confidentiality sign of this very connection.
    #[must_use]
    pub fn indicator(&self) -> Indicator {
        match self {
            Self::Imap(session) => session.indicator(),
            Self::Pop3(session) => session.indicator(),
        }
    }

    /// The names of the mailboxes.
    ///
    /// # Errors
    /// The server refused, or the connection broke off.
    pub async fn mailboxes(&mut self) -> Result<Vec<String>, ClientError> {
        match self {
            Self::Imap(session) => session.mailboxes().await,
            Self::Pop3(_) => Ok(vec!["INBOX".to_owned()]),
        }
    }

    /// The newest messages of a mailbox, at most `limit`.
    ///
    /// # Errors
    /// By POP3 a mailbox other than INBOX; the server refused, or the connection broke off.
    pub async fn list(&mut self, mailbox: &str, limit: u32) -> Result<Vec<Summary>, ClientError> {
        match self {
            Self::Imap(session) => session.list(mailbox, limit).await,
            Self::Pop3(session) => {
                only_inbox(mailbox)?;
                session.list(limit).await
            }
        }
    }

    /// A message by its number, whole.
    ///
    /// # Errors
    /// There is none; by POP3 a mailbox other than INBOX; the server refused, or the connection broke off.
    pub async fn message(&mut self, mailbox: &str, number: u32) -> Result<Vec<u8>, ClientError> {
        match self {
            Self::Imap(session) => session.message(mailbox, number).await,
            Self::Pop3(session) => {
                only_inbox(mailbox)?;
                session.message(number).await
            }
        }
    }

    /// A message by its UID, whole. By POP3 there are no UIDs of numbers.
    ///
    /// # Errors
    /// As [`Reader::message`].
    pub async fn message_by_uid(
        &mut self,
        mailbox: &str,
        uid: u32,
    ) -> Result<Vec<u8>, ClientError> {
        match self {
            Self::Imap(session) => session.message_by_uid(mailbox, uid).await,
            Self::Pop3(_) => Err(ClientError::NoMessage(uid)),
        }
    }

    /// Says goodbye.
    pub async fn close(self) {
        match self {
            Self::Imap(session) => session.close().await,
            Self::Pop3(session) => session.close().await,
        }
    }
}

fn only_inbox(mailbox: &str) -> Result<(), ClientError> {
    if mailbox.eq_ignore_ascii_case("INBOX") {
        Ok(())
    } else {
        Err(ClientError::OnlyInbox)
    }
}
