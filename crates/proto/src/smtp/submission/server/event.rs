//! What a submission session is asked for.

use crate::server;
use crate::smtp::{Mail, Rcpt};

/// What the session has to know or answer.
pub type Event = server::Event<Request>;

/// What a submission session is asked for. The answer each one waits for stands with it; those without one need none.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
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
