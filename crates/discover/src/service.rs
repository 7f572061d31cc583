//! The mail services a person uses, and the SRV labels that advertise them.

use std::fmt;

/// A mail service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Access by IMAP (RFC 9051).
    Imap,
    /// Access by POP3 (RFC 1939).
    Pop3,
    /// Submission (RFC 6409).
    Submission,
}

impl Service {
    /// Every service, the one preferred at equal priority first.
    pub const ALL: [Self; 3] = [Self::Imap, Self::Pop3, Self::Submission];

    /// What it is for.
    #[must_use]
    pub fn family(self) -> Family {
        match self {
            Self::Imap | Self::Pop3 => Family::Access,
            Self::Submission => Family::Submission,
        }
    }

    /// The name people and files know it by.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Submission => "submission",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
            Self::Submission => "submission",
        })
    }
}

/// What a service is for. An account needs one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Reading mail.
    Access,
    /// Sending mail.
    Submission,
}

/// How TLS begins. There is no third way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// TLS from the first byte (S3-1).
    Implicit,
    /// STARTTLS or STLS, required before anything else (S3-2).
    StartTls,
}

impl Mode {
    /// The word stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::StartTls => "starttls",
        }
    }
}

/// One SRV label of RFC 6186 or RFC 8314 §5.1: a service and how TLS begins on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The service.
    pub service: Service,
    /// How TLS begins. A label without `s` is taken to mean STARTTLS, never cleartext (S5.1-3).
    pub mode: Mode,
}

impl Label {
    /// The six labels that are looked up.
    pub const ALL: [Self; 6] = [
        Self::new(Service::Imap, Mode::Implicit),
        Self::new(Service::Imap, Mode::StartTls),
        Self::new(Service::Pop3, Mode::Implicit),
        Self::new(Service::Pop3, Mode::StartTls),
        Self::new(Service::Submission, Mode::Implicit),
        Self::new(Service::Submission, Mode::StartTls),
    ];

    /// The label of a service in a mode.
    #[must_use]
    pub const fn new(service: Service, mode: Mode) -> Self {
        Self { service, mode }
    }

    /// The first label of the SRV owner name, which is also the name in an SRV-ID (R7817-2).
    #[must_use]
    pub fn srv(self) -> &'static str {
        match (self.service, self.mode) {
            (Service::Imap, Mode::Implicit) => "_imaps",
            (Service::Imap, Mode::StartTls) => "_imap",
            (Service::Pop3, Mode::Implicit) => "_pop3s",
            (Service::Pop3, Mode::StartTls) => "_pop3",
            (Service::Submission, Mode::Implicit) => "_submissions",
            (Service::Submission, Mode::StartTls) => "_submission",
        }
    }

    /// The registered port (S3.1-1, S3.2-1, S3.3-1).
    #[must_use]
    pub fn default_port(self) -> u16 {
        match (self.service, self.mode) {
            (Service::Imap, Mode::Implicit) => 993,
            (Service::Imap, Mode::StartTls) => 143,
            (Service::Pop3, Mode::Implicit) => 995,
            (Service::Pop3, Mode::StartTls) => 110,
            (Service::Submission, Mode::Implicit) => 465,
            (Service::Submission, Mode::StartTls) => 587,
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}._tcp", self.srv())
    }
}
