//! [`SealedStream`]: a connection inside TLS as octets, for protocols that are not ours.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use pillarbox_policy::TlsFacts;
use pillarbox_proto::Sealed;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tracing::Span;

use crate::Connection;
use crate::io::Io;

/// A connection inside TLS as octets (web, ACME). There is none of a connection in the clear.
///
/// Shutting it down sends close_notify, then FIN; a peer that ends TCP without close_notify shows as
/// [`std::io::ErrorKind::UnexpectedEof`] (S3.4-1). It has no timeouts of its own.
#[derive(Debug)]
pub struct SealedStream {
    io: Io,
    channel: Sealed,
}

impl Connection<Sealed> {
    /// The connection as octets.
    #[must_use]
    pub fn into_stream(self) -> SealedStream {
        SealedStream {
            io: self.io,
            channel: self.channel,
        }
    }
}

impl SealedStream {
    /// The facts of its handshake.
    #[must_use]
    pub fn facts(&self) -> &TlsFacts {
        self.channel.facts()
    }

    /// The other end's address.
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.io.peer
    }

    /// See [`Connection::span`].
    #[must_use]
    pub fn span(&self) -> &Span {
        &self.io.span
    }
}

impl AsyncRead for SealedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.io.stream.octets().poll_read(cx, buffer)
    }
}

impl AsyncWrite for SealedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io.stream.octets().poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io.stream.octets().poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.stream.octets().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.stream.octets().poll_shutdown(cx)
    }
}
