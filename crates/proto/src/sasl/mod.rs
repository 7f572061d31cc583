//! SASL (RFC 4422) for all protocols: mechanisms, what is listed, what is chosen, and both ends of each exchange.
//!
//! One place decides what a server lists and accepts: [`server::Offer`], made from the proof that policy lets a
//! channel authenticate ([`pillarbox_policy::AuthPermit`]). One place runs a server's side of every login,
//! for all protocols: [`Authentication`]. One place decides what a client uses: [`client::choose`]. The exchanges
//! are pure machines over decoded messages. This module knows no account, no clock and no random source: keys,
//! verdicts on passwords and [`Nonce`]s are inputs.
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

mod authentication;
pub mod client;
pub mod coding;
mod failure;
mod login;
mod logins;
mod mechanism;
mod nonce;
mod plain;
mod prepare;
mod scram;
pub mod server;

pub use authentication::{
    Authentication, AuthenticationStep, LoginAnswer, LoginEvent, LoginMethod, LoginQuestion,
    LoginReply,
};
pub use coding::{MAX_LINE, MAX_MESSAGE};
pub(crate) use logins::Logins;
pub use logins::LoginsInClear;
pub use mechanism::{Mechanism, mechanisms_offered};
pub use nonce::Nonce;
pub use prepare::{MAX_LOGIN, MAX_PASSWORD, PrepareError, prepare_login, prepare_password};
pub use scram::keys::{MAX_ITERATIONS, MIN_ITERATIONS, ScramKeys};
