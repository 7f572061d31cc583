//! Capabilities (RFC 2449 §6): what a server lists, and what a client made of it.

use crate::sasl::Mechanism;

/// The most lines of a capability list that a client takes.
pub(super) const MAX_LINES: usize = 100;

/// What a server said it can do. A client forgets it when TLS starts (R2595-1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    lines: Vec<String>,
}

impl Capabilities {
    pub(super) fn add(&mut self, line: &[u8]) {
        self.lines.push(String::from_utf8_lossy(line).into_owned());
    }

    pub(super) fn lines(&self) -> usize {
        self.lines.len()
    }

    /// Whether a capability is listed, without regard to ASCII case: `STLS`, `USER`, `UIDL`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.arguments(name).is_some()
    }

    /// The words behind a capability's name, if it is listed.
    pub fn arguments(&self, name: &str) -> Option<impl Iterator<Item = &str>> {
        self.lines.iter().find_map(|line| {
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            words
                .next()
                .is_some_and(|first| first.eq_ignore_ascii_case(name))
                .then_some(words)
        })
    }

    /// The SASL mechanisms listed (RFC 5034 §3), known to us or not.
    pub fn mechanisms(&self) -> impl Iterator<Item = &[u8]> {
        self.arguments("SASL")
            .into_iter()
            .flatten()
            .map(str::as_bytes)
    }
}

/// Whether STLS is permitted at this moment (RFC 2595 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StlsNow {
    Permitted,
    NotPermitted,
}

/// A server's list with its end mark.
///
/// `mechanisms` are those that may be used on this channel; none, where no credentials are taken. What can be
/// used before login stays listed after it (R2449-1); STLS stands in it only where it is permitted (R2595-1).
pub(super) fn list(mechanisms: &[Mechanism], stls: StlsNow) -> Vec<u8> {
    let mut list = String::from("+OK what this server can do\r\n");
    for line in ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"] {
        list.push_str(line);
        list.push_str("\r\n");
    }
    if !mechanisms.is_empty() {
        list.push_str("USER\r\nSASL");
        for mechanism in mechanisms {
            list.push(' ');
            list.push_str(mechanism.as_str());
        }
        list.push_str("\r\n");
    }
    if stls == StlsNow::Permitted {
        list.push_str("STLS\r\n");
    }
    list.push_str("IMPLEMENTATION Pillarbox\r\n.\r\n");
    list.into_bytes()
}
