//! The machine of a person's client.
//!
//! In the clear it does one thing: get to TLS. It says no name, shows no text, takes no credential and no
//! message; whatever is not the exact success ends it (C1, C4, C5, C10, C12, C13, C22).
//!
//! ```
//! use pillarbox_proto::smtp::submission::client::Client;
//! use pillarbox_proto::{Clear, Machine, Step};
//!
//! let mut client = Client::<Clear>::new();
//! client.input(b"220 mail.example.org ESMTP\r\n");
//! assert_eq!(client.poll(), Step::Output(b"EHLO [127.0.0.1]\r\n".into()));
//! ```
//! A password, or a message, needs a session inside TLS:
//! ```
//! # use pillarbox_policy::Credentials;
//! # use pillarbox_proto::{Sealed, sasl::Nonce};
//! # use pillarbox_proto::smtp::submission::client::{Client, Envelope};
//! fn password(client: &mut Client<Sealed>, credentials: &Credentials, nonce: Nonce) {
//!     let _ = client.authenticate(credentials, nonce);
//! }
//! fn message(client: &mut Client<Sealed>, envelope: Envelope) {
//!     let _ = client.send(envelope);
//! }
//! ```
//! ```compile_fail,E0599
//! # use pillarbox_policy::Credentials;
//! # use pillarbox_proto::{Clear, sasl::Nonce};
//! # use pillarbox_proto::smtp::submission::client::Client;
//! fn password(client: &mut Client<Clear>, credentials: &Credentials, nonce: Nonce) {
//!     let _ = client.authenticate(credentials, nonce);
//! }
//! ```
//! ```compile_fail,E0599
//! # use pillarbox_proto::Clear;
//! # use pillarbox_proto::smtp::submission::client::{Client, Envelope};
//! fn message(client: &mut Client<Clear>, envelope: Envelope) {
//!     let _ = client.send(envelope);
//! }
//! ```
//! and inside TLS there is no second STARTTLS (C14, R3207-2):
//! ```compile_fail,E0599
//! # use pillarbox_proto::Sealed;
//! # use pillarbox_proto::smtp::submission::client::Client;
//! fn twice(client: Client<Sealed>, facts: pillarbox_policy::TlsFacts) {
//!     let _ = client.into_sealed(facts);
//! }
//! ```

mod auth;
mod dialogue;
mod event;
mod send;

use pillarbox_policy::{Credentials, TlsFacts};

pub use event::{
    AuthenticateError, Event, Failure, LoginFailure, RefusedRecipient, SendError, Stage,
};
pub use send::Envelope;

use self::dialogue::{Aim, Dialogue};
use crate::channel::End;
use crate::sasl::{Mechanism, Nonce};
use crate::smtp::{Capabilities, ContentError, LineEnds};
use crate::{Clear, Injected, Machine, Sealed, Step};

/// A submission client over a [`Clear`] or [`Sealed`] channel.
#[derive(Debug)]
pub struct Client<C> {
    channel: C,
    dialogue: Dialogue,
}

impl Default for Client<Clear> {
    fn default() -> Self {
        Self::new()
    }
}

impl Client<Clear> {
    /// A connection just opened on a port with STARTTLS. By itself it reads the greeting, sends EHLO and
    /// STARTTLS, and tells of [`Event::StartTls`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            channel: Clear::new(),
            dialogue: Dialogue::greeted_by_server(Aim::StartTls),
        }
    }

    /// The handshake that [`Event::StartTls`] asked for is done. Nothing is carried over (C9, R3207-1): the
    /// new client begins with EHLO.
    ///
    /// # Errors
    /// Bytes came in the clear behind the answer to STARTTLS (C1). Close, and tell the person.
    pub fn into_sealed(self, facts: TlsFacts) -> Result<Client<Sealed>, Injected> {
        match self.dialogue.held() {
            0 => Ok(Client {
                channel: Sealed::new(facts),
                dialogue: Dialogue::after_starttls(),
            }),
            bytes => Err(Injected {
                found_by: End::Client,
                bytes,
            }),
        }
    }
}

impl Client<Sealed> {
    /// A connection with TLS from the first byte.
    #[must_use]
    pub fn new(facts: TlsFacts) -> Self {
        Self {
            channel: Sealed::new(facts),
            dialogue: Dialogue::greeted_by_server(Aim::Mail),
        }
    }

    /// The facts of the handshake.
    #[must_use]
    pub fn facts(&self) -> &TlsFacts {
        self.channel.facts()
    }

    /// What the server can do; empty before [`Event::Ready`].
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        self.dialogue.capabilities()
    }

    /// Logs in with the best mechanism the server lists (C11); answers which. Then comes
    /// [`Event::Authenticated`] or [`Event::NotAuthenticated`].
    ///
    /// # Errors
    /// Nothing was sent: the session does not meet the account's level, there is no mechanism to use, or
    /// login or password cannot be.
    pub fn authenticate(
        &mut self,
        credentials: &Credentials,
        nonce: Nonce,
    ) -> Result<Mechanism, AuthenticateError> {
        let released = credentials.release(self.channel.facts())?;
        self.dialogue.authenticate(released, nonce)
    }

    /// Begins to send a message. Then comes [`Event::RecipientsAnswered`] or [`Event::NotSent`].
    ///
    /// # Errors
    /// Nothing was sent: nobody is logged in, or the server cannot take such a message.
    pub fn send(&mut self, envelope: Envelope) -> Result<(), SendError> {
        self.dialogue.send(envelope)
    }

    /// After [`Event::RecipientsAnswered`]: sends the message to those that were accepted. Then comes
    /// [`Event::NeedContent`] until [`Client::end_content`], or [`Event::NotSent`].
    pub fn go_ahead(&mut self, line_ends: LineEnds) {
        self.dialogue.go_ahead(line_ends);
    }

    /// After [`Event::RecipientsAnswered`]: gives this message up. Then comes [`Event::GivenUp`].
    pub fn give_up(&mut self) {
        self.dialogue.give_up();
    }

    /// Answers [`Event::NeedContent`] with the next piece, of at most [`crate::machine::MAX_OUTPUT`] octets.
    ///
    /// # Errors
    /// The piece has line ends other than was said. The message cannot be sent any more, and the connection
    /// is closed without the final dot, so that the server throws away what it has.
    pub fn content(&mut self, piece: &[u8]) -> Result<(), ContentError> {
        self.dialogue.content(piece)
    }

    /// Answers [`Event::NeedContent`]: that was all. Then comes [`Event::Sent`] or [`Event::NotSent`].
    ///
    /// # Errors
    /// As [`Client::content`].
    pub fn end_content(&mut self) -> Result<(), ContentError> {
        self.dialogue.end_content()
    }

    /// Says goodbye; the machine then asks to be closed. Without effect while something else is under way.
    pub fn quit(&mut self) {
        self.dialogue.quit();
    }
}

impl<C> Machine for Client<C> {
    type Event = Event;
    type Error = Failure;

    fn input(&mut self, bytes: &[u8]) {
        self.dialogue.input(bytes);
    }

    fn poll(&mut self) -> Step<Event, Failure> {
        self.dialogue.poll()
    }
}
