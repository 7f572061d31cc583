//! [`Connection`]: one TCP connection, in the clear or inside TLS, and its way from the one to the other.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use pillarbox_names::TlsStart;
use pillarbox_policy::{
    Channel, ClearFacts, ConnectionId, HandshakeFailure, NoTls, TlsFacts, TlsRecord,
};
use pillarbox_proto::{ChannelState, Clear, Sealed, Start};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsStream;
use tracing::Span;
use tracing::field::{Empty, display};

use crate::connection_limit::Permit;
use crate::drive::Clock;
use crate::facts::mint_at_balancer;
use crate::outgoing::Outgoing;
use crate::proxy::Reported;
use crate::wire::Wire;
use crate::{Acceptor, Conversation, Dialer, HandshakeError, ServerIdentity};

/// How long closing may take in all: the last output, close_notify, FIN.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one connection waits for its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a whole TLS handshake.
    pub handshake: Duration,
    /// For the peer to say something, while it is its turn.
    pub idle: Duration,
    /// For the peer to take at least one octet of what we write.
    pub write: Duration,
}

impl Default for Timeouts {
    /// 20 seconds for a handshake, 30 minutes idle (the least RFC 9051 §5.4 allows), 60 seconds per write.
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(20),
            idle: Duration::from_secs(30 * 60),
            write: Duration::from_secs(60),
        }
    }
}

/// Reads and writes octets.
pub(crate) trait Octets: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Octets for T {}

/// The bytes' way to the peer.
#[derive(Debug)]
pub(crate) enum Stream {
    Clear(Wire),
    Sealed(Box<TlsStream<Wire>>),
}

impl Stream {
    pub(crate) fn wire(&self) -> &Wire {
        match self {
            Self::Clear(wire) => wire,
            Self::Sealed(tls) => tls.get_ref().0,
        }
    }

    /// The octets' way, whichever it is.
    pub(crate) fn octets(&mut self) -> Pin<&mut dyn Octets> {
        match self {
            Self::Clear(wire) => Pin::new(wire),
            Self::Sealed(tls) => Pin::new(tls),
        }
    }

    fn into_wire(self) -> Wire {
        match self {
            Self::Clear(wire) => wire,
            Self::Sealed(tls) => match *tls {
                TlsStream::Client(tls) => tls.into_inner().0,
                TlsStream::Server(tls) => tls.into_inner().0,
            },
        }
    }
}

/// The transport of a connection, whatever it is worth.
#[derive(Debug)]
pub(crate) struct Io {
    pub(crate) stream: Stream,
    pub(crate) outgoing: Outgoing,
    pub(crate) clock: Clock,
    pub(crate) timeouts: Timeouts,
    pub(crate) peer: SocketAddr,
    local: SocketAddr,
    pub(crate) id: ConnectionId,
    pub(crate) span: Span,
    /// Its place among the connections of its listener, given back when it ends.
    _permit: Option<Permit>,
}

/// One TCP connection, [`Clear`] or [`Sealed`] inside TLS. What it is worth stands in [`Connection::channel`]; it is
/// used by starting a machine on it, which is a [`Conversation`] from then on.
///
/// Dropping it ends TCP at once, without close_notify; a session that ends in order calls
/// [`Connection::close`].
///
/// The machine that is started has to belong to the state of the connection:
/// ```
/// use pillarbox_proto::{Sealed, pop3::server::{Limits, Server}};
/// use pillarbox_transport::{Connection, Conversation};
/// fn start(connection: Connection<Sealed>) -> Conversation<Server<Sealed>> {
///     connection.start(Limits::default())
/// }
/// ```
/// ```compile_fail,E0271
/// use pillarbox_proto::{Clear, Sealed, pop3::server::{Limits, Server}};
/// use pillarbox_transport::{Connection, Conversation};
/// fn start(connection: Connection<Clear>) -> Conversation<Server<Sealed>> {
///     connection.start(Limits::default())
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

impl Io {
    fn new(
        wire: Wire,
        (peer, local): (SocketAddr, SocketAddr),
        listener: &str,
        timeouts: Timeouts,
        permit: Option<Permit>,
    ) -> Self {
        let id = ConnectionId::fresh();
        let span = tracing::info_span!(
            "connection",
            %id, listener, %peer, balancer = Empty,
            how = Empty, version = Empty, suite = Empty, group = Empty, sni = Empty, alpn = Empty,
            resumed = Empty,
        );
        Self {
            stream: Stream::Clear(wire),
            outgoing: Outgoing::default(),
            clock: Clock::new(Instant::now()),
            timeouts,
            peer,
            local,
            id,
            span,
            _permit: permit,
        }
    }
}

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
        };
        let facts = mint_at_balancer(tls, context, balancer);
        record(&io.span, &facts.record());
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

    /// Starts a machine on it.
    #[must_use]
    pub fn start<M: Start<Channel = C>>(self, settings: M::Settings) -> Conversation<M> {
        let machine = M::start(&self.channel, settings);
        Conversation::new(self, machine)
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
    pub(crate) async fn into_tls(
        self,
        side: Side<'_>,
        tls_start: TlsStart,
    ) -> Result<Connection<Sealed>, HandshakeError> {
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
        };
        // Boxed, so that a session's task is not as large as a handshake for the rest of its life.
        let (tls, facts) = match side {
            Side::Server(acceptor) => {
                Box::pin(acceptor.handshake(wire, context, io.timeouts.handshake)).await?
            }
            Side::Client(dialer, identity) => {
                Box::pin(dialer.handshake(wire, context, identity)).await?
            }
        };
        record(&io.span, &facts.record());
        io.stream = Stream::Sealed(tls);
        io.clock = Clock::new(Instant::now());
        Ok(Connection {
            io,
            channel: Sealed::new(facts),
        })
    }
}

/// Who we are in a handshake.
pub(crate) enum Side<'a> {
    Server(&'a Acceptor),
    Client(&'a Dialer, &'a ServerIdentity),
}

/// What is known of a connection before its handshake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandshakeContext {
    pub(crate) connection: ConnectionId,
    pub(crate) peer: SocketAddr,
    pub(crate) tls_start: TlsStart,
}

fn record(span: &Span, tls: &TlsRecord) {
    span.record("how", tls.tls_start.as_str())
        .record("version", tls.version.as_str())
        .record("suite", display(tls.suite))
        .record("resumed", tls.resumed);
    if let Some(group) = tls.group {
        span.record("group", display(group));
    }
    if let Some(sni) = &tls.sni {
        span.record("sni", sni);
    }
    if let Some(alpn) = &tls.alpn {
        span.record("alpn", alpn);
    }
}
