//! What things are called: services and how TLS starts on them, TLS versions, suites and groups, hosts, mail domains,
//! mail addresses, networks.
//!
//! A text from a person, a file or a peer is parsed here once, and from then on it is a value: two spellings of
//! one host compare equal, and whoever holds an [`Address`] need not ask again whether it is one. This crate does
//! no IO, knows no protocol state and depends on none of the others; all of them may use it.
//!
//! ```
//! use pillarbox_names::{Address, Domain, Host, Label, Network, Service, TlsStart};
//!
//! let address: Address = "\"alice\"@BÜCHER.example".parse()?;
//! assert_eq!(address.to_string(), "alice@xn--bcher-kva.example");
//! assert!(Host::parse("imap.example.org")?.is_within(&Domain::parse("example.org")?));
//! assert_eq!(Label::new(Service::Imap, TlsStart::Implicit).default_port(), 993);
//! let client = Network::of("2001:db8::7".parse()?);
//! assert_eq!(client.to_string(), "2001:db8::/64");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod deceptive;
mod domain;
mod network;
mod service;
mod tls;

pub use address::{AccountAddress, Address, AddressDomain, AddressError, MAX_LOCAL_PART};
pub use deceptive::is_deceptive;
pub use domain::{Domain, Host, MAX_DOMAIN, NameError};
pub use network::{Network, NetworkError};
pub use service::{Family, Label, Service, TlsStart};
pub use tls::{CipherSuite, Group, TlsEnd, TlsVersion};
