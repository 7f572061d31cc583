//! The mail services, as far as TLS has to tell them apart: ALPN and SRV labels.

use pillarbox_policy::How;

/// Which protocol a listener or dialer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// IMAP, ports 993 and 143.
    Imap,
    /// POP3, ports 995 and 110.
    Pop3,
    /// Message submission, ports 465 and 587.
    Submission,
}

impl Service {
    /// A stable word for logs.
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

    /// The SRV service label, as an SRV-ID carries it: without `_tcp` (R7817-2, RFC 4985 §2).
    #[must_use]
    pub fn srv_label(self, how: How) -> &'static str {
        match (self, how) {
            (Self::Imap, How::Implicit | How::Proxied) => "_imaps",
            (Self::Imap, How::StartTls) => "_imap",
            (Self::Pop3, How::Implicit | How::Proxied) => "_pop3s",
            (Self::Pop3, How::StartTls) => "_pop3",
            (Self::Submission, How::Implicit | How::Proxied) => "_submissions",
            (Self::Submission, How::StartTls) => "_submission",
        }
    }
}
