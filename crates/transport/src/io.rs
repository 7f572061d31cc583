//! [`Io`]: the transport of a connection, in the clear or inside TLS: its stream, what waits to be written, its clock
//! and its span.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use pillarbox_policy::{ConnectionId, TlsRecord};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsStream;
use tracing::Span;
use tracing::field::{Empty, display};

use crate::connection_limit::Permit;
use crate::outgoing::Outgoing;
use crate::wire::Wire;

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

    pub(crate) fn into_wire(self) -> Wire {
        match self {
            Self::Clear(wire) => wire,
            Self::Sealed(tls) => match *tls {
                TlsStream::Client(tls) => tls.into_inner().0,
                TlsStream::Server(tls) => tls.into_inner().0,
            },
        }
    }
}

/// When the peer last showed life. Stands still while the session works on an event.
#[derive(Debug)]
pub(crate) struct Clock {
    pub(crate) heard: Instant,
    /// Since when the session has been working.
    stopped: Option<Instant>,
    /// Since when the socket has taken nothing, and how much it had taken by then.
    pub(crate) blocked: Option<(Instant, u64)>,
}

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            heard: now,
            stopped: None,
            blocked: None,
        }
    }

    pub(crate) fn stop(&mut self) {
        self.stopped = Some(Instant::now());
    }

    pub(crate) fn resume(&mut self) {
        if let Some(stopped) = self.stopped.take() {
            self.heard += stopped.elapsed();
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
    pub(crate) local: SocketAddr,
    pub(crate) id: ConnectionId,
    pub(crate) span: Span,
    /// Its place among the connections of its listener, given back when it ends.
    _permit: Option<Permit>,
}

impl Io {
    pub(crate) fn new(
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

    /// Notes in the span what a handshake came to.
    pub(crate) fn note(&self, tls: &TlsRecord) {
        self.span
            .record("how", tls.tls_start.as_str())
            .record("version", tls.version.as_str())
            .record("suite", display(tls.suite))
            .record("resumed", tls.resumed);
        if let Some(group) = tls.group {
            self.span.record("group", display(group));
        }
        if let Some(sni) = &tls.sni {
            self.span.record("sni", sni);
        }
        if let Some(alpn) = &tls.alpn {
            self.span.record("alpn", alpn);
        }
    }
}
