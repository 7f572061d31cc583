//! What a server machine tells its caller.

use crate::sasl::LoginEvent;
use crate::smtp::{Mail, Rcpt};

/// What a server machine tells its session. The answer each one waits for stands with it; those without one
/// need none.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The go-ahead for TLS is output and nothing stood behind the command. Do the handshake.
    StartTls,
    /// AUTH came in the clear, and nothing of it was looked at. Read the grants now, and answer with the window that
    /// is open, or [`crate::AsksForPermit::refuse_login`].
    NeedPermit,
    /// A login: [`super::Server::answer_login`].
    Login(LoginEvent),
    /// May a transaction begin with this sender? [`super::Server::accept`] or [`super::Server::refuse`].
    Sender(Mail),
    /// One more recipient: accept or refuse.
    Recipient(Rcpt),
    /// Content is about to come for the recipients accepted: accept or refuse.
    ContentBegins,
    /// A piece of content, dots undone, at most 16 KiB. [`super::Server::refuse`] may be called now, and the
    /// rest is thrown away.
    Content(Vec<u8>),
    /// All content came, within the limit and with CRLF line ends throughout. Accept when it is on stable
    /// storage, or refuse.
    ContentEnds,
    /// The transaction is over without a message: throw away what came of it.
    TransactionAbandoned,
}
