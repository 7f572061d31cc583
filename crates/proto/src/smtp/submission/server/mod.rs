//! The server's machine.
//!
//! ```
//! use std::sync::Arc;
//! use pillarbox_proto::smtp::submission::server::{Config, Server};
//! use pillarbox_proto::{Machine, Sealed, Step};
//!
//! let config = Arc::new(Config::new("mail.example.org"));
//! let mut server = Server::<Sealed>::new(config, pillarbox_testkit::facts());
//! assert_eq!(server.poll(), Step::Output(b"220 mail.example.org ESMTP Pillarbox\r\n".into()));
//! server.input(b"MAIL FROM:<ann@example.org>\r\n");
//! assert_eq!(server.poll(), Step::Output(b"503 5.5.1 Send EHLO first\r\n".into()));
//! ```
//! STARTTLS consumes the cleartext machine; there is no other way from one to the other, and none back:
//! ```compile_fail,E0599
//! # use pillarbox_proto::smtp::submission::server::Server;
//! # use pillarbox_proto::Sealed;
//! fn twice(server: Server<Sealed>, facts: pillarbox_policy::TlsFacts) {
//!     let _ = server.into_sealed(facts);
//! }
//! ```

mod auth;
mod commands;
mod config;
mod event;
mod receive;
mod state;

use std::marker::PhantomData;
use std::sync::Arc;

use pillarbox_policy::{Channel, LegacyWindow, NoTls, TlsFacts};

pub use config::{Config, Limits, StartTlsOffer};
pub use event::{Event, LoginAnswer, Violation};

use self::state::Core;
use crate::sasl::{Nonce, ScramKeys};
use crate::smtp::{EhloName, Refusal};
use crate::{Clear, Injected, Machine, Sealed, Step};

/// A submission server over a [`Clear`] or [`Sealed`] channel.
#[derive(Debug)]
pub struct Server<C> {
    core: Core,
    channel: PhantomData<C>,
}

impl Server<Clear> {
    /// A cleartext session; it greets. Without a window AUTH and MAIL wait for TLS.
    #[must_use]
    pub fn new(config: Arc<Config>, window: Option<LegacyWindow>) -> Self {
        let mut core = Core::new(config, Channel::Clear(NoTls::NotOffered), window);
        core.greet();
        Self {
            core,
            channel: PhantomData,
        }
    }

    /// The handshake that [`Event::StartTls`] asked for is done. Nothing is carried over (S2, R3207-1).
    ///
    /// # Errors
    /// Bytes came in the clear behind STARTTLS (S1). The connection has to be closed.
    pub fn into_sealed(self, facts: TlsFacts) -> Result<Server<Sealed>, Injected> {
        self.core.nothing_left()?;
        Ok(Server {
            core: Core::new(Arc::clone(self.core.config()), Channel::Sealed(facts), None),
            channel: PhantomData,
        })
    }
}

impl Server<Sealed> {
    /// A session with TLS from the first byte; it greets.
    #[must_use]
    pub fn new(config: Arc<Config>, facts: TlsFacts) -> Self {
        let mut core = Core::new(config, Channel::Sealed(facts), None);
        core.greet();
        Self {
            core,
            channel: PhantomData,
        }
    }
}

impl<C> Server<C> {
    /// Answers [`Event::NeedNonce`] with a fresh one. Without effect at any other time, as are all answers
    /// that nobody asked for.
    pub fn nonce(&mut self, nonce: Nonce) {
        self.core.nonce(nonce);
    }

    /// Answers [`Event::NeedScramKeys`].
    pub fn scram_keys(&mut self, keys: ScramKeys) {
        self.core.scram_keys(keys);
    }

    /// Answers [`Event::CheckPassword`] and [`Event::CheckScram`]; and [`Event::NeedNonce`] and
    /// [`Event::NeedScramKeys`] where there is nothing to answer them with.
    pub fn login_decided(&mut self, answer: LoginAnswer) {
        self.core.login_decided(answer);
    }

    /// Accepts the sender, the recipient, the beginning or the end of content that the last event told of.
    pub fn accept(&mut self) {
        self.core.accept();
    }

    /// Refuses it; or, between two pieces of content, the whole message.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.core.refuse(refusal);
    }

    /// Says 421 and ends: the server goes down.
    pub fn shut_down(&mut self) {
        self.core.shut_down();
    }

    /// Says 421 and ends: nothing was heard for too long.
    pub fn idle_too_long(&mut self) {
        self.core.idle_too_long();
    }

    /// The name given with the last EHLO or HELO.
    #[must_use]
    pub fn client_name(&self) -> Option<&EhloName> {
        self.core.client_name()
    }
}

impl<C> Machine for Server<C> {
    type Event = Event;
    type Error = Violation;

    fn input(&mut self, bytes: &[u8]) {
        self.core.input(bytes);
    }

    fn poll(&mut self) -> Step<Event, Violation> {
        self.core.poll()
    }
}
