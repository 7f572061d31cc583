//! [`Connection`]: one TCP connection, in the clear or inside TLS, and its way from the one to the other.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use pillarbox_names::TlsStart;
use pillarbox_policy::{Channel, HandshakeFailure, NoTls, TlsFacts};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsStream;
use tracing::Span;
use tracing::field::{Empty, display};

use crate::drive::Clock;
use crate::outgoing::Outgoing;
use crate::seats::Seat;
use crate::wire::Wire;
use crate::{Acceptor, Dialer, HandshakeError, ServerIdentity};

/// How long a whole farewell may take: the last output, close_notify, FIN.
const FAREWELL: Duration = Duration::from_secs(5);

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

/// Tells the connections of one process apart in logs and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

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

/// One TCP connection. What it is worth stands in [`Connection::channel`]; bytes move by
/// [`Connection::drive`](Self::drive).
///
/// Dropping it ends TCP at once, without close_notify; a session that ends in peace calls
/// [`Connection::close`].
#[derive(Debug)]
pub struct Connection {
    pub(crate) stream: Stream,
    pub(crate) outgoing: Outgoing,
    pub(crate) clock: Clock,
    pub(crate) timeouts: Timeouts,
    channel: Channel,
    peer: SocketAddr,
    local: SocketAddr,
    id: ConnectionId,
    span: Span,
    /// Its place among the connections of its listener, given back when it ends.
    _seat: Option<Seat>,
}

impl Connection {
    /// A connection that has just been made, in the clear.
    pub(crate) fn new(
        socket: TcpStream,
        listener: &str,
        timeouts: Timeouts,
        seat: Option<Seat>,
    ) -> io::Result<Self> {
        // A peer without it loses 44 ms a reply to Nagle and delayed acknowledgements.
        socket.set_nodelay(true)?;
        let (peer, local) = (socket.peer_addr()?, socket.local_addr()?);
        let id = ConnectionId::next();
        let span = tracing::info_span!(
            "connection",
            %id, listener, %peer,
            how = Empty, version = Empty, suite = Empty, group = Empty, sni = Empty, alpn = Empty,
            resumed = Empty,
        );
        Ok(Self {
            stream: Stream::Clear(Wire::new(socket)),
            outgoing: Outgoing::default(),
            clock: Clock::new(Instant::now()),
            timeouts,
            channel: Channel::Clear(NoTls::NotOffered),
            peer,
            local,
            id,
            span,
            _seat: seat,
        })
    }

    /// What the connection is worth.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The other end's address.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Our end's address.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Its number in logs and records.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }

    /// The span that carries its id, listener, peer and TLS facts, and never payload (S4-17).
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// How long the peer may stay silent while it is its turn. The time the owner works on an event does
    /// not count.
    pub fn set_idle_timeout(&mut self, idle: Duration) {
        self.timeouts.idle = idle;
    }

    /// After a successful STARTTLS or STLS, on the server's side: what was put out is flushed, then the
    /// handshake begins. Bytes of the peer that nobody read go to TLS and nowhere else, so injected
    /// cleartext fails it (S1).
    ///
    /// # Errors
    /// The handshake failed. The connection is gone; there is no way back to cleartext (S7).
    pub async fn start_tls_as_server(self, acceptor: &Acceptor) -> Result<Self, HandshakeError> {
        self.into_tls(Side::Server(acceptor), TlsStart::StartTls)
            .await
    }

    /// After the server's success reply to STARTTLS or STLS, on the client's side.
    ///
    /// # Errors
    /// The handshake failed, or the server is not the one that was meant. The connection is gone.
    pub async fn start_tls_as_client(
        self,
        dialer: &Dialer,
        identity: &ServerIdentity,
    ) -> Result<Self, HandshakeError> {
        self.into_tls(Side::Client(dialer, identity), TlsStart::StartTls)
            .await
    }

    /// Sends close_notify where there is TLS, after everything that was put out, then ends TCP (S3.4-1).
    /// Does not wait for the peer's close_notify (S3.4-2). A peer that is gone already makes no difference.
    pub async fn close(mut self) {
        let span = self.span.clone();
        let farewell = async {
            self.flush().await.ok()?;
            match &mut self.stream {
                Stream::Sealed(tls) => tls.shutdown().await.ok()?,
                Stream::Clear(_) => (),
            }
            self.stream.into_wire().hang_up().await;
            Some(())
        };
        let complete = matches!(timeout(FAREWELL, farewell).await, Ok(Some(())));
        tracing::trace!(parent: &span, complete, "closed");
    }

    /// Does the handshake, from either side, with either beginning.
    pub(crate) async fn into_tls(
        mut self,
        side: Side<'_>,
        tls_start: TlsStart,
    ) -> Result<Self, HandshakeError> {
        let failed = |peer, failure| HandshakeError {
            peer,
            sni: None,
            failure,
        };
        if self.flush().await.is_err() {
            return Err(failed(self.peer, HandshakeFailure::Closed));
        }
        let Stream::Clear(wire) = self.stream else {
            let failure = HandshakeFailure::Other("TLS is active already".to_owned());
            return Err(failed(self.peer, failure));
        };
        // Boxed, so that a session's task is not as large as a handshake for the rest of its life.
        let (tls, facts) = match side {
            Side::Server(acceptor) => {
                Box::pin(acceptor.handshake(wire, self.peer, tls_start, self.timeouts.handshake))
                    .await?
            }
            Side::Client(dialer, identity) => {
                Box::pin(dialer.handshake(wire, self.peer, tls_start, identity)).await?
            }
        };
        record(&self.span, &facts);
        self.stream = Stream::Sealed(tls);
        self.channel = Channel::Sealed(facts);
        self.clock = Clock::new(Instant::now());
        Ok(self)
    }
}

/// Who we are in a handshake.
pub(crate) enum Side<'a> {
    Server(&'a Acceptor),
    Client(&'a Dialer, &'a ServerIdentity),
}

fn record(span: &Span, facts: &TlsFacts) {
    span.record("how", facts.tls_start().as_str())
        .record("version", facts.version().as_str())
        .record("suite", display(facts.suite()))
        .record("resumed", facts.resumed());
    if let Some(group) = facts.group() {
        span.record("group", display(group));
    }
    if let Some(sni) = facts.sni() {
        span.record("sni", sni);
    }
    if let Some(alpn) = facts.alpn() {
        span.record("alpn", alpn);
    }
}
