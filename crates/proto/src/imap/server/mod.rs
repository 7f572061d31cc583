//! The server's machine.
//!
//! ```text
//! Server<Clear> ── STARTTLS ──▶ Server<Sealed>
//!       └──── LOGIN, AUTHENTICATE, under a LegacyWindow ──▶ Server<Legacy>
//! ```
//!
//! [`Server<Clear>`] knows the greeting, CAPABILITY, NOOP, LOGOUT and STARTTLS, and has no event that carries
//! a credential or a mailbox. Everything else is [`Dialogue`], which exists only inside TLS, or with the
//! proof that policy permits authentication ([`pillarbox_policy::AuthPermit`]).
//!
//! A dialogue emits one [`Event`] for every command that needs accounts or mail, and waits for its owner to
//! answer: untagged data first, by the methods of the command's file, then [`Dialogue::complete`]. It keeps
//! no mail, no mailbox list and no sequence numbers; what they mean is
//! for its owner to know.
//!
//! One command family has one file, and the file of the same name in the `server` crate answers it.
//!
//! Clear has no way to a mailbox:
//! ```compile_fail,E0599
//! use pillarbox_proto::Clear;
//! use pillarbox_proto::imap::server::Server;
//! fn open(server: &mut Server<Clear>) {
//!     server.responses().exists(1);
//! }
//! ```
//! sealed has, and so has cleartext under a window:
//! ```
//! use pillarbox_proto::imap::server::Server;
//! use pillarbox_proto::{Legacy, Sealed};
//! fn open(server: &mut Server<Sealed>) {
//!     server.responses().exists(1);
//! }
//! fn open_under_window(server: &mut Server<Legacy>) {
//!     server.responses().exists(1);
//! }
//! ```
//! A cleartext session goes on with the operator's window:
//! ```
//! use pillarbox_policy::LegacyWindow;
//! use pillarbox_proto::{AsksForPermit, Clear, Legacy, imap::server::Server};
//! fn password_in_clear(server: Server<Clear>, channel: Legacy, window: LegacyWindow) -> Server<Legacy> {
//!     server.permitted(channel, window)
//! }
//! ```
//! and without it cannot:
//! ```compile_fail,E0061
//! use pillarbox_proto::{AsksForPermit, Clear, Legacy, imap::server::Server};
//! fn password_in_clear(server: Server<Clear>, channel: Legacy) -> Server<Legacy> {
//!     server.permitted(channel)
//! }
//! ```

mod clear;
mod command;
mod commands;
mod dialogue;
mod enabled;
mod front;
mod limits;
mod login;
mod output;
mod reply;
mod responses;
mod state;

pub use clear::{ClearEvent, ClearSettings};
pub use command::{Messages, Naming};
pub use commands::*;
pub use dialogue::Dialogue;
pub use enabled::{Enabled, Extension};
pub use limits::Limits;
pub use reply::{Completion, ResponseCode};
pub use responses::Responses;
pub use state::{Access, StartTls};

use std::ops::{Deref, DerefMut};

use pillarbox_policy::{LegacyWindow, LoginAbort};

pub use crate::Violation;
use crate::channel::private;
pub use crate::sasl::LoginsInClear;
use crate::sasl::{LoginAnswer, LoginEvent};
use crate::server::Goodbye;
use crate::{
    AsksForPermit, ChannelState, Clear, Injected, Legacy, LoginChannel, LoginMachine, Machine,
    OnChannel, Sealed, ServerMachine, Start, Step, Upgrade,
};

/// A channel a [`Server`] can run over.
pub trait Over: ChannelState + sealed::Over {}

mod sealed {
    pub trait Over {
        type Conversation;
    }
}

impl Over for Clear {}
impl sealed::Over for Clear {
    type Conversation = clear::Cleartext;
}

impl<C: LoginChannel> Over for C {}
impl<C: LoginChannel> sealed::Over for C {
    type Conversation = OnLoginChannel<C>;
}

/// What [`Server`] keeps where logins are possible.
pub struct OnLoginChannel<C> {
    channel: C,
    dialogue: Dialogue,
}

/// The server's end of a connection over the channel `C`.
pub struct Server<C: Over>(C::Conversation);

impl<C: Over> private::Ours for Server<C> {}

impl<C: Over> std::fmt::Debug for Server<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server<{}>", std::any::type_name::<C>())
    }
}

impl<C: LoginChannel> OnChannel for Server<C> {
    type Channel = C;

    fn channel(&self) -> &C {
        &self.0.channel
    }
}

impl OnChannel for Server<Clear> {
    type Channel = Clear;

    fn channel(&self) -> &Clear {
        self.0.channel()
    }
}

impl Start for Server<Clear> {
    type Settings = ClearSettings;

    /// Starts on a cleartext port: greets.
    fn start(channel: &Clear, settings: ClearSettings) -> Self {
        Self(clear::Cleartext::start(channel.share(), settings))
    }
}

impl Upgrade for Server<Clear> {
    fn nothing_left(&self) -> Result<(), Injected> {
        self.0.nothing_left()
    }
}

impl AsksForPermit for Server<Clear> {
    type Permitted = Server<Legacy>;

    fn clear_event(event: &ClearEvent) -> Option<ClearEvent> {
        Some(*event)
    }

    /// STARTTLS is not to be had any more (S2).
    fn permitted(self, channel: Legacy, window: LegacyWindow) -> Server<Legacy> {
        let dialogue = self.0.permitted(channel.share(), window);
        Server(OnLoginChannel { channel, dialogue })
    }

    fn refuse_login(&mut self) {
        self.0.refuse_login();
    }
}

impl ServerMachine for Server<Clear> {
    fn say_goodbye(&mut self, why: Goodbye) {
        self.0.bye(last_words(why));
    }

    fn abort_login(&mut self, _how: LoginAbort) -> Option<LoginEvent> {
        None
    }
}

impl Machine for Server<Clear> {
    type Event = ClearEvent;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        self.0.input(bytes);
    }

    fn poll(&mut self) -> Step<ClearEvent, Violation> {
        self.0.poll()
    }
}

impl Start for Server<Sealed> {
    type Settings = Limits;

    /// Starts from nothing inside TLS: greets where that is due (RFC 3501 §6.2.1).
    fn start(channel: &Sealed, limits: Limits) -> Self {
        let mut dialogue = Dialogue::sealed(channel.share(), limits);
        if channel.greeting_is_due() {
            dialogue.greet();
        }
        Self(OnLoginChannel {
            channel: channel.share(),
            dialogue,
        })
    }
}

impl<C: LoginChannel> ServerMachine for Server<C> {
    fn say_goodbye(&mut self, why: Goodbye) {
        self.bye(last_words(why));
    }

    fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        self.0.dialogue.abort_login(how)
    }
}

impl<C: LoginChannel> LoginMachine for Server<C> {
    fn permit(&mut self, window: Option<LegacyWindow>) {
        self.0.dialogue.permit(window);
    }

    fn answer_login(&mut self, answer: LoginAnswer) {
        self.0.dialogue.answer_login(answer);
    }
}

fn last_words(why: Goodbye) -> &'static str {
    match why {
        Goodbye::ShuttingDown => "The server is shutting down",
        Goodbye::NoLogin => "Autologout; no login in time",
        Goodbye::Idle => "Autologout; idle for too long",
    }
}

/// A server that can be logged in to is its conversation.
impl<C: LoginChannel> Deref for Server<C> {
    type Target = Dialogue;

    fn deref(&self) -> &Dialogue {
        &self.0.dialogue
    }
}

impl<C: LoginChannel> DerefMut for Server<C> {
    fn deref_mut(&mut self) -> &mut Dialogue {
        &mut self.0.dialogue
    }
}

impl<C: LoginChannel> Machine for Server<C> {
    type Event = Event;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        self.0.dialogue.input(bytes);
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        self.0.dialogue.poll()
    }
}
