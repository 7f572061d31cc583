//! Sessions of `pillarboxd`: a protocol machine of `proto`, the store and the policy put together, and what
//! they need around them: configuration, authentication, accounts, login records, listeners, shutdown.
//!
//! This crate opens no socket itself and knows no TLS library; `transport` does. It never decides what is
//! confidential enough; `policy` does. Each protocol has one folder with one `serve` function; all of them
//! log in through the one [`auth::Authenticator`].
//!
//! ```
//! use std::path::Path;
//! use pillarbox_server::{accounts, config};
//!
//! let settings = config::parse(
//!     r#"
//!         hostname = "mail.example.org"
//!         domains = ["example.org"]
//!         [[certificates]]
//!         chain = "mail.example.org.pem"
//!         key = "mail.example.org.key"
//!     "#,
//!     Path::new("/etc/pillarbox/pillarboxd.toml"),
//! )?;
//! // Implicit TLS first; there is no key that switches TLS off.
//! assert_eq!(settings.listeners[0].label.as_str(), "imaps");
//! assert_eq!(accounts::address("Ann@EXAMPLE.org", &settings)?.to_string(), "Ann@example.org");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod auth;
mod core;
mod imap;
mod pop3;
mod run;
mod session;
mod submission;

pub use self::core::{clock, config, delivery, shutdown, storage};
pub use auth::accounts;
pub use auth::{AccountHandle, Authenticator, Origin, SessionLogins};
pub use config::Settings;
pub use lifecycle::{RunningServer, StartError};
pub use run::listeners::{ListenError, serve};
pub use run::{admin, certificates, lifecycle};
pub use session::context::{Context, ListenerInfo};
pub use shutdown::{Shutdown, ShutdownTrigger};
