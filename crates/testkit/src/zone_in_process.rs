//! The zones of [`crate::zone`] served inside of this process by hickory-server, signed with keys made on the
//! spot. Needs nothing installed, and remembers what was asked.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::{DNSKEY, DS};
use hickory_proto::dnssec::{Algorithm, DigestType, DnssecSigner, SigningKey};
use hickory_proto::rr::{LowerName, Name, RecordType};
use hickory_proto::serialize::txt::Parser;
use hickory_server::Server;
use hickory_server::dnssec::NxProofKind;
use hickory_server::net::runtime::{Time, TokioRuntimeProvider};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

use crate::zone::{Signing, Zone, root_text};

/// How long signatures are good for: longer than any demonstration.
const SIGNATURE_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

/// A name server in this process. It ends when dropped, and needs a running tokio runtime.
pub struct InProcessNameServer {
    server: Server<Handler>,
    address: SocketAddr,
    trust_anchor: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl InProcessNameServer {
    /// Signs and serves the zones on a free loopback port.
    ///
    /// # Errors
    /// A zone does not parse, or asks for [`Signing::Expired`] or [`Signing::Tampered`], which only
    /// [`crate::NameServer`] can do.
    pub async fn start(zones: &[Zone]) -> io::Result<Self> {
        let mut everything = Catalog::new();
        let mut ds = String::new();
        for zone in zones {
            let signer = match zone.signing() {
                Signing::Signed => Some(Key::new(zone.origin())?),
                Signing::Unsigned => None,
                Signing::Expired | Signing::Tampered => {
                    return Err(io::Error::new(
                        io::ErrorKind::Unsupported,
                        "zones with broken signatures are served by NameServer alone",
                    ));
                }
            };
            if let Some(key) = &signer {
                ds.push_str(&key.ds()?);
            }
            let handler = handler(zone.origin(), &zone.text(), signer)?;
            everything.upsert(LowerName::from(absolute(zone.origin())?), vec![handler]);
        }
        let key = Key::new("")?;
        let trust_anchor = format!(". IN DNSKEY {}\n", key.dnskey);
        let root = handler("", &root_text(zones, &ds), Some(key))?;
        everything.upsert(LowerName::from(Name::root()), vec![Arc::clone(&root)]);
        let mut above = Catalog::new();
        above.upsert(LowerName::from(Name::root()), vec![root]);

        let log = Arc::default();
        let mut server = Server::new(Handler {
            everything,
            above,
            log: Arc::clone(&log),
        });
        let (socket, listener) = bind().await?;
        let address = socket.local_addr()?;
        server.register_socket(socket);
        server.register_listener(listener, Duration::from_secs(5), 4096);
        Ok(Self {
            server,
            address,
            trust_anchor,
            log,
        })
    }

    /// Where it answers, over UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root's key as a DNSKEY record.
    #[must_use]
    pub fn trust_anchor(&self) -> &str {
        &self.trust_anchor
    }

    /// What was asked until now, in order: `SRV _imaps._tcp.example.org.`
    #[must_use]
    pub fn queries(&self) -> Vec<String> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for InProcessNameServer {
    fn drop(&mut self) {
        self.server.shutdown_token().cancel();
    }
}

impl std::fmt::Debug for InProcessNameServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcessNameServer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The same port for UDP and TCP.
async fn bind() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::other("no port was tried");
    for _ in 0..20 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match UdpSocket::bind(listener.local_addr()?).await {
            Ok(socket) => return Ok((socket, listener)),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn absolute(origin: &str) -> io::Result<Name> {
    Name::from_ascii(format!("{origin}.")).map_err(io::Error::other)
}

struct Key {
    origin: Name,
    dnskey: DNSKEY,
    key: EcdsaSigningKey,
}

impl Key {
    fn new(origin: &str) -> io::Result<Self> {
        let algorithm = Algorithm::ECDSAP256SHA256;
        let pkcs8 = EcdsaSigningKey::generate_pkcs8(algorithm).map_err(io::Error::other)?;
        let key = EcdsaSigningKey::from_pkcs8(&pkcs8, algorithm).map_err(io::Error::other)?;
        let dnskey = DNSKEY::from_key(&key.to_public_key().map_err(io::Error::other)?);
        Ok(Self {
            origin: absolute(origin)?,
            dnskey,
            key,
        })
    }

    fn ds(&self) -> io::Result<String> {
        let ds = DS::from_key(self.dnskey.public_key(), &self.origin, DigestType::SHA256)
            .map_err(io::Error::other)?;
        Ok(format!("{} IN DS {ds}\n", self.origin))
    }
}

fn handler(origin: &str, text: &str, signer: Option<Key>) -> io::Result<Arc<dyn ZoneHandler>> {
    let origin = absolute(origin)?;
    let (_, records) = Parser::new(text, None, Some(origin.clone()))
        .parse()
        .map_err(|why| io::Error::other(format!("zone {origin}: {why}")))?;
    let proof = signer.is_some().then_some(NxProofKind::Nsec);
    let mut zone: InMemoryZoneHandler<TokioRuntimeProvider> = InMemoryZoneHandler::new(
        origin.clone(),
        records,
        ZoneType::Primary,
        AxfrPolicy::Deny,
        proof,
    )
    .map_err(io::Error::other)?;
    if let Some(Key { dnskey, key, .. }) = signer {
        zone.add_zone_signing_key_mut(DnssecSigner::new(
            dnskey,
            Box::new(key),
            origin,
            SIGNATURE_LIFE,
        ))
        .and_then(|()| zone.secure_zone_mut())
        .map_err(io::Error::other)?;
    }
    Ok(Arc::new(zone))
}

struct Handler {
    /// The root and every zone.
    everything: Catalog,
    /// The root alone: DS records stand above the zone they are about (RFC 4035 §3.1.4.1).
    above: Catalog,
    log: Arc<Mutex<Vec<String>>>,
}

#[async_trait::async_trait]
impl RequestHandler for Handler {
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        reply: R,
    ) -> ResponseInfo {
        let mut catalog = &self.everything;
        if let Ok(info) = request.request_info() {
            let kind = info.query.query_type();
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push(format!("{kind} {}", info.query.name()));
            if kind == RecordType::DS {
                catalog = &self.above;
            }
        }
        catalog.handle_request::<R, T>(request, reply).await
    }
}
