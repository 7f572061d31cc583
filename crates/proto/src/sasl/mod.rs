//! SASL (RFC 4422) for all protocols: mechanisms, what is listed, what is chosen, and both ends of each exchange.
//!
//! One place decides what a server lists and accepts: [`server::Offer`], made from the proof that policy lets a
//! channel authenticate ([`pillarbox_policy::AuthPermit`]). One place decides what a client uses:
//! [`client::choose`]. The exchanges are pure machines over decoded messages; the protocols frame them with
//! [`coding`]. This module knows no account, no clock and no random source: keys, passwords' verdicts and
//! [`Nonce`]s are inputs.
//!
//! ```
//! use pillarbox_policy::{Channel, MayAuthenticate, may_authenticate};
//! use pillarbox_proto::sasl::server::Offer;
//! # use pillarbox_proto::sasl::Mechanism;
//!
//! let facts = pillarbox_testkit::facts();
//! let MayAuthenticate::Yes(permit) = may_authenticate(Channel::Sealed(&facts), None) else { panic!() };
//! let offer = Offer::new(&permit);
//! assert_eq!(offer.mechanisms()[0], Mechanism::ScramSha256Plus);
//! ```

pub mod client;
pub mod coding;
mod login;
mod mechanism;
mod nonce;
mod plain;
mod prepare;
mod scram;
pub mod server;

pub use mechanism::{Mechanism, mechanisms_offered};
pub use nonce::Nonce;
pub use prepare::{MAX_LOGIN, MAX_PASSWORD, PrepareError, prepare_login, prepare_password};
pub use scram::keys::{MAX_ITERATIONS, MIN_ITERATIONS, ScramKeys};

/// The longest decoded message either end takes, in octets. With base64 it makes a line of [`MAX_LINE`].
pub const MAX_MESSAGE: usize = 9 * 1024;

/// The longest base64 line of an exchange, in octets without CRLF: RFC 4954 §4 asks for 12,288, RFC 5034 §4
/// sets no limit to it but lifts the 255 octets of a command line (R5034-2).
pub const MAX_LINE: usize = 12 * 1024;
