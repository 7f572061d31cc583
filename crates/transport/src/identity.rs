//! Whom a client means to talk to, and whether a certificate speaks for them (RFC 9525, RFC 7817).
//!
//! References come from the user or from securely derived data. Nothing the network said unsigned (a banner,
//! a CNAME, an unsigned SRV target) may be put in here (R9525-3).

use std::fmt;
use std::net::IpAddr;

use pillarbox_names::{Domain, Host};
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// `id-on-dnsSRV`, 1.3.6.1.5.5.7.8.7 (RFC 4985 §2).
const ON_DNS_SRV: &str = "1.3.6.1.5.5.7.8.7";
/// The ASN.1 tag of an IA5String.
const IA5_STRING: u8 = 0x16;
/// Context tag 0, constructed: the explicit tag around an otherName's value.
const EXPLICIT_0: u8 = 0xa0;

/// The reference identities of the server we mean: the host name the user or signed DNS gave, and the mail
/// domain of the account where that is known (R7817-1, R7817-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    host: Reference,
    mail_domain: Option<Domain>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reference {
    Name(Host),
    Address(IpAddr),
}

impl ServerIdentity {
    /// The identity of a host.
    #[must_use]
    pub fn host(name: Host) -> Self {
        Self {
            host: Reference::Name(name),
            mail_domain: None,
        }
    }

    /// The identity of an IP address.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self {
            host: Reference::Address(address),
            mail_domain: None,
        }
    }

    /// Adds the mail domain of the account: a certificate with it as DNS-ID speaks for the server too, and so
    /// does one with the service's SRV-ID for it (R7817-1, R7817-2).
    #[must_use]
    pub fn with_mail_domain(mut self, domain: Domain) -> Self {
        self.mail_domain = Some(domain);
        self
    }

    /// What goes into SNI, and to the resolver: the host. An IP address is never sent as SNI (R9325-9).
    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, InvalidDnsNameError> {
        match &self.host {
            Reference::Name(host) => ServerName::try_from(host.as_str().to_owned()),
            Reference::Address(address) => Ok(ServerName::from(*address)),
        }
    }

    /// The name that goes into SNI, if one does.
    pub(crate) fn sni(&self) -> Option<String> {
        match &self.host {
            Reference::Name(host) => Some(host.to_string()),
            Reference::Address(_) => None,
        }
    }

    /// The reference that `certificate` matches, if any. Only subjectAltName counts; a Common Name never
    /// does (R9525-1), nor a URI (R7817-3).
    pub(crate) fn matched_by(
        &self,
        certificate: &CertificateDer<'_>,
        srv_label: &str,
    ) -> Option<String> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let names = certificate.subject_alternative_name().ok()??;
        names
            .value
            .general_names
            .iter()
            .find_map(|presented| self.matched_by_name(presented, srv_label))
    }

    fn matched_by_name(&self, presented: &GeneralName<'_>, srv_label: &str) -> Option<String> {
        let domain = self.mail_domain.as_ref().map(Domain::as_str);
        match (presented, &self.host) {
            (GeneralName::DNSName(name), Reference::Name(host)) => [Some(host.as_str()), domain]
                .into_iter()
                .flatten()
                .find(|reference| dns_id_matches(name, reference))
                .map(str::to_owned),
            (GeneralName::DNSName(name), _) => domain
                .filter(|domain| dns_id_matches(name, domain))
                .map(str::to_owned),
            (GeneralName::IPAddress(octets), Reference::Address(host)) => {
                let matches = match host {
                    IpAddr::V4(address) => *octets == address.octets(),
                    IpAddr::V6(address) => *octets == address.octets(),
                };
                matches.then(|| host.to_string())
            }
            (GeneralName::OtherName(oid, value), _) if oid.to_id_string() == ON_DNS_SRV => {
                let reference = format!("{srv_label}.{}", domain?);
                let presented = srv_name(value)?;
                presented
                    .eq_ignore_ascii_case(&reference)
                    .then_some(reference)
            }
            _ => None,
        }
    }
}

impl fmt::Display for ServerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Reference::Name(host) => host.fmt(f),
            Reference::Address(address) => address.fmt(f),
        }
    }
}

/// RFC 9525 §6.3: all labels equal without regard to ASCII case; a wildcard is the whole left-most label,
/// stands for exactly one label, and has at least two labels after it. Anything else with `*` matches
/// nothing (R9525-2).
fn dns_id_matches(presented: &str, reference: &str) -> bool {
    match presented.strip_prefix("*.") {
        Some(parent) => {
            parent.contains('.')
                && !parent.contains('*')
                && reference
                    .split_once('.')
                    .is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent))
        }
        None => !presented.contains('*') && presented.eq_ignore_ascii_case(reference),
    }
}

/// The text of an SRVName, `[0] EXPLICIT IA5String` (RFC 4985 §2).
fn srv_name(value: &[u8]) -> Option<&str> {
    let string = der_content(value, EXPLICIT_0)?;
    str::from_utf8(der_content(string, IA5_STRING)?).ok()
}

/// The content of a DER element that is all of `element` and shorter than 64 KiB.
fn der_content(element: &[u8], tag: u8) -> Option<&[u8]> {
    let (length, content) = match element {
        [first, 0x82, high, low, content @ ..] if *first == tag => {
            (u16::from_be_bytes([*high, *low]).into(), content)
        }
        [first, 0x81, length, content @ ..] if *first == tag => (usize::from(*length), content),
        [first, length @ 0..=0x7f, content @ ..] if *first == tag => {
            (usize::from(*length), content)
        }
        _ => return None,
    };
    (content.len() == length).then_some(content)
}

#[cfg(test)]
mod tests;
