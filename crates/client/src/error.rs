//! What can go wrong once there is an account.

use pillarbox_policy::RefusalCode;

use crate::session::{Broken, LoginError};
use crate::{
    AccountsError, ComposeError, ConnectError, FolderError, NetworkSettingsError, PasswordError,
};

/// Reading or sending failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The account's files.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The account's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Its network's settings.
    #[error(transparent)]
    Network(#[from] NetworkSettingsError),
    /// No session at the account's level.
    #[error("{server}: {why}. Nothing was sent; the account's level is \"{level}\"")]
    Connect {
        /// The server.
        server: String,
        /// The account's level.
        level: pillarbox_policy::Level,
        /// Why not.
        why: ConnectError,
    },
    /// The login.
    #[error("{server}: {why}")]
    Login {
        /// The server.
        server: String,
        /// Why not.
        why: LoginError,
    },
    /// The conversation broke off after the login.
    #[error("the server and this program lost each other: {0}")]
    Broken(#[from] Broken),
    /// The server refused what it was asked for. Its own words are named as such.
    #[error("the server refused {what}; it said: \"{said}\"")]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The server's words, made fit for a terminal.
        said: String,
    },
    /// There is no such message.
    #[error("there is no message {0} in this mailbox; `pillarbox list` shows those there are")]
    NoMessage(u32),
    /// The account reads by POP3, which has one mailbox and no more.
    #[error("this account reads by POP3, which knows INBOX only")]
    OnlyInbox,
    /// A message is larger than this program wants to hold.
    #[error("the message has {size} octets; this program shows at most {limit}")]
    TooLarge {
        /// Its size in octets.
        size: u64,
        /// The limit in octets.
        limit: u64,
    },
    /// The message that was to be sent.
    #[error(transparent)]
    Compose(#[from] ComposeError),
}

impl ClientError {
    pub(crate) fn refused(what: &'static str, said: impl std::fmt::Display) -> Self {
        let said = said.to_string();
        Self::Refused { what, said }
    }

    pub(crate) fn too_large(size: u64) -> Self {
        let limit = crate::message::MAX_MESSAGE;
        Self::TooLarge { size, limit }
    }

    /// The stable machine code, where security is what it is about.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Connect { why, .. } => why.code(),
            Self::Login { why, .. } => why.code(),
            Self::Broken(why) => why.code(),
            _ => None,
        }
    }
}

/// A command that the machine would not take in its state: the conversation is not where we thought it was.
pub(crate) fn out_of_turn(why: impl std::fmt::Display) -> ClientError {
    tracing::debug!(%why, "command out of turn");
    Broken::Ended.into()
}
