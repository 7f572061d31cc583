//! Discovery against real name servers.

mod ports;
mod zones;
