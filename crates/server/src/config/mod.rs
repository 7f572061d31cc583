//! Configuration: a TOML file, read into `Entered` as it was typed and checked into [`Settings`].
//!
//! TLS is not a key; certificates are. No key can switch off a requirement for TLS.

mod settings;

pub use settings::{
    CertificateFiles, Limits, ListenerSettings, LogFormat, LogSettings, Settings, StoreSettings,
};
