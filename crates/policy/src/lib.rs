//! What is confidential enough, and what may move once it is.
//!
//! A connection's worth is a value, [`TlsFacts`], minted in one place (the `transport` crate) from a
//! finished handshake. Its absence is a value too, [`NoTls`], with the reason. Nothing secret moves
//! without the first: [`Credentials::release`] asks for it and hands out [`Released`], the only type
//! from which a password can be read.
//!
//! This crate does no IO, reads no clock and knows no protocol. It is the page a security reviewer
//! reads; keep it short.
//!
//! ```
//! use pillarbox_policy::{AccountLevel, Level, Secret};
//!
//! let level = AccountLevel::default();
//! assert_eq!(level.current(), Level::Default); // S5.2-1: a minimum is required unless someone says otherwise
//! assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(..)");
//! ```

mod absence;
mod channel;
mod connection_id;
mod credentials;
mod facts;
mod grants;
mod ladder;
mod level;
mod login;
mod refusal;
mod time;

pub use pillarbox_names::{CipherSuite, Group, TlsEnd, TlsVersion};
pub use pillarbox_secret::{NotUtf8, Secret, SecretBytes};

pub use absence::{HandshakeFailure, NoTls};
pub use channel::{AuthPermit, Channel, ClearFacts, MayAuthenticate, may_authenticate};
pub use connection_id::ConnectionId;
pub use credentials::{Credentials, Released};
pub use facts::{ChannelBinding, FactsParts, PeerProof, TlsFacts, TlsRecord};
pub use grants::{CleartextGrant, Grants, LegacyWindow};
pub use ladder::{Admission, Grant, Ladder, LadderRefusal, Ratchet, Rung};
pub use level::{AccountLevel, Consent, ConsentRecord, Level, Lowering, StoredLevel};
pub use login::{LoginAbort, LoginOutcome, LoginRefusal, Tampering, UnknownOutcome};
pub use refusal::{Refusal, RefusalCode};
pub use time::Timestamp;
