//! The machine of a person's client.
//!
//! In the clear it does one thing: get to TLS. It says no name, shows no text, takes no credential and no
//! message; whatever is not the exact success ends it (C1, C4, C5, C10, C12, C13, C22).
//!
//! ```
//! use pillarbox_proto::smtp::submission::client::Client;
//! use pillarbox_proto::{Clear, Machine, Start, Step};
//!
//! let channel = Clear::new(pillarbox_testkit::clear_facts());
//! let mut client = Client::<Clear>::start(&channel, ());
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
//! ```
//! # use pillarbox_proto::{Clear, Upgrade, smtp::submission::client::Client};
//! fn once(client: Client<Clear>) -> impl Upgrade {
//!     client
//! }
//! ```
//! ```compile_fail,E0277
//! # use pillarbox_proto::{Sealed, Upgrade, smtp::submission::client::Client};
//! fn twice(client: Client<Sealed>) -> impl Upgrade {
//!     client
//! }
//! ```

mod auth;
mod dialogue;
mod event;
mod send;

use pillarbox_policy::Credentials;

pub use event::{
    AuthenticateError, Event, Failure, LoginFailure, RefusedRecipient, SendError, Stage,
};
pub use send::Envelope;

use self::dialogue::{Aim, Dialogue};
use crate::channel::{End, private};
use crate::sasl::{Mechanism, Nonce};
use crate::smtp::{Capabilities, ContentError, LineEnds};
use crate::{ChannelState, Clear, Injected, Machine, OnChannel, Sealed, Start, Step, Upgrade};

/// A submission client over a [`Clear`] or [`Sealed`] channel.
#[derive(Debug)]
pub struct Client<C> {
    channel: C,
    dialogue: Dialogue,
}

impl<C: ChannelState> private::Ours for Client<C> {}
impl<C: ChannelState> OnChannel for Client<C> {
    type Channel = C;

    fn channel(&self) -> &C {
        &self.channel
    }
}

impl Start for Client<Clear> {
    type Settings = ();

    /// A connection just opened on a port with STARTTLS. By itself it reads the greeting, sends EHLO and
    /// STARTTLS, and tells of [`Event::StartTls`].
    fn start(channel: &Clear, (): ()) -> Self {
        Self {
            channel: channel.share(),
            dialogue: Dialogue::greeted_by_server(Aim::StartTls),
        }
    }
}

impl Start for Client<Sealed> {
    type Settings = ();

    /// Waits for the greeting where one is due, and begins with EHLO; nothing is carried over from the clear (C9,
    /// R3207-1).
    fn start(channel: &Sealed, (): ()) -> Self {
        Self {
            channel: channel.share(),
            dialogue: if channel.greeting_is_due() {
                Dialogue::greeted_by_server(Aim::Mail)
            } else {
                Dialogue::after_starttls()
            },
        }
    }
}

impl Upgrade for Client<Clear> {
    fn nothing_left(&self) -> Result<(), Injected> {
        End::Client.found(self.dialogue.held())
    }
}

impl Client<Sealed> {
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

impl<C: ChannelState> Machine for Client<C> {
    type Event = Event;
    type Error = Failure;

    fn input(&mut self, bytes: &[u8]) {
        self.dialogue.input(bytes);
    }

    fn poll(&mut self) -> Step<Event, Failure> {
        self.dialogue.poll()
    }
}
