//! The server's machine.
//!
//! ```
//! use std::sync::Arc;
//! use pillarbox_proto::smtp::submission::server::{Config, Server};
//! use pillarbox_proto::{Machine, Sealed, Start, Step};
//!
//! let config = Arc::new(Config::new("mail.example.org"));
//! let channel = Sealed::new(pillarbox_testkit::facts());
//! let mut server = Server::<Sealed>::start(&channel, config);
//! assert_eq!(server.poll(), Step::Output(b"220 mail.example.org ESMTP Pillarbox\r\n".into()));
//! server.input(b"MAIL FROM:<ann@example.org>\r\n");
//! assert_eq!(server.poll(), Step::Output(b"503 5.5.1 Send EHLO first\r\n".into()));
//! ```
//! A password, or a message, needs TLS, or a window of the operator's:
//! ```
//! use pillarbox_proto::{LoginChannel, sasl::LoginAnswer, smtp::submission::server::Server};
//! fn let_in<C: LoginChannel>(server: &mut Server<C>) {
//!     server.answer_login(LoginAnswer::Accept);
//! }
//! fn take<C: LoginChannel>(server: &mut Server<C>) {
//!     server.accept();
//! }
//! ```
//! ```compile_fail,E0599
//! use pillarbox_proto::{Clear, sasl::LoginAnswer, smtp::submission::server::Server};
//! fn let_in(server: &mut Server<Clear>) {
//!     server.answer_login(LoginAnswer::Accept);
//! }
//! ```
//! ```compile_fail,E0599
//! use pillarbox_proto::{Clear, smtp::submission::server::Server};
//! fn take(server: &mut Server<Clear>) {
//!     server.accept();
//! }
//! ```
//! STARTTLS gives the place of the cleartext machine to another; there is no second one inside TLS:
//! ```
//! # use pillarbox_proto::{Clear, Upgrade, smtp::submission::server::Server};
//! fn once(server: Server<Clear>) -> impl Upgrade {
//!     server
//! }
//! ```
//! ```compile_fail,E0277
//! # use pillarbox_proto::{Sealed, Upgrade, smtp::submission::server::Server};
//! fn twice(server: Server<Sealed>) -> impl Upgrade {
//!     server
//! }
//! ```

mod auth;
mod commands;
mod config;
mod event;
mod receive;
mod state;

use std::sync::Arc;

use pillarbox_policy::{LegacyWindow, LoginAbort};

pub use crate::Violation;
pub use crate::sasl::LoginsInClear;
pub use config::{Config, Limits, StartTlsOffer};
pub use event::Event;

use self::state::Core;
use crate::channel::{permit, private};
use crate::sasl::{LoginAnswer, LoginEvent, Logins};
use crate::smtp::{EhloName, Refusal};
use crate::{
    AsksForPermit, ChannelState, Clear, Injected, Legacy, LoginChannel, Machine, OnChannel, Sealed,
    Start, Step, Upgrade,
};

/// A submission server over a [`Clear`], [`Legacy`] or [`Sealed`] channel.
#[derive(Debug)]
pub struct Server<C> {
    core: Core,
    channel: C,
}

impl<C: ChannelState> private::Ours for Server<C> {}
impl<C: ChannelState> OnChannel for Server<C> {
    type Channel = C;

    fn channel(&self) -> &C {
        &self.channel
    }
}

impl Start for Server<Clear> {
    type Settings = (Arc<Config>, LoginsInClear);

    /// A cleartext session; it greets. AUTH and MAIL wait for TLS, or for a window.
    fn start(channel: &Clear, (config, logins): (Arc<Config>, LoginsInClear)) -> Self {
        let mut core = Core::new(config, Logins::in_clear(channel, logins));
        core.greet();
        Self {
            core,
            channel: channel.share(),
        }
    }
}

impl Start for Server<Sealed> {
    type Settings = Arc<Config>;

    /// A session inside TLS; it greets where that is due. Nothing is carried over from the clear (S2, R3207-1).
    fn start(channel: &Sealed, config: Arc<Config>) -> Self {
        let mut core = Core::new(config, Logins::sealed(channel));
        if channel.greeting_is_due() {
            core.greet();
        }
        Self {
            core,
            channel: channel.share(),
        }
    }
}

impl Upgrade for Server<Clear> {
    fn nothing_left(&self) -> Result<(), Injected> {
        self.core.nothing_left()
    }
}

impl Upgrade for Server<Legacy> {
    fn nothing_left(&self) -> Result<(), Injected> {
        self.core.nothing_left()
    }
}

impl AsksForPermit for Server<Clear> {
    type Permitted = Server<Legacy>;

    fn permitted(self, channel: Legacy, window: LegacyWindow) -> Server<Legacy> {
        let mut legacy = Server {
            core: self.core,
            channel,
        };
        legacy.permit(Some(window));
        legacy
    }

    fn refuse_login(&mut self) {
        self.core.refuse_login();
    }
}

impl<C: LoginChannel> Server<C> {
    /// Answers [`Event::NeedPermit`], which comes in the clear alone: goes on with the login if the window permits it,
    /// or refuses it as [`AsksForPermit::refuse_login`] does.
    pub fn permit(&mut self, window: Option<LegacyWindow>) {
        match permit(&self.channel, window.as_ref()) {
            Some(permit) => self.core.login_permitted(&permit),
            None => self.core.refuse_login(),
        }
    }

    /// Answers [`Event::Login`]. Without effect at any other time, as are all answers that nobody asked for.
    pub fn answer_login(&mut self, answer: LoginAnswer) {
        self.core.answer_login(answer);
    }

    /// Accepts the sender, the recipient, the beginning or the end of content that the last event told of.
    pub fn accept(&mut self) {
        self.core.accept();
    }

    /// Refuses it; or, between two pieces of content, the whole message.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.core.refuse(refusal);
    }

    /// The name given with the last EHLO or HELO.
    #[must_use]
    pub fn client_name(&self) -> Option<&EhloName> {
        self.core.client_name()
    }
}

impl<C: ChannelState> Server<C> {
    /// The conversation is over: the attempt to log in that is under way, if there is one, ended so. To be put on
    /// record.
    pub fn abort_login(&mut self, how: LoginAbort) -> Option<LoginEvent> {
        self.core.logins.authentication()?.abort(how)
    }

    /// Says 421 and ends: the server goes down.
    pub fn shut_down(&mut self) {
        self.core.shut_down();
    }

    /// Says 421 and ends: nothing was heard for too long.
    pub fn idle_too_long(&mut self) {
        self.core.idle_too_long();
    }
}

impl<C: ChannelState> Machine for Server<C> {
    type Event = Event;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        self.core.input(bytes);
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        self.core.poll()
    }
}
