//! What a server machine is told before it begins.

use crate::SessionLimits;
use crate::sasl;
use crate::server::StartTls;
use crate::smtp::DeliveryReports;

/// What one listener's server says and allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The server's own name, for the greeting and the answer to EHLO.
    pub hostname: String,
    /// Whether STARTTLS can succeed; it is answered 454 where it cannot (R3207-3). Asked of cleartext sessions only.
    pub starttls: StartTls,
    /// Whether the DSN extension is offered.
    pub reports: DeliveryReports,
    /// The limits.
    pub limits: Limits,
}

impl Config {
    /// A server of this name with the default limits.
    #[must_use]
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            starttls: StartTls::Offered,
            reports: DeliveryReports::NotOffered,
            limits: Limits::default(),
        }
    }
}

/// Limits of a server machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest command line but AUTH, in octets without CRLF (RFC 5321 §4.5.3.1.4 and the extensions'
    /// additions).
    pub command_line: usize,
    /// The largest message, in octets. Up to as much again is read and thrown away before the connection is
    /// given up.
    pub message: u64,
    /// Recipients of one message.
    pub recipients: u32,
    /// What is the same for all protocols.
    pub session: SessionLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line: 2048,
            message: 50 * 1024 * 1024,
            recipients: 500,
            session: SessionLimits::default(),
        }
    }
}

/// The longest line of all: `AUTH`, a mechanism, and a whole message of the exchange.
pub(super) const LONGEST_LINE: usize = sasl::MAX_LINE + 64;
