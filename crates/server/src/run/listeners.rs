//! The listeners of a running server: bound all or none, each connection handed to its protocol.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use pillarbox_names::{Service, TlsStart};
use pillarbox_transport::{
    Accepted, Acceptor, Balancers, CertificateStore, Listener, ListenerLimits, Start, Timeouts,
    Unserved,
};
use tokio::task::JoinSet;

use crate::core::config::{ListenerSettings, Settings};
use crate::core::shutdown::Shutdown;
use crate::imap::Imap;
use crate::pop3::Pop3;
use crate::session::context::{Context, ListenerInfo};
use crate::session::protocol;
use crate::session::upgrade::log_failed_handshake;
use crate::submission::Submission;

/// Why the listeners cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Nothing can be served without a certificate (S1.1-1, S4-1).
    #[error(
        "no certificate can be used, so no listener is opened: {service} and all others need TLS. Mend the files under [[certificates]]; \"pillarboxd check-config\" says what is wrong with each"
    )]
    NoCertificate {
        /// A service that would have no TLS endpoint.
        service: &'static str,
    },
    /// An address could not be bound.
    #[error("cannot listen on {address} (listeners.{listener}): {why}{}", advice(.why))]
    Bind {
        /// The listener's name.
        listener: &'static str,
        /// The address.
        address: SocketAddr,
        /// The system's words.
        why: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program, or another pillarboxd, listens there",
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
        }
        io::ErrorKind::AddrNotAvailable => "; this computer does not have the address",
        _ => "",
    }
}

/// Listeners that are bound and not yet served.
#[derive(Debug)]
pub(crate) struct Listeners {
    bound: Vec<(Arc<ListenerInfo>, Listener)>,
    /// By name, the addresses that are listened on, with the ports that were chosen.
    pub(crate) addresses: BTreeMap<&'static str, Vec<SocketAddr>>,
}

impl Listeners {
    /// Binds every address of every listener that is on.
    pub(crate) fn bind(
        settings: &Settings,
        certificates: &Arc<CertificateStore>,
    ) -> Result<Self, ListenError> {
        let limits = ListenerLimits {
            connections: settings.limits.connections,
            per_address: settings.limits.connections_per_address,
            timeouts: Timeouts::default(),
            grace: settings.limits.shutdown,
        };
        let balancers = Balancers::new(settings.balancers.iter().copied());
        let mut acceptors = Acceptors::new(certificates);
        let mut bound = Vec::new();
        let mut addresses = BTreeMap::<_, Vec<_>>::new();
        for listener in &settings.listeners {
            let acceptor = acceptors.of(listener.label.service)?;
            let start = match listener.label.start {
                TlsStart::Implicit => Start::Implicit(acceptor.clone()),
                TlsStart::StartTls => Start::Clear,
            };
            let info = Arc::new(ListenerInfo {
                name: listener.label.as_str(),
                service: listener.label.service,
                tls_start: listener.label.start,
                acceptor,
            });
            for address in &listener.addresses {
                let Some(socket) = bind(listener, *address, &start, limits)? else {
                    continue;
                };
                let address = socket.local_addr().unwrap_or(*address);
                addresses
                    .entry(listener.label.as_str())
                    .or_default()
                    .push(address);
                let socket = socket.with_balancers(balancers.clone());
                bound.push((Arc::clone(&info), socket));
            }
        }
        Ok(Self { bound, addresses })
    }

    /// Serves all of them until shutdown, and then until the last session has ended or was cut off.
    pub(crate) fn serve(self, cx: &Arc<Context>, shutdown: &Shutdown) -> JoinSet<()> {
        let mut running = JoinSet::new();
        for (info, listener) in self.bound {
            let (cx, shutdown) = (Arc::clone(cx), shutdown.clone());
            let stop = shutdown.clone();
            let name = info.name;
            let session = move |connection| {
                serve(
                    connection,
                    Arc::clone(&cx),
                    Arc::clone(&info),
                    shutdown.clone(),
                )
            };
            running.spawn(async move {
                listener
                    .run(
                        session,
                        move |unserved| log_unserved(name, &unserved),
                        async move { stop.requested().await },
                    )
                    .await;
            });
        }
        running
    }
}

/// One acceptor for each service: its ALPN name differs, and tickets of one mean nothing to another.
struct Acceptors<'c> {
    certificates: &'c Arc<CertificateStore>,
    made: Vec<(Service, Acceptor)>,
}

impl<'c> Acceptors<'c> {
    fn new(certificates: &'c Arc<CertificateStore>) -> Self {
        Self {
            certificates,
            made: Vec::new(),
        }
    }

    fn of(&mut self, service: Service) -> Result<Acceptor, ListenError> {
        if let Some((_, acceptor)) = self.made.iter().find(|(of, _)| *of == service) {
            return Ok(acceptor.clone());
        }
        let acceptor = Acceptor::new(Arc::clone(self.certificates), service).map_err(|_| {
            ListenError::NoCertificate {
                service: service.as_str(),
            }
        })?;
        self.made.push((service, acceptor.clone()));
        Ok(acceptor)
    }
}

/// Binds one address. `None` where "all IPv6 addresses" was meant beside all IPv4 ones and there is no IPv6.
fn bind(
    listener: &ListenerSettings,
    address: SocketAddr,
    start: &Start,
    limits: ListenerLimits,
) -> Result<Option<Listener>, ListenError> {
    match Listener::bind(listener.label.as_str(), address, start.clone(), limits) {
        Ok(bound) => Ok(Some(bound)),
        Err(error) if is_everywhere_without_ipv6(listener, address, &error) => {
            tracing::warn!(listener = listener.label.as_str(), %address, "there is no IPv6 here; listening on IPv4 alone");
            Ok(None)
        }
        Err(why) => Err(ListenError::Bind {
            listener: listener.label.as_str(),
            address,
            why,
        }),
    }
}

fn is_everywhere_without_ipv6(
    listener: &ListenerSettings,
    address: SocketAddr,
    error: &io::Error,
) -> bool {
    /// `EAFNOSUPPORT` on Linux.
    const NO_SUCH_FAMILY: i32 = 97;
    let ipv4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        && listener.addresses.contains(&ipv4)
        && (error.raw_os_error() == Some(NO_SUCH_FAMILY)
            || error.kind() == io::ErrorKind::AddrNotAvailable)
}

/// Serves a connection to its end, by the protocol of its listener. A protocol registers here, in one line.
pub fn serve(
    connection: Accepted,
    cx: Arc<Context>,
    listener: Arc<ListenerInfo>,
    shutdown: Shutdown,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let serve = match listener.service {
        Service::Imap => protocol::serve::<Imap>,
        Service::Pop3 => protocol::serve::<Pop3>,
        Service::Submission => protocol::serve::<Submission>,
    };
    serve(connection, cx, listener, shutdown)
}

/// Says in the log why a connection got no session.
fn log_unserved(listener: &'static str, unserved: &Unserved) {
    match unserved {
        Unserved::Handshake(error) => log_failed_handshake(listener, TlsStart::Implicit, error),
        Unserved::Accept(_) => tracing::error!(listener, "{unserved}"),
        _ => tracing::warn!(listener, "{unserved}"),
    }
}
