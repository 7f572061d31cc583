//! [`Wire`]: one TCP socket with what TLS and the driver need around it, and how it ends in order.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pillarbox_policy::SecretBytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long to wait for the peer to hang up after our last word.
const LINGER: Duration = Duration::from_millis(500);
/// How much of what it still says is thrown away meanwhile.
const LINGER_BYTES: usize = 256 * 1024;
/// Octets of a server's first record that tell its version: record header, handshake header, version.
const FIRST: usize = 11;

/// A TCP socket that can give back bytes that were looked at, and counts what it wrote.
#[derive(Debug)]
pub(crate) struct Wire {
    socket: TcpStream,
    /// Bytes read by [`Wire::look`] that TLS has still to see. A client that speaks in the clear on a TLS port
    /// may have put a password there.
    seen: SecretBytes,
    /// The peer's first octets since [`Wire::begin_handshake`].
    first: Vec<u8>,
    written: u64,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream) -> io::Result<Self> {
        // A peer without it loses 44 ms a reply to Nagle and delayed acknowledgements.
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            seen: SecretBytes::new(),
            first: Vec::new(),
            written: 0,
        })
    }

    /// Octets the kernel has taken so far; grows whenever a slow peer makes room.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// What [`Wire::look`] has read so far and nobody has taken.
    pub(crate) fn seen(&self) -> &[u8] {
        &self.seen
    }

    /// Takes so many of the bytes that were seen.
    pub(crate) fn skip(&mut self, count: usize) {
        drop(self.seen.split_to(count));
    }

    /// Both ends' addresses: the peer's, then ours.
    pub(crate) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.socket.peer_addr()?, self.socket.local_addr()?))
    }

    /// Reads more of the first bytes and shows all that were read; at most `limit` of them.
    /// Nothing is consumed.
    pub(crate) async fn look(&mut self, limit: usize) -> io::Result<&[u8]> {
        let room = limit.saturating_sub(self.seen.len());
        let mut space = Zeroizing::new([0; 2048]);
        let room = space.get_mut(..room.min(2048)).unwrap_or_default();
        let read = self.socket.read(room).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.seen
            .extend_from_slice(room.get(..read).unwrap_or_default());
        Ok(&self.seen)
    }

    /// From here on the peer's first octets are kept for [`Wire::first`].
    pub(crate) fn begin_handshake(&mut self) {
        self.first = Vec::with_capacity(FIRST);
    }

    /// The peer's first octets of the handshake, at most eleven; frees them.
    pub(crate) fn take_first(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.first)
    }

    /// Sends a fatal TLS alert in the clear and hangs up.
    pub(crate) async fn refuse(mut self, version: u16, alert: u8) {
        let [major, minor] = version.to_be_bytes();
        let record = [21, major, minor, 0, 2, 2, alert];
        if self.socket.write_all(&record).await.is_ok() {
            self.hang_up().await;
        }
    }

    /// Ends TCP so that our last bytes arrive: FIN first, and what the peer has still in flight is read away
    /// for a moment, since closing a socket with unread bytes would reset it.
    pub(crate) async fn hang_up(mut self) {
        let closing = async {
            self.socket.shutdown().await?;
            let mut left = LINGER_BYTES;
            while left > 0 {
                self.socket.readable().await?;
                match discard(&self.socket) {
                    Ok(0) => break,
                    Ok(read) => left = left.saturating_sub(read),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
                    Err(error) => return Err(error),
                }
            }
            io::Result::Ok(())
        };
        // The session is over either way: the peer is gone, or it will not hear more from us.
        let _ = timeout(LINGER, closing).await;
    }
}

fn discard(socket: &TcpStream) -> io::Result<usize> {
    socket.try_read(Zeroizing::new([0; 4096]).as_mut_slice())
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.seen.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        } else {
            let piece = self.seen.split_to(buffer.remaining());
            buffer.put_slice(&piece);
        }
        let wanted = self.first.capacity().min(FIRST) - self.first.len().min(FIRST);
        if wanted > 0 {
            let new = buffer.filled().get(before..).unwrap_or_default();
            let new = new.get(..wanted.min(new.len())).unwrap_or_default();
            self.first.extend_from_slice(new);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.socket).poll_write(cx, bytes))?;
        self.written += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.socket).poll_write_vectored(cx, pieces))?;
        self.written += count as u64;
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
