//! The only crate with sockets and TLS.
//!
//! It listens and dials, does the handshakes, checks certificates, and carries the bytes of a sans-IO
//! [`pillarbox_proto::Machine`] to and from the peer that its connection started it for ([`Conversation`]). What a
//! finished handshake was worth is [`pillarbox_policy::TlsFacts`], minted in one private module and nowhere else.
//! It knows no protocol beyond its name, no account and no mailbox.
//!
//! TLS 1.3 and 1.2 only, hybrid key exchange first, no CBC, no DHE, no early data, no compression, no
//! renegotiation (R9325-1..13, R10015-1). There is no switch that weakens any of it.
//!
//! ```
//! use pillarbox_names::Service;
//! use pillarbox_transport::{Dialer, Roots, ServerIdentity};
//!
//! // Whom we mean comes from the user or from signed DNS, never from the network (R9525-3).
//! let identity = ServerIdentity::host("mail.example.net".parse()?).with_mail_domain("example.org".parse()?);
//! let dialer = Dialer::new(Service::Imap, Roots::empty());
//! # let _ = (identity, dialer);
//! # Ok::<(), pillarbox_names::NameError>(())
//! ```

mod acceptor;
mod certificates;
mod connection;
mod connection_limit;
mod conversation;
mod dialer;
mod drive;
mod facts;
mod failure;
#[cfg(feature = "hand-driven")]
mod hand_driven;
mod hello;
mod identity;
mod io;
mod listener;
mod outgoing;
mod process;
mod provider;
mod proxy;
pub mod random;
mod roots;
mod stream;
mod suites;
mod verifier;
mod wire;

pub use acceptor::Acceptor;
pub use certificates::{
    CertificateError, CertificateFiles, CertificateStore, CertificateWarning, Certificates,
    NoUsableCertificate,
};
pub use connection::Connection;
pub use conversation::{Conversation, UpgradeError};
pub use dialer::{DialError, Dialer, Target};
pub use drive::{ConnectionError, Driven, ForeignMachine};
pub use failure::HandshakeError;
#[cfg(feature = "hand-driven")]
pub use hand_driven::HandDriven;
pub use identity::ServerIdentity;
pub use io::Timeouts;
pub use listener::{Accepted, Listener, ListenerLimits, Start, Unserved};
pub use process::forbid_core_dumps;
pub use proxy::{Balancers, ProxyError};
pub use roots::{Roots, RootsError};
pub use stream::SealedStream;
