//! [`HandDriven`]: for tests alone, a connection that drives whatever machine it is given.

use std::net::SocketAddr;
use std::time::Duration;

use pillarbox_names::TlsStart;
use pillarbox_policy::Channel;
use pillarbox_proto::{ChannelState, Machine, Sealed};

use crate::io::Io;
use crate::{
    Acceptor, Connection, ConnectionError, Dialer, Driven, HandshakeError, ServerIdentity,
};

/// A connection without a machine of its own. There is none in a product: the feature `hand-driven` is switched on by
/// dev-dependencies alone, and a house test holds that.
#[derive(Debug)]
pub struct HandDriven {
    io: Io,
    channel: Box<dyn ChannelState>,
}

impl<C: ChannelState> Connection<C> {
    /// The connection, to be driven by hand.
    #[must_use]
    pub fn by_hand(self) -> HandDriven {
        HandDriven {
            io: self.io,
            channel: Box::new(self.channel),
        }
    }
}

impl HandDriven {
    /// As [`crate::Conversation::drive`].
    ///
    /// # Errors
    /// As [`crate::Conversation::drive`].
    pub async fn drive<M: Machine>(
        &mut self,
        machine: &mut M,
    ) -> Result<Driven<M::Event, M::Error>, ConnectionError> {
        self.io.drive(machine).await
    }

    /// As [`Connection::channel`].
    #[must_use]
    pub fn channel(&self) -> Channel<'_> {
        self.channel.view()
    }

    /// As [`Connection::peer_addr`].
    #[must_use]
    pub fn peer_addr(&self) -> SocketAddr {
        self.io.peer
    }

    /// As [`Connection::set_idle_timeout`].
    pub fn set_idle_timeout(&mut self, idle: Duration) {
        self.io.timeouts.idle = idle;
    }

    /// As [`crate::Conversation::start_tls_as_server`], with a machine that has nothing left.
    ///
    /// # Errors
    /// The handshake failed.
    pub async fn start_tls_as_server(
        self,
        acceptor: &Acceptor,
    ) -> Result<Connection<Sealed>, HandshakeError> {
        let handshake = |wire, context| acceptor.handshake(wire, context);
        self.connection()
            .into_tls(TlsStart::StartTls, handshake)
            .await
    }

    /// As [`crate::Conversation::start_tls_as_client`], with a machine that has nothing left.
    ///
    /// # Errors
    /// The handshake failed.
    pub async fn start_tls_as_client(
        self,
        dialer: &Dialer,
        identity: &ServerIdentity,
    ) -> Result<Connection<Sealed>, HandshakeError> {
        let handshake = |wire, context| dialer.handshake(wire, context, identity);
        self.connection()
            .into_tls(TlsStart::StartTls, handshake)
            .await
    }

    /// As [`Connection::close`].
    pub async fn close(self) {
        self.connection().close().await;
    }

    fn connection(self) -> Connection<Box<dyn ChannelState>> {
        Connection {
            io: self.io,
            channel: self.channel,
        }
    }
}
