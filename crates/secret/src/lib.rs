//! Secrets on their way: texts and octets that are zeroed when they are done with, never printed, and compared in
//! constant time.
//!
//! What may be done with a secret is not said here: that is policy's, whose `Credentials` hold one. This crate does no
//! IO and depends on none of the others.
//!
//! ```
//! use pillarbox_secret::Secret;
//!
//! assert_eq!(format!("{:?}", Secret::from("hunter2")), "Secret(..)");
//! ```

mod octets;
mod text;

pub use octets::{NotUtf8, SecretBytes};
pub use text::Secret;
