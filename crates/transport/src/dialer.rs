//! [`Dialer`]: the client's side, from an address or name to a connection whose server was proved.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_policy::{HandshakeFailure, TlsFacts};
use pillarbox_proto::{Clear, Sealed};
use rustls::ClientConfig;
use rustls::client::Resumption;
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::facts::{Circumstances, HandshakeContext, mint};
use crate::failure::classify;
use crate::provider::{TLS_BUFFER, VERSIONS, provider};
use crate::verifier::Verifier;
use crate::wire::Wire;
use crate::{Connection, HandshakeError, Roots, ServerIdentity, Timeouts};

/// For all addresses of a target together.
const CONNECT: Duration = Duration::from_secs(30);
/// How long one address is given before the next is tried beside it (RFC 8305 §5).
const STAGGER: Duration = Duration::from_millis(250);

/// Where to connect to. Says nothing about who has to answer: that is [`ServerIdentity`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Addresses that were looked up already, best first.
    Addresses(Vec<SocketAddr>),
    /// A host the system's resolver looks up.
    Host {
        /// Its name, or an IP address.
        name: String,
        /// The TCP port.
        port: u16,
    },
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Host { name, port } => write!(f, "{name}:{port}"),
            Self::Addresses(addresses) => {
                let texts: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
                f.write_str(&texts.join(", "))
            }
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The name could not be looked up.
    #[error("cannot look up {target}: {source}")]
    Lookup {
        /// What was looked up.
        target: Target,
        /// Why not.
        source: io::Error,
    },
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(Target),
    /// No address answered; the error is that of the last one to fail.
    #[error("cannot connect to {target}: {source}")]
    Unreachable {
        /// What was tried.
        target: Target,
        /// Why not.
        source: io::Error,
    },
    /// TCP worked, TLS did not.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// Connects to servers of one service, trusting one set of authorities.
///
/// Sessions are never resumed: resumption skips the certificate check, and tickets would tie the visits of
/// two accounts together (C20).
#[derive(Debug, Clone)]
pub struct Dialer {
    service: Service,
    roots: Roots,
    timeouts: Timeouts,
}

impl Dialer {
    /// A dialer with the default timeouts.
    #[must_use]
    pub fn new(service: Service, roots: Roots) -> Self {
        Self {
            service,
            roots,
            timeouts: Timeouts::default(),
        }
    }

    /// With other timeouts.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Connects with TLS from the first byte (S2-2). A failed handshake is final: no other version, no other
    /// address and no cleartext is tried in its place (R9325-4).
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn connect_implicit(
        &self,
        target: &Target,
        identity: &ServerIdentity,
    ) -> Result<Connection<Sealed>, DialError> {
        let connection = self.connect_clear(target).await?;
        let handshake = |wire, context| self.handshake(wire, context, identity);
        Ok(connection.into_tls(TlsStart::Implicit, handshake).await?)
    }

    /// Connects in the clear, for a protocol that goes on to STARTTLS with
    /// [`crate::Conversation::start_tls_as_client`].
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn connect_clear(&self, target: &Target) -> Result<Connection<Clear>, DialError> {
        let unreachable = |source| DialError::Unreachable {
            target: target.clone(),
            source,
        };
        let addresses = addresses(target).await?;
        let socket = match timeout(CONNECT, race(addresses)).await {
            Ok(Some(Ok(socket))) => socket,
            Ok(Some(Err(error))) => return Err(unreachable(error)),
            Ok(None) => return Err(DialError::NoAddress(target.clone())),
            Err(_) => return Err(unreachable(io::ErrorKind::TimedOut.into())),
        };
        Wire::new(socket)
            .and_then(|wire| Connection::new(wire, "outgoing", self.timeouts, None))
            .map_err(unreachable)
    }

    pub(crate) async fn handshake(
        &self,
        wire: Wire,
        context: HandshakeContext,
        identity: &ServerIdentity,
    ) -> Result<(Box<TlsStream<Wire>>, TlsFacts), HandshakeError> {
        let negotiation = self.negotiate(wire, context, identity);
        match timeout(context.limit, negotiation).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(HandshakeFailure::TimedOut),
        }
        .map_err(|failure| HandshakeError {
            peer: context.peer,
            sni: identity.sni(),
            failure,
        })
    }

    async fn negotiate(
        &self,
        mut wire: Wire,
        context: HandshakeContext,
        identity: &ServerIdentity,
    ) -> Result<(Box<TlsStream<Wire>>, TlsFacts), HandshakeFailure> {
        let verifier = Verifier::new(
            self.roots.clone(),
            identity.clone(),
            Label::new(self.service, context.tls_start).srv(),
        );
        let config = self.config(Arc::clone(&verifier))?;
        let name = identity
            .server_name()
            .map_err(|error| HandshakeFailure::Other(error.to_string()))?;
        wire.begin_handshake();
        let tls = TlsConnector::from(Arc::new(config))
            .connect_with(name, wire, |session| {
                session.set_buffer_limit(Some(TLS_BUFFER));
            })
            .into_fallible();
        match tls.await {
            Ok(mut tls) => {
                let (wire, session) = tls.get_mut();
                wire.take_first();
                let circumstances = Circumstances {
                    context,
                    sni: identity.sni(),
                    peer: verifier.proof(),
                };
                let facts = mint(session, circumstances)?;
                Ok((Box::new(tls.into()), facts))
            }
            Err((error, mut wire)) => {
                let failure = classify(&error, &wire.take_first());
                wire.hang_up().await;
                Err(failure)
            }
        }
    }

    fn config(&self, verifier: Arc<Verifier>) -> Result<ClientConfig, HandshakeFailure> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)
            .map_err(|error| HandshakeFailure::Other(error.to_string()))?;
        let mut config = config
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = self
            .service
            .alpn_offered()
            .map(|name| name.as_bytes().to_vec())
            .into_iter()
            .collect();
        config.require_ems = true;
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

async fn addresses(target: &Target) -> Result<Vec<SocketAddr>, DialError> {
    match target {
        Target::Addresses(addresses) => Ok(addresses.clone()),
        Target::Host { name, port } => lookup_host((name.as_str(), *port))
            .await
            .map(|found| interleave(found.collect()))
            .map_err(|source| DialError::Lookup {
                target: target.clone(),
                source,
            }),
    }
}

/// Alternates between the address families, context with that of the first address (RFC 8305 §4).
fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut mixed: Vec<_> = first
        .into_iter()
        .flat_map(|address| [Some(address), second.next()])
        .flatten()
        .collect();
    mixed.extend(second);
    mixed
}

/// Connects to the first address that answers; `None` where there is no address.
async fn race(addresses: Vec<SocketAddr>) -> Option<io::Result<TcpStream>> {
    let mut waiting = addresses.into_iter();
    let mut attempts = JoinSet::new();
    attempts.spawn(TcpStream::connect(waiting.next()?));
    let mut last = None;
    loop {
        let finished = match timeout(STAGGER, attempts.join_next()).await {
            Ok(Some(Ok(Ok(socket)))) => return Some(Ok(socket)),
            Ok(Some(Ok(Err(error)))) => Some(error),
            Ok(Some(Err(error))) => Some(io::Error::other(error)),
            Ok(None) => return last.map(Err),
            Err(_) => None,
        };
        last = finished.or(last);
        if let Some(address) = waiting.next() {
            attempts.spawn(TcpStream::connect(address));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_families_take_turns() {
        let parse = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        assert_eq!(
            interleave(parse(&[
                "[::1]:1",
                "[::2]:1",
                "1.1.1.1:1",
                "2.2.2.2:1",
                "3.3.3.3:1"
            ])),
            parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]),
        );
        assert_eq!(interleave(Vec::new()), []);
    }
}
