//! The PROXY protocol, version 2: what a balancer in front of us says of its clients (SA-4).
//!
//! It is heard from trusted addresses alone, and there it is required: a balancer that sends none is refused. From
//! anybody else it is never parsed, so that nobody can make up an address or a TLS session.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pillarbox_names::Network;
use pillarbox_policy::{CipherSuite, Group, TlsVersion};
use ppp::v2::{Addresses, Command, Header, ParseError, Protocol, TypeLengthValues};
use tokio::time::timeout;

use crate::suites::{named_group, named_suite};
use crate::wire::Wire;

/// The most octets of a header. Addresses and what is said of TLS take a few hundred.
const MAX_HEADER: usize = 2048;

/// `PP2_TYPE_ALPN`, `PP2_TYPE_AUTHORITY` and `PP2_TYPE_SSL` with its parts, in section 2.2 of the specification.
const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CIPHER: u8 = 0x23;
const SSL_GROUP: u8 = 0x26;
/// `PP2_CLIENT_SSL`: the client came over TLS.
const CLIENT_SSL: u8 = 0x01;

/// The balancers whose word on a client is taken, by their networks. None by default.
#[derive(Debug, Clone, Default)]
pub struct Balancers(Arc<[Network]>);

impl Balancers {
    /// Those in these networks.
    #[must_use]
    pub fn new(networks: impl IntoIterator<Item = Network>) -> Self {
        Self(networks.into_iter().collect())
    }

    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(peer))
    }
}

/// Why a trusted balancer's connection is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It ended before the header did.
    #[error("the connection ended before it: {0}")]
    Ended(io::Error),
    /// The header did not come in time.
    #[error("none came in time; switch on \"send-proxy-v2\" there")]
    TimedOut,
    /// It is none of version 2.
    #[error("{0}")]
    Malformed(ParseError),
    /// It does not name a client that came by TCP.
    #[error("it names no client that came by TCP over IPv4 or IPv6")]
    NoClient,
    /// The client's TLS is none that is negotiated here.
    #[error(
        "it says that the client has {0:?}, which is not served here (TLS 1.2 or newer, without CBC)"
    )]
    Weak(String),
    /// It has two fields of one kind.
    #[error("it has two fields of kind 0x{0:02X}")]
    Twice(u8),
    /// It tells of TLS without version or cipher suite.
    #[error(
        "it tells of TLS without version and suite; switch on \"proxy-v2-options ssl,ssl-cipher\" there"
    )]
    NoDetails,
}

/// What a balancer says of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    pub(crate) client: SocketAddr,
    /// Absent where the client came without TLS, or TLS goes on to us.
    pub(crate) tls: Option<ReportedTls>,
}

/// What a balancer says of the TLS that ended there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReportedTls {
    pub(crate) version: TlsVersion,
    pub(crate) suite: CipherSuite,
    pub(crate) group: Option<Group>,
    pub(crate) sni: Option<String>,
    pub(crate) alpn: Option<String>,
}

/// Reads the header off a balancer's connection, and nothing behind it. `None` where the balancer speaks for itself,
/// as it does to see whether we are alive.
pub(crate) async fn receive(
    wire: &mut Wire,
    limit: Duration,
) -> Result<Option<Reported>, ProxyError> {
    timeout(limit, read(wire))
        .await
        .unwrap_or(Err(ProxyError::TimedOut))
}

async fn read(wire: &mut Wire) -> Result<Option<Reported>, ProxyError> {
    loop {
        let seen = wire.look(MAX_HEADER).await.map_err(ProxyError::Ended)?;
        match Header::try_from(seen) {
            Ok(header) => {
                let (reported, length) = (reported(&header), header.len());
                wire.skip(length);
                return reported;
            }
            Err(ParseError::Incomplete(_) | ParseError::Partial(..)) if seen.len() < MAX_HEADER => {
            }
            Err(error) => return Err(ProxyError::Malformed(error)),
        }
    }
}

fn reported(header: &Header<'_>) -> Result<Option<Reported>, ProxyError> {
    if header.command == Command::Local {
        return Ok(None);
    }
    let client = match header.addresses {
        Addresses::IPv4(ip) => SocketAddr::from((ip.source_address, ip.source_port)),
        Addresses::IPv6(ip) => SocketAddr::from((ip.source_address, ip.source_port)),
        Addresses::Unspecified | Addresses::Unix(_) => return Err(ProxyError::NoClient),
    };
    if header.protocol != Protocol::Stream {
        return Err(ProxyError::NoClient);
    }
    let fields = fields(header.tlvs())?;
    let ssl = fields.iter().find(|(kind, _)| *kind == SSL);
    // One octet of flags, four that say whether a client's certificate was good, and fields.
    let tls = match ssl.and_then(|(_, ssl)| ssl.split_at_checked(5)) {
        Some(([flags, ..], ssl)) if flags & CLIENT_SSL != 0 => Some(reported_tls(
            &fields,
            &self::fields(TypeLengthValues::from(ssl))?,
        )?),
        _ if ssl.is_some_and(|(_, ssl)| ssl.len() < 5) => return Err(ProxyError::NoDetails),
        _ => None,
    };
    Ok(Some(Reported { client, tls }))
}

fn reported_tls(outer: &[Field], ssl: &[Field]) -> Result<ReportedTls, ProxyError> {
    let version = text(ssl, SSL_VERSION).ok_or(ProxyError::NoDetails)?;
    let cipher = text(ssl, SSL_CIPHER).ok_or(ProxyError::NoDetails)?;
    let version = match version.as_str() {
        "TLSv1.2" => TlsVersion::Tls12,
        "TLSv1.3" => TlsVersion::Tls13,
        _ => return Err(ProxyError::Weak(version)),
    };
    let Some(suite) = named_suite(&cipher, version) else {
        return Err(ProxyError::Weak(format!("{cipher} in {version}")));
    };
    Ok(ReportedTls {
        version,
        suite,
        group: text(ssl, SSL_GROUP).and_then(|group| named_group(&group)),
        sni: text(outer, AUTHORITY),
        alpn: text(outer, ALPN),
    })
}

type Field = (u8, Vec<u8>);

/// The fields, each kind once: of two that say different things none can be believed.
fn fields(fields: TypeLengthValues<'_>) -> Result<Vec<Field>, ProxyError> {
    let mut found: Vec<Field> = Vec::new();
    for field in fields {
        let field = field.map_err(ProxyError::Malformed)?;
        if found.iter().any(|(kind, _)| *kind == field.kind) {
            return Err(ProxyError::Twice(field.kind));
        }
        found.push((field.kind, field.value.into_owned()));
    }
    Ok(found)
}

/// A field that is printable ASCII.
fn text(fields: &[Field], kind: u8) -> Option<String> {
    let (_, value) = fields.iter().find(|(found, _)| *found == kind)?;
    let text = std::str::from_utf8(value).ok()?;
    text.bytes()
        .all(|octet| octet.is_ascii_graphic())
        .then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
