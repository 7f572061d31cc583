//! The server's machine.
//!
//! ```text
//! Server<Clear> ── STARTTLS ──▶ into_sealed(facts) ──▶ Server<Sealed> ──▶ Dialogue
//!       └──── LOGIN, AUTHENTICATE, with an operator's LegacyWindow ──▶ into_legacy(permit) ──┘
//! ```
//!
//! [`Server<Clear>`] knows the greeting, CAPABILITY, NOOP, LOGOUT and STARTTLS, and has no event that carries
//! a credential or a mailbox. Everything else is [`Dialogue`], which exists only inside TLS, or with the
//! proof that policy permits authentication ([`pillarbox_policy::AuthPermit`]).
//!
//! A dialogue emits one [`Event`] for every command that needs accounts or mail, and waits for its owner to
//! answer: untagged data first, by the methods of the command's file, then [`Dialogue::complete`]. It keeps
//! no mail, no mailbox list and no sequence numbers; what sequence numbers mean is [`View`], a pure value
//! that the owner keeps beside it.
//!
//! One command family has one file, and the file of the same name in the `server` crate answers it.
//!
//! Clear has no way to a mailbox:
//! ```compile_fail,E0599
//! use pillarbox_proto::Clear;
//! use pillarbox_proto::imap::server::Server;
//! fn open(server: &mut Server<Clear>) {
//!     server.dialogue().exists(1);
//! }
//! ```
//! sealed has:
//! ```
//! use pillarbox_proto::Sealed;
//! use pillarbox_proto::imap::server::Server;
//! fn open(server: &mut Server<Sealed>) {
//!     server.dialogue().exists(1);
//! }
//! ```
//! A cleartext session becomes a dialogue with policy's permit:
//! ```
//! use pillarbox_policy::AuthPermit;
//! use pillarbox_proto::Clear;
//! use pillarbox_proto::imap::server::{Dialogue, Server};
//! fn password_in_clear(server: Server<Clear>, permit: AuthPermit) -> Dialogue {
//!     server.into_legacy(permit)
//! }
//! ```
//! and without it cannot:
//! ```compile_fail,E0061
//! use pillarbox_proto::Clear;
//! use pillarbox_proto::imap::server::{Dialogue, Server};
//! fn password_in_clear(server: Server<Clear>) -> Dialogue {
//!     server.into_legacy()
//! }
//! ```

mod clear;
mod command;
mod commands;
mod dialogue;
mod limits;
mod output;
mod reply;
mod view;

pub use clear::{ClearEvent, StartTls};
pub use command::{Event, Naming};
pub use commands::append::AppendHead;
pub use commands::copy::CopyKind;
pub use commands::fetch::{Fetch, FetchItem, Label, Partial, Section, SectionText};
pub use commands::fields::FieldFilter;
pub use commands::list::{Attribute, List, ListSelect, Listed, Pattern};
pub use commands::login::{Denial, Login};
pub use commands::mailbox::BadMailboxName;
pub use commands::search::{MAX_KEYS, Search, SearchKey, SearchOutcome, SearchReturn};
pub use commands::select::{Access, Select, SelectedMailbox};
pub use commands::status::{StatusItem, StatusValues};
pub use commands::store::{FlagOperation, Store};
pub use dialogue::Dialogue;
pub use limits::{Limits, Violation};
pub use reply::{Code, Completion};
pub use view::{Expunges, NoSuchMessage, Update, View};

use pillarbox_policy::TlsFacts;

use crate::{Clear, Machine, Sealed, Step};

/// A channel a [`Server`] can run over.
pub trait Over: sealed::Over {}

mod sealed {
    pub trait Over {
        type Conversation;
    }
}

impl Over for Clear {}
impl sealed::Over for Clear {
    type Conversation = clear::Cleartext;
}

impl Over for Sealed {}
impl sealed::Over for Sealed {
    type Conversation = Dialogue;
}

/// The server's end of a connection over the channel `C`.
pub struct Server<C: Over>(C::Conversation);

impl<C: Over> std::fmt::Debug for Server<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server<{}>", std::any::type_name::<C>())
    }
}

impl Server<Sealed> {
    /// Starts on a port used for TLS only: greets.
    #[must_use]
    pub fn new(facts: TlsFacts, limits: Limits) -> Self {
        let mut dialogue = Dialogue::sealed(facts, limits);
        dialogue.greet();
        Self(dialogue)
    }

    /// The conversation.
    pub fn dialogue(&mut self) -> &mut Dialogue {
        &mut self.0
    }

    /// The conversation, from now on without this wrapper.
    #[must_use]
    pub fn into_dialogue(self) -> Dialogue {
        self.0
    }
}

impl Machine for Server<Sealed> {
    type Event = Event;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        self.0.input(bytes);
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        self.0.poll()
    }
}
