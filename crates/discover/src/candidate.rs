//! [`Candidate`]: a server that might be the right one, and [`Approved`]: one that may be connected to.

use std::fmt;

use pillarbox_names::{Domain, Host, Label, Service, TlsStart};
use pillarbox_policy::RefusalCode;

use crate::Status;

/// Where a candidate came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// An SRV record (RFC 6186, S5-1).
    Srv,
    /// A name that is customary, such as `imap.example.org`: a guess.
    Convention,
    /// The person typed it.
    Typed,
}

/// What speaks for a candidate's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// It is the mail domain itself or below it (S5.1-10 (a)).
    InDomain,
    /// It is elsewhere, and a DNSSEC-secure SRV record names it (S5.1-10 (b)). To be shown, not asked.
    Signed,
    /// The person typed the host.
    Typed,
    /// Nothing does: the person has to be asked before any connection (S5.1-11).
    NeedsConfirmation {
        /// The domain of the mail address.
        domain: Domain,
        /// The host in question.
        host: Host,
        /// Why the question has to be asked.
        why: WhyAsk,
    },
}

/// Why a person has to be asked about a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyAsk {
    /// An unsigned SRV record names a host outside of the mail domain.
    UnsignedElsewhere,
    /// Nothing was published; the host is a guess.
    Guess,
}

/// The rule of S5.1-10 and S5.1-11 for an SRV target.
#[must_use]
pub fn trust_of(domain: &Domain, host: &Host, status: Status) -> Trust {
    if host.is_within(domain) {
        return Trust::InDomain;
    }
    match status {
        Status::Secure => Trust::Signed,
        Status::Insecure => Trust::NeedsConfirmation {
            domain: domain.clone(),
            host: host.clone(),
            why: WhyAsk::UnsignedElsewhere,
        },
    }
}

/// A server that might be the right one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    domain: Domain,
    label: Label,
    host: Host,
    port: u16,
    source: Source,
    trust: Trust,
}

impl Candidate {
    /// A candidate from an SRV record at `domain`.
    #[must_use]
    pub fn from_srv(domain: &Domain, label: Label, host: Host, port: u16, status: Status) -> Self {
        Self {
            trust: trust_of(domain, &host, status),
            domain: domain.clone(),
            label,
            host,
            port,
            source: Source::Srv,
        }
    }

    /// A guess, always to be confirmed and always implicit TLS.
    #[must_use]
    pub fn guessed(domain: &Domain, service: Service, host: Host) -> Self {
        let label = Label::new(service, TlsStart::Implicit);
        Self {
            trust: Trust::NeedsConfirmation {
                domain: domain.clone(),
                host: host.clone(),
                why: WhyAsk::Guess,
            },
            domain: domain.clone(),
            label,
            host,
            port: label.default_port(),
            source: Source::Convention,
        }
    }

    /// A server of the person's own configuration, which is approved by being there (R7673-3).
    #[must_use]
    pub fn configured(domain: &Domain, label: Label, host: Host, port: u16) -> Approved {
        Approved::new(Self::typed(domain, label, host, Some(port)))
    }

    /// A server the person named.
    #[must_use]
    pub fn typed(domain: &Domain, label: Label, host: Host, port: Option<u16>) -> Self {
        Self {
            domain: domain.clone(),
            label,
            host,
            port: port.unwrap_or_else(|| label.default_port()),
            source: Source::Typed,
            trust: Trust::Typed,
        }
    }

    /// The service it would be used for.
    #[must_use]
    pub fn service(&self) -> Service {
        self.label.service
    }

    /// The service and how TLS begins.
    #[must_use]
    pub fn label(&self) -> Label {
        self.label
    }

    /// The host to connect to.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it came from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// What speaks for it.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Lets it pass, where nobody has to be asked, or with the answer to exactly this question.
    ///
    /// # Errors
    /// The person has to be asked about this host, and `confirmations` holds no answer about it.
    pub fn approve(&self, confirmations: &[Confirmation]) -> Result<Approved, NotConfirmed> {
        match &self.trust {
            Trust::InDomain | Trust::Signed | Trust::Typed => {}
            Trust::NeedsConfirmation { host, domain, why } => {
                if !confirmations.iter().any(|answer| answer.host == *host) {
                    return Err(NotConfirmed {
                        domain: domain.clone(),
                        host: host.clone(),
                        why: *why,
                    });
                }
            }
        }
        Ok(Approved::new(self.clone()))
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.service(), self.host, self.port)
    }
}

/// A person's answer: this host is right. It covers this host and no other (S5.1-11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    host: Host,
}

impl Confirmation {
    /// The person was shown the domain and this host, and said yes.
    #[must_use]
    pub fn given_for(host: Host) -> Self {
        Self { host }
    }
}

/// A question that has to be put before anything is connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("nothing proves that {host} serves mail for {domain}: {why}")]
pub struct NotConfirmed {
    /// The domain of the mail address.
    pub domain: Domain,
    /// The host in question.
    pub host: Host,
    /// Why.
    pub why: WhyAsk,
}

impl NotConfirmed {
    /// The stable machine code.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        RefusalCode::DiscoveryUntrusted
    }
}

impl fmt::Display for WhyAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnsignedElsewhere => {
                "an unsigned DNS record names this host outside of the domain; anybody on the way could have written it"
            }
            Self::Guess => "the domain publishes no mail servers, and this is only a customary name",
        })
    }
}

/// The names a server's certificate may carry (R7817-1, R7673-3, R9525-3). They come from what the person
/// typed, the mail domain, signed DNS or a confirmed host; never from the server. The SRV-ID that matches too
/// (R7817-2) follows from the mail domain and the candidate's [`Label`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct References {
    /// The host, as a DNS-ID.
    pub host: Host,
    /// The mail domain, as a DNS-ID.
    pub mail_domain: Domain,
}

/// A server that may be connected to. It comes from [`Candidate::approve`], or from the person's stored
/// configuration by [`Candidate::configured`], and from nowhere else.
///
/// ```compile_fail,E0451
/// use pillarbox_discover::{Approved, Candidate, References};
/// fn unasked(candidate: Candidate, references: References) -> Approved {
///     Approved { candidate, references }
/// }
/// ```
/// ```
/// use pillarbox_discover::{Approved, Candidate, NotConfirmed};
/// fn asked(candidate: &Candidate) -> Result<Approved, NotConfirmed> {
///     candidate.approve(&[])
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    candidate: Candidate,
    references: References,
}

impl Approved {
    fn new(candidate: Candidate) -> Self {
        Self {
            references: References {
                host: candidate.host.clone(),
                mail_domain: candidate.domain.clone(),
            },
            candidate,
        }
    }

    /// What was approved.
    #[must_use]
    pub fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// The names its certificate may carry.
    #[must_use]
    pub fn references(&self) -> &References {
        &self.references
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    fn srv(name: &str, status: Status) -> Candidate {
        let label = Label::new(Service::Imap, TlsStart::Implicit);
        Candidate::from_srv(&domain("example.org"), label, host(name), 993, status)
    }

    #[test]
    fn s5_1_10_and_11_table() {
        let ask = |name: &str| Trust::NeedsConfirmation {
            domain: domain("example.org"),
            host: host(name),
            why: WhyAsk::UnsignedElsewhere,
        };
        for (name, status, trust) in [
            ("example.org", Status::Insecure, Trust::InDomain),
            ("imap.example.org", Status::Insecure, Trust::InDomain),
            ("imap.example.org", Status::Secure, Trust::InDomain),
            ("imap.host.test", Status::Secure, Trust::Signed),
            ("imap.host.test", Status::Insecure, ask("imap.host.test")),
            ("badexample.org", Status::Insecure, ask("badexample.org")),
            (
                "example.org.evil.test",
                Status::Insecure,
                ask("example.org.evil.test"),
            ),
        ] {
            assert_eq!(srv(name, status).trust(), &trust, "{name} {status:?}");
        }
    }

    #[test]
    fn a_confirmation_for_one_host_does_not_cover_another() {
        let candidate = srv("b.host.test", Status::Insecure);
        let refusal = candidate
            .approve(&[Confirmation::given_for(host("a.host.test"))])
            .unwrap_err();
        assert_eq!(refusal.host, host("b.host.test"));
        assert_eq!(refusal.code(), RefusalCode::DiscoveryUntrusted);
        assert!(
            candidate
                .approve(&[Confirmation::given_for(host("b.host.test"))])
                .is_ok()
        );
    }

    #[test]
    fn references_are_the_host_and_the_mail_domain() {
        let approved = srv("imap.host.test", Status::Secure).approve(&[]).unwrap();
        let expected = References {
            host: host("imap.host.test"),
            mail_domain: domain("example.org"),
        };
        assert_eq!(approved.references(), &expected);
    }

    #[test]
    fn a_guess_is_asked_about_and_a_typed_server_is_not() {
        let base = domain("example.org");
        let guess = Candidate::guessed(&base, Service::Imap, host("imap.example.org"));
        assert_eq!(guess.approve(&[]).unwrap_err().why, WhyAsk::Guess);
        let typed = Candidate::typed(&base, guess.label(), host("mx.test"), None);
        assert_eq!(typed.approve(&[]).unwrap().candidate().port(), 993);
    }
}
