//! Sans-IO machines and grammars of the mail protocols, both ends of each.
//!
//! A machine is fed bytes with [`Machine::input`] and asked what to do with [`Machine::poll`]. It never reads
//! a socket, a clock or a random source: time and randomness are inputs. `transport` has the one driver.
//! This crate knows no store and no TLS library; what a channel is worth reaches it as
//! [`pillarbox_policy::TlsFacts`].
//!
//! Every protocol has the same shape:
//!
//! * a machine over [`Clear`] speaks only what may travel in the clear: greeting, capabilities, STARTTLS,
//!   goodbye. It has no method that takes a credential or a mailbox;
//! * STARTTLS consumes it, and one leftover byte is [`Injected`], an error (C1, S1);
//! * a machine over [`Sealed`] starts from nothing;
//! * a server over [`Legacy`] takes logins in the clear, each under a window that an operator's grant opened.
//!
//! Every machine belongs to the channel that started it ([`OnChannel`]), and is driven over no other.
//!
//! ```
//! use pillarbox_proto::line::{LineBuffer, LineLimits};
//!
//! let mut lines = LineBuffer::new(LineLimits::default());
//! lines.push(b"CAPA\r\nQU");
//! assert_eq!(lines.next_line().unwrap().unwrap().as_bytes(), b"CAPA");
//! assert!(lines.next_line().unwrap().is_none());
//! ```

pub mod channel;
pub mod dots;
mod http;
pub mod imap;
pub mod line;
pub mod machine;
pub mod message;
pub mod pop3;
pub mod sasl;
pub mod server;
pub mod server_text;
mod session_limits;
pub mod smtp;
mod violation;

pub use channel::{ChannelState, Clear, Injected, Legacy, LoginChannel, Sealed};
pub use machine::{AsksForPermit, Machine, OnChannel, Start, Step, Upgrade};
pub use server::{LoginMachine, ServerMachine};
pub use server_text::ServerText;
pub use session_limits::SessionLimits;
pub use violation::Violation;
