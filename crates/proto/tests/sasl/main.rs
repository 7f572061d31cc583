//! The SASL exchanges, from outside.

mod server;
