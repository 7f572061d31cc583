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
//! use pillarbox_proto::{LoginChannel, LoginMachine, sasl::LoginAnswer, smtp::submission::server::Server};
//! fn let_in<C: LoginChannel>(server: &mut Server<C>) {
//!     server.answer_login(LoginAnswer::Accept);
//! }
//! fn take<C: LoginChannel>(server: &mut Server<C>) {
//!     server.accept();
//! }
//! ```
//! ```compile_fail,E0599
//! use pillarbox_proto::{Clear, LoginMachine, sasl::LoginAnswer, smtp::submission::server::Server};
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

pub use crate::Violation;
pub use crate::sasl::LoginsInClear;
pub use crate::server::StartTls;
pub use config::{Config, Limits};
pub use event::{Event, Request};
pub use state::Submission;

use crate::smtp::Refusal;
use crate::{LoginChannel, server};

/// The server's machine.
pub type Server<C> = server::Server<Submission, C>;

impl<C: LoginChannel> Server<C> {
    /// Accepts the sender, the recipient, the beginning or the end of content that the last event told of.
    pub fn accept(&mut self) {
        self.protocol.accept();
    }

    /// Refuses it; or, between two pieces of content, the whole message.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.protocol.refuse(refusal);
    }
}
