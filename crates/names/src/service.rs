//! [`Service`], [`TlsStart`] and the [`Label`] made of both: SRV labels, registered ports, ALPN identifiers.

use std::fmt;

/// A mail service that a person's programs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Access by IMAP (RFC 9051).
    Imap,
    /// Access by POP3 (RFC 1939).
    Pop3,
    /// Message submission (RFC 6409).
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

    /// The word that logs, records and files know it by.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Submission => "submission",
        }
    }

    /// The ALPN identifier that a listener of this service selects. A client that offers ALPN without it is
    /// refused with `no_application_protocol`, so that a browser cannot be led here (R7301-1, S6).
    ///
    /// `imap` and `pop3` are registered. None is for submission: `smtp` is accepted there as the private
    /// convention it is, and everything else refused.
    #[must_use]
    pub fn alpn_served(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Submission => "smtp",
        }
    }

    /// The ALPN identifier our client offers: the registered ones only.
    #[must_use]
    pub fn alpn_offered(self) -> Option<&'static str> {
        match self {
            Self::Imap => Some("imap"),
            Self::Pop3 => Some("pop3"),
            Self::Submission => None,
        }
    }
}

impl fmt::Display for Service {
    /// As people write it.
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

/// How TLS starts on a connection. There is no third way (S1-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsStart {
    /// With the first octet, on a port used for TLS alone (S2-2, S3-1).
    Implicit,
    /// After STARTTLS or STLS on a cleartext connection, required before anything secret (S3-2).
    StartTls,
}

impl TlsStart {
    /// The word for logs, records and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::StartTls => "starttls",
        }
    }
}

/// One SRV label of RFC 6186 or RFC 8314 §5.1: a service and how TLS starts on it. It also names a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// The service.
    pub service: Service,
    /// How TLS starts. A label without `s` is taken to mean STARTTLS, never cleartext (S5.1-3).
    pub start: TlsStart,
}

impl Label {
    /// The six labels there are, those of implicit TLS first.
    pub const ALL: [Self; 6] = [
        Self::new(Service::Imap, TlsStart::Implicit),
        Self::new(Service::Pop3, TlsStart::Implicit),
        Self::new(Service::Submission, TlsStart::Implicit),
        Self::new(Service::Imap, TlsStart::StartTls),
        Self::new(Service::Pop3, TlsStart::StartTls),
        Self::new(Service::Submission, TlsStart::StartTls),
    ];

    /// The label of a service on which TLS starts like this.
    #[must_use]
    pub const fn new(service: Service, start: TlsStart) -> Self {
        Self { service, start }
    }

    /// The first label of the SRV owner name, which is also the service in an SRV-ID: `_imaps` (R7817-2,
    /// RFC 4985 §2).
    #[must_use]
    pub fn srv(self) -> &'static str {
        match (self.service, self.start) {
            (Service::Imap, TlsStart::Implicit) => "_imaps",
            (Service::Imap, TlsStart::StartTls) => "_imap",
            (Service::Pop3, TlsStart::Implicit) => "_pop3s",
            (Service::Pop3, TlsStart::StartTls) => "_pop3",
            (Service::Submission, TlsStart::Implicit) => "_submissions",
            (Service::Submission, TlsStart::StartTls) => "_submission",
        }
    }

    /// The registered service name: `imaps`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.srv().trim_start_matches('_')
    }

    /// The registered port (S3.1-1, S3.2-1, S3.3-1).
    #[must_use]
    pub fn default_port(self) -> u16 {
        match (self.service, self.start) {
            (Service::Imap, TlsStart::Implicit) => 993,
            (Service::Imap, TlsStart::StartTls) => 143,
            (Service::Pop3, TlsStart::Implicit) => 995,
            (Service::Pop3, TlsStart::StartTls) => 110,
            (Service::Submission, TlsStart::Implicit) => 465,
            (Service::Submission, TlsStart::StartTls) => 587,
        }
    }
}

impl fmt::Display for Label {
    /// As it stands in front of the domain in DNS.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}._tcp", self.srv())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The constants of the protocols, as their registries have them: service names, SRV labels and ports (RFC 8314
    /// §3 and §5.1, RFC 6186 §3, RFC 6409 §3.1), ALPN identifiers (RFC 7301; none is registered for submission).
    #[test]
    fn what_is_registered() {
        use Service::{Imap, Pop3, Submission};
        use TlsStart::{Implicit, StartTls};
        #[rustfmt::skip]
        let labels = [
            (Imap,       Implicit, "imaps",       "_imaps._tcp",       993),
            (Pop3,       Implicit, "pop3s",       "_pop3s._tcp",       995),
            (Submission, Implicit, "submissions", "_submissions._tcp", 465),
            (Imap,       StartTls, "imap",        "_imap._tcp",        143),
            (Pop3,       StartTls, "pop3",        "_pop3._tcp",        110),
            (Submission, StartTls, "submission",  "_submission._tcp",  587),
        ];
        for (label, (service, start, name, srv, port)) in Label::ALL.into_iter().zip(labels) {
            assert_eq!(label, Label::new(service, start));
            assert_eq!((label.as_str(), label.default_port()), (name, port));
            assert_eq!(label.to_string(), srv);
        }
        #[rustfmt::skip]
        let services = [
            (Imap,       "imap",       "imap", Some("imap"), Family::Access),
            (Pop3,       "pop3",       "pop3", Some("pop3"), Family::Access),
            (Submission, "submission", "smtp", None,         Family::Submission),
        ];
        for (service, (expected, word, served, offered, family)) in
            Service::ALL.into_iter().zip(services)
        {
            assert_eq!((service, service.as_str()), (expected, word));
            let alpn = (service.alpn_served(), service.alpn_offered());
            assert_eq!(alpn, (served, offered));
            assert_eq!(service.family(), family);
        }
        let starts = [Implicit, StartTls].map(TlsStart::as_str);
        assert_eq!(starts, ["implicit", "starttls"]);
    }
}
