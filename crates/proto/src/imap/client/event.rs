//! What [`Client<Sealed>`](super::Client) tells its owner.

use super::fetch::MessageData;
use super::mailbox::{Listing, MailboxStatus, Selected};
use super::response::{AppendUid, Condition, ResponseCode};
use crate::ServerText;
use crate::imap::grammar::SyntaxError;
use crate::sasl::Mechanism;

/// What happens inside TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Capabilities are known; log in.
    Ready,
    /// Capabilities are known, and the client certificate has logged us in.
    ReadyAuthenticated,
    /// The server wants this shown. Show it as its words (C10). At most 16 of them come in one connection.
    Alert(ServerText),
    /// The server's ID fields (RFC 2971).
    Id(Vec<(String, Option<ServerText>)>),
    /// A mailbox, in answer to LIST.
    Mailbox(Listing),
    /// The answer to STATUS.
    Status(MailboxStatus),
    /// Data of a message: asked for, or because its flags have changed.
    Message(Box<MessageData>),
    /// The body that was asked for begins; it has this many octets.
    BodyBegins {
        /// Octets.
        size: u64,
    },
    /// The next octets of it, at most 16 KiB.
    BodyPiece(Vec<u8>),
    /// It is whole.
    BodyEnds,
    /// UIDs, in answer to SEARCH.
    Found(Vec<u32>),
    /// The selected mailbox has this many messages now.
    Exists(u32),
    /// The message with this sequence number is gone; those above it are counted one less.
    Expunged(u32),
    /// The server is ready for the next piece of the message to be appended, of at most this many octets.
    AppendWants(usize),
    /// IDLE has begun.
    Idling,
    /// A response of a known kind could not be read, and was skipped.
    Unreadable(SyntaxError),
    /// A response was too long, and was skipped.
    TooLong,
    /// The command succeeded.
    Done(Done),
    /// The command failed. The session goes on.
    Refused(Refused),
    /// The server is about to close, and says why.
    Bye(ServerText),
}

/// Which command succeeded, and its result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Done {
    /// The login; `None` means the LOGIN command. Remember it: a fall from one login to the next is worth a
    /// warning (C11).
    Authenticated(Option<Mechanism>),
    /// ID.
    Id,
    /// LIST.
    Listed,
    /// STATUS.
    Status,
    /// SELECT or EXAMINE.
    Selected(Box<Selected>),
    /// FETCH.
    Fetched,
    /// STORE.
    Stored,
    /// APPEND; where the message is, if the server tells (UIDPLUS).
    Appended(Option<AppendUid>),
    /// SEARCH.
    Searched,
    /// IDLE.
    Idled,
    /// NOOP.
    Nothing,
    /// LOGOUT.
    LoggedOut,
}

/// A tagged NO or BAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// [`Condition::No`] or [`Condition::Bad`].
    pub condition: Condition,
    /// Why, for programs.
    pub code: Option<ResponseCode>,
    /// Why, in the server's words. Must be shown where the code is [`ResponseCode::Alert`].
    pub text: ServerText,
}
