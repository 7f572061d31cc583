//! [`Acceptor`]: the server's side of a handshake, for one service.

use std::sync::Arc;

use pillarbox_names::Service;
use pillarbox_policy::{HandshakeFailure, PeerProof, TlsFacts};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::NoServerSessionStorage;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsStream};

use crate::facts::{Circumstances, HandshakeContext, mint};
use crate::failure::classify;
use crate::hello::{self, Hello, MAX_HELLO};
use crate::provider::{TLS_BUFFER, VERSIONS, provider};
use crate::wire::Wire;
use crate::{CertificateStore, HandshakeError, NoUsableCertificate};

/// `unexpected_message`, RFC 8446 §6.2.
const UNEXPECTED_MESSAGE: u8 = 10;
/// `protocol_version`.
const PROTOCOL_VERSION: u8 = 70;
/// `unrecognized_name`, RFC 6066 §3.
const UNRECOGNIZED_NAME: u8 = 112;

/// Does handshakes as the server of one service. To hold one is proof that there is a certificate.
///
/// Tickets are sealed with keys of this acceptor's own that are made in memory, rotate every six hours and
/// are gone after twelve (R9325-7); a ticket of another listener means nothing here. No early data
/// (R9325-11), no session cache.
#[derive(Debug, Clone)]
pub struct Acceptor {
    store: Arc<CertificateStore>,
    config: Arc<ServerConfig>,
}

impl Acceptor {
    /// An acceptor that serves the certificates of `store`, whatever it holds at the time of each handshake.
    ///
    /// # Errors
    /// The store holds none.
    pub fn new(
        store: Arc<CertificateStore>,
        service: Service,
    ) -> Result<Self, NoUsableCertificate> {
        if store.is_empty() {
            return Err(NoUsableCertificate);
        }
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&VERSIONS)
            // Cannot fail: the provider has suites of both versions.
            .map_err(|_| NoUsableCertificate)?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(Arc::<CertificateStore>::clone(&store));
        config.alpn_protocols = vec![service.alpn_served().into()];
        config.require_ems = true;
        config.max_early_data_size = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        // A second ticket costs as much as the first, and a client that comes again gets the next then.
        config.send_tls13_tickets = 1;
        match Ticketer::new() {
            Ok(ticketer) => config.ticketer = ticketer,
            // Every handshake is then a full one.
            Err(error) => tracing::warn!(%error, "no session tickets: no keys for them"),
        }
        Ok(Self {
            store,
            config: Arc::new(config),
        })
    }

    pub(crate) async fn handshake(
        &self,
        wire: Wire,
        context: HandshakeContext,
    ) -> Result<(Box<TlsStream<Wire>>, TlsFacts), HandshakeError> {
        let mut sni = None;
        let failure = match timeout(context.limit, self.negotiate(wire, context, &mut sni)).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) => failure,
            Err(_) => HandshakeFailure::TimedOut,
        };
        Err(HandshakeError {
            peer: context.peer,
            sni,
            failure,
        })
    }

    async fn negotiate(
        &self,
        mut wire: Wire,
        context: HandshakeContext,
        sni: &mut Option<String>,
    ) -> Result<(Box<TlsStream<Wire>>, TlsFacts), HandshakeFailure> {
        match client_hello(&mut wire).await? {
            Hello::TooOld(version) => {
                let record = if (0x0300..0x0303).contains(&version) {
                    version
                } else {
                    0x0301
                };
                wire.refuse(record, PROTOCOL_VERSION).await;
                return Err(HandshakeFailure::TooOld(version));
            }
            Hello::Acceptable { server_name } => {
                *sni = server_name;
                if sni.as_ref().is_some_and(|name| !self.store.knows(name)) {
                    wire.refuse(0x0303, UNRECOGNIZED_NAME).await;
                    return Err(HandshakeFailure::UnknownName);
                }
            }
            Hello::Incomplete | Hello::NotTls => {
                wire.refuse(0x0303, UNEXPECTED_MESSAGE).await;
                return Err(HandshakeFailure::NotTls);
            }
        }
        let tls = TlsAcceptor::from(Arc::clone(&self.config))
            .accept_with(wire, |session| session.set_buffer_limit(Some(TLS_BUFFER)))
            .into_fallible();
        match tls.await {
            Ok(tls) => {
                let session = tls.get_ref().1;
                let circumstances = Circumstances {
                    context,
                    sni: session.server_name().map(str::to_owned),
                    peer: PeerProof::Anonymous,
                };
                let facts = mint(session, circumstances)?;
                Ok((Box::new(tls.into()), facts))
            }
            Err((error, wire)) => {
                // It did begin as TLS, or the hello would not have been read.
                let failure = classify(&error, &[22, 3]);
                wire.hang_up().await;
                Err(failure)
            }
        }
    }
}

async fn client_hello(wire: &mut Wire) -> Result<Hello, HandshakeFailure> {
    loop {
        match hello::read(wire.seen()) {
            Hello::Incomplete => (),
            hello => return Ok(hello),
        }
        let more = wire.look(MAX_HELLO).await;
        more.map_err(|error| classify(&error, &[]))?;
    }
}
