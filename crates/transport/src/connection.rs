//! [`Connection`]: one TCP connection, in the clear or inside TLS, and its way from the one to the other.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use pillarbox_names::TlsStart;
use pillarbox_policy::{Channel, ClearFacts, ConnectionId, HandshakeFailure, NoTls, TlsFacts};
use pillarbox_proto::{ChannelState, Clear, Sealed};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsStream;
use tracing::Span;
use tracing::field::display;

use crate::HandshakeError;
use crate::connection_limit::Permit;
use crate::facts::{HandshakeContext, mint_at_balancer};
use crate::io::{Clock, Io, Stream, Timeouts};
use crate::proxy::Reported;
use crate::wire::Wire;

/// How long closing may take in all: the last output, close_notify, FIN.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// One TCP connection, [`Clear`] or [`Sealed`] inside TLS. What it is worth stands in [`Connection::channel`]; it is
/// used by starting a machine on it, which is a [`crate::Conversation`] from then on.
///
/// Dropping it ends TCP at once, without close_notify; a session that ends in order calls
/// [`Connection::close`].
///
/// The machine that is started has to belong to the state of the connection:
/// ```
/// use pillarbox_proto::{Sealed, pop3::server::{Config, Server}};
/// use pillarbox_transport::{Connection, Conversation};
/// fn start(connection: Connection<Sealed>) -> Conversation<Server<Sealed>> {
///     connection.start(Config::default())
/// }
/// ```
/// ```compile_fail,E0271
/// use pillarbox_proto::{Clear, Sealed, pop3::server::{Config, Server}};
/// use pillarbox_transport::{Connection, Conversation};
/// fn start(connection: Connection<Clear>) -> Conversation<Server<Sealed>> {
///     connection.start(Config::default())
/// }
/// ```
/// and a machine that was made elsewhere cannot be driven at all:
/// ```compile_fail,E0599
/// use pillarbox_proto::{Clear, Sealed, pop3::server::Server};
/// use pillarbox_transport::Connection;
/// async fn drive(connection: &mut Connection<Clear>, loose: &mut Server<Sealed>) {
///     let _ = connection.drive(loose).await;
/// }
/// ```
#[derive(Debug)]
pub struct Connection<C> {
    pub(crate) io: Io,
    pub(crate) channel: C,
}

impl Connection<Clear> {
    /// A connection that has just been made, in the clear.
    pub(crate) fn new(
        wire: Wire,
        listener: &str,
        timeouts: Timeouts,
        permit: Option<Permit>,
    ) -> io::Result<Self> {
        let (peer, local) = wire.addresses()?;
        let io = Io::new(wire, (peer, local), listener, timeouts, permit);
        let facts = ClearFacts::new(io.id, peer.ip(), NoTls::NotOffered);
        Ok(Self {
            io,
            channel: Clear::new(facts),
        })
    }
}

/// What a handshake comes to.
pub(crate) type Handshaken = Result<(Box<TlsStream<Wire>>, TlsFacts), HandshakeError>;

/// What a trusted balancer handed on.
pub(crate) enum FromBalancer {
    /// TLS ended there.
    Sealed(Connection<Sealed>),
    /// There is no TLS yet.
    Clear(Connection<Clear>),
}

impl FromBalancer {
    /// A connection of `reported.client`, whose TLS began like this if it ended at the balancer.
    pub(crate) fn new(
        wire: Wire,
        reported: Reported,
        tls_start: TlsStart,
        listener: &str,
        timeouts: Timeouts,
        permit: Permit,
    ) -> io::Result<Self> {
        let (balancer, local) = wire.addresses()?;
        let (peer, balancer) = (reported.client, balancer.ip());
        let io = Io::new(wire, (peer, local), listener, timeouts, Some(permit));
        io.span.record("balancer", display(balancer));
        let Some(tls) = reported.tls else {
            let facts = ClearFacts::new(io.id, peer.ip(), NoTls::NoneAtBalancer);
            let channel = Clear::new(facts);
            return Ok(Self::Clear(Connection { io, channel }));
        };
        let context = HandshakeContext {
            connection: io.id,
            peer,
            tls_start,
            limit: io.timeouts.handshake,
        };
        let facts = mint_at_balancer(tls, context, balancer);
        io.note(&facts.record());
        let channel = Sealed::new(facts);
        Ok(Self::Sealed(Connection { io, channel }))
    }
}

impl Connection<Sealed> {
    /// The facts of its handshake.
    #[must_use]
    pub fn facts(&self) -> &TlsFacts {
        self.channel.facts()
    }
}

impl<C: ChannelState> Connection<C> {
    /// What the connection is worth.
    #[must_use]
    pub fn channel(&self) -> Channel<'_> {
        self.channel.view()
    }
}

impl<C> Connection<C> {
    /// The other end's address.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.io.peer
    }

    /// Our end's address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.io.local
    }

    /// Its number in logs and records.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.io.id
    }

    /// The span that carries its id, listener, peer and TLS facts, and never payload (S4-17).
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.io.span
    }

    /// How long the peer may stay silent while it is its turn. The time the session works on an event does
    /// not count.
    pub fn set_idle_timeout(&mut self, idle: Duration) {
        self.io.timeouts.idle = idle;
    }

    /// Sends close_notify where there is TLS, after all output, then ends TCP (S3.4-1).
    /// Does not wait for the peer's close_notify (S3.4-2). A peer that is gone already makes no difference.
    pub async fn close(self) {
        let mut io = self.io;
        let span = io.span.clone();
        let closing = async {
            io.flush().await.ok()?;
            match &mut io.stream {
                Stream::Sealed(tls) => tls.shutdown().await.ok()?,
                Stream::Clear(_) => (),
            }
            io.stream.into_wire().hang_up().await;
            Some(())
        };
        let complete = matches!(timeout(CLOSE_TIMEOUT, closing).await, Ok(Some(())));
        tracing::trace!(parent: &span, complete, "closed");
    }

    /// Does the handshake, from either side, however it begins. All output is sent before it. Bytes of the peer
    /// that nobody read go to TLS and nowhere else, so injected cleartext fails it (S1).
    pub(crate) async fn into_tls<F>(
        self,
        tls_start: TlsStart,
        handshake: impl FnOnce(Wire, HandshakeContext) -> F,
    ) -> Result<Connection<Sealed>, HandshakeError>
    where
        F: Future<Output = Handshaken>,
    {
        let mut io = self.io;
        let failed = |peer, failure| HandshakeError {
            peer,
            sni: None,
            failure,
        };
        if io.flush().await.is_err() {
            return Err(failed(io.peer, HandshakeFailure::Closed));
        }
        let Stream::Clear(wire) = io.stream else {
            let failure = HandshakeFailure::Other("TLS is active already".to_owned());
            return Err(failed(io.peer, failure));
        };
        let context = HandshakeContext {
            connection: io.id,
            peer: io.peer,
            tls_start,
            limit: io.timeouts.handshake,
        };
        // Boxed, so that a session's task is not as large as a handshake for the rest of its life.
        let (tls, facts) = Box::pin(handshake(wire, context)).await?;
        io.stream = Stream::Sealed(tls);
        io.note(&facts.record());
        io.clock = Clock::new(Instant::now());
        Ok(Connection {
            io,
            channel: Sealed::new(facts),
        })
    }
}
