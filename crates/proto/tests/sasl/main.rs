//! The SASL exchanges, from outside.

#[path = "../channels/mod.rs"]
mod channels;
mod server;
