//! [`Listener`]: accepts connections of one service, does the implicit handshake where there is one, and
//! hands each to a session in a task of its own.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_names::TlsStart;
use pillarbox_proto::{Clear, Sealed};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use crate::connection::FromBalancer;
use crate::connection_limit::{ConnectionLimit, Full, Permit};
use crate::proxy;
use crate::wire::Wire;
use crate::{Acceptor, Balancers, Connection, HandshakeError, ProxyError, Timeouts};

/// How many connections the kernel keeps for us while we are busy.
const BACKLOG: i32 = 1024;
/// The first and the longest pause after accept failed for want of resources.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How the conversation on a listener starts.
#[derive(Debug, Clone)]
pub enum Start {
    /// With a TLS handshake; not a byte of the protocol before it (S2-2).
    Implicit(Acceptor),
    /// In the clear, for a protocol with STARTTLS.
    Clear,
}

/// A connection that came in.
#[derive(Debug)]
pub enum Accepted {
    /// Inside TLS.
    Sealed(Connection<Sealed>),
    /// In the clear, for a protocol with STARTTLS.
    Clear(Connection<Clear>),
}

/// What one listener takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 /64.
    pub per_address: usize,
    /// Of each connection.
    pub timeouts: Timeouts,
    /// How long sessions may take to say goodbye at shutdown before they are cut off.
    pub grace: Duration,
}

impl Default for ListenerLimits {
    /// 20,000 connections, 100 an address, 30 seconds of grace.
    fn default() -> Self {
        Self {
            connections: 20_000,
            per_address: 100,
            timeouts: Timeouts::default(),
            grace: Duration::from_secs(30),
        }
    }
}

/// A peer that came to a listener and got no session.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unserved {
    /// The TLS handshake failed.
    #[error(transparent)]
    Handshake(HandshakeError),
    /// The listener serves as many connections as it may.
    #[error("turned {peer} away: the listener serves as many connections as it may")]
    ListenerFull {
        /// Who was turned away.
        peer: SocketAddr,
    },
    /// This address has as many connections as it may.
    #[error("turned {peer} away: its address has as many connections as it may")]
    AddressFull {
        /// Who was turned away.
        peer: SocketAddr,
    },
    /// A trusted balancer sent no usable PROXY header.
    #[error("refused {balancer}, a trusted balancer, for its PROXY header: {why}")]
    Balancer {
        /// Its address.
        balancer: SocketAddr,
        /// What is wrong.
        why: ProxyError,
    },
    /// The system gave no connection, most often for want of file descriptors (`EMFILE`). The listener
    /// pauses and goes on.
    #[error(
        "cannot accept connections for now: {0}; if files ran out, raise the limit (LimitNOFILE)"
    )]
    Accept(io::Error),
}

/// A bound, listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    name: Arc<str>,
    start: Start,
    limits: ListenerLimits,
    balancers: Balancers,
}

impl Listener {
    /// Binds. `[::]` means IPv6 alone; bind `0.0.0.0` beside it for IPv4. Port 0 takes a free one. An implicit
    /// listener needs an [`Acceptor`], so none can be bound without a certificate.
    ///
    /// # Errors
    /// The system's, for example that the address is in use or the port needs privileges.
    pub fn bind(
        name: &str,
        address: SocketAddr,
        start: Start,
        limits: ListenerLimits,
    ) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A restart must not wait for the last connections of the process before it.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self {
            socket: TcpListener::from_std(socket.into())?,
            name: name.into(),
            start,
            limits,
            balancers: Balancers::default(),
        })
    }

    /// With balancers that are to be believed. Each of their connections has to begin with a header of PROXY,
    /// version 2, which says who the client is and what TLS ended there. TLS that ended there began as it begins on
    /// this listener; where none did, it begins here as for anybody else.
    #[must_use]
    pub fn with_balancers(mut self, balancers: Balancers) -> Self {
        self.balancers = balancers;
        self
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `shutdown` is ready: every connection goes to `session` in its own task, inside the
    /// connection's span; who gets none goes to `unserved`. Then it stops listening, and returns when the
    /// sessions have ended, or cuts them off after the grace period. Sessions learn of the shutdown from
    /// elsewhere.
    pub async fn run<S, F, U>(
        self,
        session: S,
        unserved: U,
        shutdown: impl Future<Output = ()> + Send,
    ) where
        S: Fn(Accepted) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
        U: Fn(Unserved) + Clone + Send + 'static,
    {
        let Self {
            socket,
            name,
            start,
            limits,
            balancers,
        } = self;
        let limit = ConnectionLimit::new(limits.connections, limits.per_address);
        // Its sender is dropped at shutdown: who is not yet a session has nothing to lose.
        let (open, until_shutdown) = watch::channel(());
        let mut sessions = JoinSet::new();
        let mut pause = PAUSES.0;
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = sessions.join_next() => {
                    note_panic(&name, ended);
                    continue;
                }
                accepted = socket.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) if died_in_the_queue(&error) => continue,
                Err(error) => {
                    unserved(Unserved::Accept(error));
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = sleep(pause) => pause = (pause * 2).min(PAUSES.1),
                    }
                    continue;
                }
            };
            pause = PAUSES.0;
            let from_balancer = balancers.trusts(peer.ip());
            let permit = if from_balancer {
                limit.take_for_balancer()
            } else {
                limit.take(peer.ip())
            };
            let permit = match permit {
                Ok(permit) => permit,
                Err(full) => {
                    unserved(full.turned_away(peer));
                    continue;
                }
            };
            // An error here means that the peer is gone already.
            let Ok(wire) = Wire::new(stream) else {
                continue;
            };
            let arrival = Arrival {
                wire,
                permit,
                listener: Arc::clone(&name),
                start: start.clone(),
                timeouts: limits.timeouts,
                until_shutdown: until_shutdown.clone(),
            };
            let (session, unserved) = (session.clone(), unserved.clone());
            if from_balancer {
                sessions.spawn(arrival.serve_balancer(peer, session, unserved));
            } else {
                sessions.spawn(arrival.serve(session, unserved));
            }
        }
        drop((socket, open));
        let closing = async {
            while let Some(ended) = sessions.join_next().await {
                note_panic(&name, ended);
            }
        };
        if timeout(limits.grace, closing).await.is_err() {
            let left = sessions.len();
            tracing::warn!(
                listener = &*name,
                left,
                "cut sessions off after the grace period"
            );
            sessions.shutdown().await;
        }
    }
}

/// A socket that was accepted.
struct Arrival {
    wire: Wire,
    permit: Permit,
    listener: Arc<str>,
    start: Start,
    timeouts: Timeouts,
    until_shutdown: watch::Receiver<()>,
}

impl Arrival {
    async fn serve<S, F, U>(self, session: S, unserved: U)
    where
        S: Fn(Accepted) -> F,
        F: Future<Output = ()>,
        U: Fn(Unserved),
    {
        let permit = Some(self.permit);
        // An error here means that the peer is gone already.
        if let Ok(connection) = Connection::new(self.wire, &self.listener, self.timeouts, permit) {
            begin(
                connection,
                self.start,
                self.until_shutdown,
                session,
                unserved,
            )
            .await;
        }
    }

    async fn serve_balancer<S, F, U>(mut self, balancer: SocketAddr, session: S, unserved: U)
    where
        S: Fn(Accepted) -> F,
        F: Future<Output = ()>,
        U: Fn(Unserved),
    {
        let header = Box::pin(proxy::receive(&mut self.wire, self.timeouts.handshake));
        let reported = tokio::select! {
            reported = header => reported,
            _ = self.until_shutdown.changed() => return,
        };
        let reported = match reported {
            Ok(Some(reported)) => reported,
            // It speaks for itself, as anybody else may.
            Ok(None) => return self.serve(session, unserved).await,
            Err(why) => return unserved(Unserved::Balancer { balancer, why }),
        };
        if let Err(full) = self.permit.assign(reported.client.ip()) {
            return unserved(full.turned_away(reported.client));
        }
        let (start, timeouts) = (self.start, self.timeouts);
        let tls_start = match start {
            Start::Implicit(_) => TlsStart::Implicit,
            Start::Clear => TlsStart::StartTls,
        };
        let (wire, listener, permit) = (self.wire, &self.listener, self.permit);
        match FromBalancer::new(wire, reported, tls_start, listener, timeouts, permit) {
            Ok(FromBalancer::Sealed(connection)) => {
                let span = connection.span().clone();
                session(Accepted::Sealed(connection)).instrument(span).await;
            }
            Ok(FromBalancer::Clear(connection)) => {
                begin(connection, start, self.until_shutdown, session, unserved).await;
            }
            // The balancer is gone already.
            Err(_) => {}
        }
    }
}

/// Does the implicit handshake where there is one, and hands the connection to its session, inside its span.
/// A handshake that is under way at shutdown is broken off.
async fn begin<S, F, U>(
    connection: Connection<Clear>,
    start: Start,
    mut until_shutdown: watch::Receiver<()>,
    session: S,
    unserved: U,
) where
    S: Fn(Accepted) -> F,
    F: Future<Output = ()>,
    U: Fn(Unserved),
{
    let span = connection.span().clone();
    let served = async move {
        let accepted = match start {
            Start::Clear => Ok(Accepted::Clear(connection)),
            Start::Implicit(acceptor) => {
                let handshake = |wire, context| acceptor.handshake(wire, context);
                let sealed = Box::pin(connection.into_tls(TlsStart::Implicit, handshake));
                tokio::select! {
                    sealed = sealed => sealed.map(Accepted::Sealed),
                    _ = until_shutdown.changed() => return,
                }
            }
        };
        match accepted {
            Ok(accepted) => session(accepted).await,
            Err(error) => unserved(Unserved::Handshake(error)),
        }
    };
    served.instrument(span).await;
}

impl Full {
    fn turned_away(self, peer: SocketAddr) -> Unserved {
        match self {
            Self::Listener => Unserved::ListenerFull { peer },
            Self::Address => Unserved::AddressFull { peer },
        }
    }
}

/// Errors that concern one connection, not the listener.
fn died_in_the_queue(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

fn note_panic(listener: &str, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(listener, %error, "a session died of a fault in this program");
    }
}
