//! From a mail address to the servers that may be asked about it.
//!
//! SRV records are looked up with their DNSSEC status ([`Resolver`]), ranked by a pure function
//! ([`rank::rank`]) and handed out as [`Candidate`]s. A candidate cannot be connected to: [`Approved`] can,
//! and it is made from a candidate only where the domain itself, a DNSSEC signature or the person's own
//! answer speaks for the host (RFC 8314 §5.1, S5.1-10, S5.1-11).
//!
//! Every candidate means TLS, implicit or by STARTTLS: cleartext is not among the things this crate can
//! express. It opens no connection but to name servers, and knows no mail protocol.
//!
//! ```
//! use pillarbox_discover::{Status, Trust, trust_of};
//! use pillarbox_names::{Domain, Host};
//!
//! let domain = Domain::parse("example.org").unwrap();
//! let host = Host::parse("badexample.org").unwrap();
//! assert!(matches!(trust_of(&domain, &host, Status::Insecure), Trust::NeedsConfirmation { .. }));
//! ```

mod candidate;
mod error;
pub mod rank;
mod resolver;
mod search;

pub use candidate::{
    Approved, Candidate, Confirmation, NotConfirmed, References, Source, Trust, WhyAsk, trust_of,
};
pub use error::DiscoverError;
pub use rank::{Entry, Verdict};
pub use resolver::{Addresses, Resolver, ResolverSettings, SrvAnswer, SrvRecord, Status};
pub use search::{Found, conventional, search};
