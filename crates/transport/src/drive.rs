//! The one driver: carries bytes between a machine and its peer.
//!
//! Cancel-safe by construction: whatever was taken out of the machine or off the socket is put where it
//! belongs before the next await. Output waits in the connection, input goes into the machine in the same
//! breath in which it is read, and an event is returned without an await after it was taken.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pillarbox_policy::RefusalCode;
use pillarbox_proto::{Machine, Step};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroize;

use crate::io::{Io, Stream};

/// A machine is asked for no more output while this much waits for the socket. One write of so much costs half of what
/// four of a quarter do, and what TLS makes of it fits into its buffer.
const HIGH_WATER: usize = 64 * 1024;

/// Why [`crate::Conversation::drive`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driven<E, X> {
    /// The machine has something to tell its session.
    Event(E),
    /// The machine waits for its session's answer. All its output was sent.
    NeedReply,
    /// The conversation is over. [`crate::Conversation::close`] sends what is left and close_notify.
    Closed,
    /// The peer broke the protocol beyond repair. [`crate::Conversation::close`] sends what it is owed.
    Violation(X),
}

/// The machine of a conversation was started by another connection: somebody exchanged them. It is not driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a machine that another connection started cannot be driven over this one")]
pub struct ForeignMachine;

/// How a connection ended that nobody meant to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The peer closed in order: by close_notify inside TLS, by FIN in the clear.
    #[error("the other end closed the connection")]
    PeerClosed,
    /// TCP ended without close_notify, by FIN or reset. Whatever was being transferred is not complete (C19, S3.4-1).
    #[error(
        "the connection was cut off without a proper goodbye; what was being transferred is not complete"
    )]
    Truncated,
    /// The peer said nothing for as long as it may.
    #[error("the other end said nothing for {} seconds", .0.as_secs())]
    IdleTimedOut(Duration),
    /// The peer took nothing of what we wrote for as long as it may.
    #[error("the other end took no data for {} seconds", .0.as_secs())]
    WriteTimedOut(Duration),
    /// The peer broke TLS: a record that does not decrypt, a fatal alert.
    #[error("TLS broke: {0}")]
    Tls(rustls::Error),
    /// TCP failed.
    #[error("the connection failed: {0}")]
    Io(io::Error),
    /// A fault of the session: it has put another connection's machine here.
    #[error(transparent)]
    ForeignMachine(#[from] ForeignMachine),
}

impl ConnectionError {
    /// The stable machine code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Truncated => Some(RefusalCode::Truncated),
            Self::PeerClosed
            | Self::IdleTimedOut(_)
            | Self::WriteTimedOut(_)
            | Self::Tls(_)
            | Self::Io(_)
            | Self::ForeignMachine(_) => None,
        }
    }

    fn from_io(error: io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
            return Self::Tls(rustls::Error::clone(tls));
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }

    /// Of a read inside TLS, where a reset is a truncation too.
    fn from_sealed_read(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Self::Truncated,
            _ => Self::from_io(error),
        }
    }
}

impl Io {
    /// See [`crate::Conversation::drive`].
    pub(crate) async fn drive<M: Machine>(
        &mut self,
        machine: &mut M,
    ) -> Result<Driven<M::Event, M::Error>, ConnectionError> {
        self.clock.resume();
        loop {
            if self.outgoing.len() >= HIGH_WATER {
                self.flush().await?;
            }
            match machine.poll() {
                Step::Output(bytes) => self.outgoing.push(bytes),
                Step::NeedInput => {
                    self.flush().await?;
                    self.fill(machine).await?;
                }
                Step::NeedReply => {
                    self.flush().await?;
                    self.clock.stop();
                    return Ok(Driven::NeedReply);
                }
                Step::Event(event) => return self.returning(Driven::Event(event)).await,
                Step::Close => return self.returning(Driven::Closed).await,
                Step::Err(error) => return self.returning(Driven::Violation(error)).await,
            }
        }
    }

    /// Sends what can be sent without waiting, so that the peer has its reply while the session works. An error
    /// is left for the next call, which meets it again.
    async fn returning<T>(&mut self, driven: T) -> Result<T, ConnectionError> {
        std::future::poll_fn(|cx| {
            let _ = self.poll_flush(cx);
            Poll::Ready(())
        })
        .await;
        self.clock.stop();
        Ok(driven)
    }

    /// Sends all output, giving up when the peer takes nothing for the write timeout.
    pub(crate) async fn flush(&mut self) -> Result<(), ConnectionError> {
        loop {
            let deadline = self.write_deadline();
            let flushed = std::future::poll_fn(|cx| self.poll_flush(cx));
            match timeout_at(deadline, flushed).await {
                Ok(result) => {
                    self.clock.blocked = None;
                    return result.map_err(ConnectionError::from_io);
                }
                Err(_) if self.write_deadline() > deadline => (),
                Err(_) => return Err(ConnectionError::WriteTimedOut(self.timeouts.write)),
            }
        }
    }

    /// When to give up writing. Progress since the last call moves it, and is a sign of life.
    fn write_deadline(&mut self) -> Instant {
        let written = self.stream.wire().written();
        let since = match self.clock.blocked {
            Some((since, before)) if before == written => since,
            blocked => {
                let now = Instant::now();
                if blocked.is_some() {
                    self.clock.heard = now;
                }
                now
            }
        };
        self.clock.blocked = Some((since, written));
        since + self.timeouts.write
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let slices = self.outgoing.slices();
            let written = ready!(self.stream.octets().poll_write_vectored(cx, &slices))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outgoing.advance(written);
        }
        self.stream.octets().poll_flush(cx)
    }

    /// Waits for bytes of the peer and gives them to the machine.
    async fn fill<M: Machine>(&mut self, machine: &mut M) -> Result<(), ConnectionError> {
        let idle = self.timeouts.idle;
        let deadline = self.clock.heard + idle;
        let filled = std::future::poll_fn(|cx| self.poll_fill(cx, machine));
        match timeout_at(deadline, filled).await {
            Ok(result) => result,
            Err(_) => Err(ConnectionError::IdleTimedOut(idle)),
        }
    }

    fn poll_fill<M: Machine>(
        &mut self,
        cx: &mut Context<'_>,
        machine: &mut M,
    ) -> Poll<Result<(), ConnectionError>> {
        let read = match &mut self.stream {
            Stream::Clear(wire) => {
                // On the stack, and gone before the task sleeps.
                let mut space = [0; 4096];
                let mut buffer = ReadBuf::new(&mut space);
                ready!(Pin::new(wire).poll_read(cx, &mut buffer))
                    .map_err(ConnectionError::from_io)?;
                machine.input(buffer.filled());
                let read = buffer.filled().len();
                space.zeroize();
                read
            }
            Stream::Sealed(tls) => {
                let mut tls = Pin::new(tls);
                let chunk = ready!(tls.as_mut().poll_fill_buf(cx))
                    .map_err(ConnectionError::from_sealed_read)?;
                machine.input(chunk);
                let read = chunk.len();
                tls.consume(read);
                read
            }
        };
        if read == 0 {
            return Poll::Ready(Err(ConnectionError::PeerClosed));
        }
        self.clock.heard = Instant::now();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
