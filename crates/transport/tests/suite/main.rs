//! TLS and listeners over real sockets.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that meets the unexpected fails"
)]

mod balancers;
mod certificate_checks;
mod certificate_files;
mod certificate_paths;
mod channel_binding;
mod client_certificates;
mod client_hello;
mod closing;
mod conversations;
mod driving;
mod foreign;
mod handshake;
mod listening;
mod logging;
mod old_hellos;
mod openssl;
mod stalled;
mod support;
mod weak_certificates;
