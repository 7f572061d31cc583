//! [`Conversation`]: a connection and the machine it started.

use std::time::Duration;

use pillarbox_names::TlsStart;
use pillarbox_policy::{Channel, HandshakeFailure, LegacyWindow, RefusalCode};
use pillarbox_proto::{
    AsksForPermit, ChannelState, Injected, Legacy, OnChannel, Sealed, Start, Upgrade,
};

use crate::{
    Acceptor, Connection, ConnectionError, Dialer, Driven, ForeignMachine, HandshakeError,
    ServerIdentity,
};

/// A connection and the machine it started; the only way to drive a machine.
///
/// A sealed machine's session has the facts of the very connection that carries it. STARTTLS consumes the
/// conversation, and only then is there a [`Connection<Sealed>`]:
/// ```
/// use pillarbox_proto::{Clear, Sealed, pop3::server::Server};
/// use pillarbox_transport::{Acceptor, Connection, Conversation, UpgradeError};
/// async fn stls(clear: Conversation<Server<Clear>>, with: &Acceptor) -> Result<Connection<Sealed>, UpgradeError> {
///     clear.start_tls_as_server(with).await
/// }
/// ```
/// ```compile_fail,E0382
/// use pillarbox_proto::{Clear, pop3::server::Server};
/// use pillarbox_transport::{Acceptor, Conversation};
/// async fn stls(clear: Conversation<Server<Clear>>, with: &Acceptor) {
///     let _ = clear.start_tls_as_server(with).await;
///     clear.close().await;
/// }
/// ```
#[derive(Debug)]
pub struct Conversation<M: OnChannel> {
    connection: Connection<M::Channel>,
    machine: M,
}

/// Why STARTTLS did not lead into TLS. The connection is gone; there is no way back to cleartext (S7).
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// Bytes of the peer stood in the clear where the handshake had to begin (C1, S1).
    #[error(transparent)]
    Injected(#[from] Injected),
    /// The handshake failed, or the server is not the one that was meant.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// A fault of the session: it has put another connection's machine here.
    #[error(transparent)]
    ForeignMachine(#[from] ForeignMachine),
}

impl UpgradeError {
    /// The stable machine code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Injected(why) => Some(why.code()),
            Self::Handshake(why) => why.failure.code(),
            Self::ForeignMachine(_) => None,
        }
    }

    /// Whether cleartext stood where the handshake had to begin, behind the last word or in a segment of its own.
    #[must_use]
    pub fn is_injection(&self) -> bool {
        match self {
            Self::Injected(_) => true,
            Self::Handshake(why) => why.failure == HandshakeFailure::NotTls,
            Self::ForeignMachine(_) => false,
        }
    }
}

impl<C: ChannelState> Connection<C> {
    /// Starts a machine on it.
    #[must_use]
    pub fn start<M: Start<Channel = C>>(self, settings: M::Settings) -> Conversation<M> {
        let machine = M::start(&self.channel, settings);
        Conversation {
            connection: self,
            machine,
        }
    }
}

impl<M: OnChannel> Conversation<M> {
    /// Pumps bytes both ways until the machine has an event, waits for its session, is over or was violated.
    ///
    /// * Cancel-safe: dropping the future loses nothing, neither output, nor input, nor an event. The next
    ///   call goes on where it was.
    /// * Output is flushed before waiting for input and before `NeedReply`. Before an event, `Closed` and
    ///   `Violation` as much is sent as the socket takes at once; the rest, at most 80 KiB, is sent by the
    ///   next call or by [`Conversation::close`].
    /// * Every byte that is read goes into the machine, and none is read while an event is pending.
    /// * While it waits for input the connection holds no buffer of its own.
    ///
    /// # Errors
    /// See [`ConnectionError`]. After one the conversation is good for nothing but [`Conversation::close`].
    pub async fn drive(&mut self) -> Result<Driven<M::Event, M::Error>, ConnectionError> {
        self.own_machine()?;
        self.connection.io.drive(&mut self.machine).await
    }

    /// The machine, to be answered.
    pub fn machine(&mut self) -> &mut M {
        &mut self.machine
    }

    /// Its connection.
    #[must_use]
    pub fn connection(&self) -> &Connection<M::Channel> {
        &self.connection
    }

    /// What the connection is worth.
    #[must_use]
    pub fn channel(&self) -> Channel<'_> {
        self.connection.channel()
    }

    /// The machine, and beside it what its connection is worth.
    pub fn split(&mut self) -> (&mut M, Channel<'_>) {
        (&mut self.machine, self.connection.channel.view())
    }

    /// See [`Connection::set_idle_timeout`].
    pub fn set_idle_timeout(&mut self, idle: Duration) {
        self.connection.set_idle_timeout(idle);
    }

    /// See [`Connection::close`]. What the machine has not output yet is not sent.
    pub async fn close(self) {
        self.connection.close().await;
    }

    fn own_machine(&self) -> Result<(), ForeignMachine> {
        let started_by = self.machine.channel().view().connection();
        if started_by == self.connection.id() {
            Ok(())
        } else {
            Err(ForeignMachine)
        }
    }
}

impl<M: Upgrade> Conversation<M> {
    /// After a successful STARTTLS or STLS, on the server's side.
    ///
    /// # Errors
    /// See [`UpgradeError`].
    pub async fn start_tls_as_server(
        self,
        acceptor: &Acceptor,
    ) -> Result<Connection<Sealed>, UpgradeError> {
        let connection = self.before_tls()?;
        let handshake = |wire, context| acceptor.handshake(wire, context);
        Ok(connection.into_tls(TlsStart::StartTls, handshake).await?)
    }

    /// After the server's success reply to STARTTLS or STLS, on the client's side.
    ///
    /// # Errors
    /// See [`UpgradeError`].
    pub async fn start_tls_as_client(
        self,
        dialer: &Dialer,
        identity: &ServerIdentity,
    ) -> Result<Connection<Sealed>, UpgradeError> {
        let connection = self.before_tls()?;
        let handshake = |wire, context| dialer.handshake(wire, context, identity);
        Ok(connection.into_tls(TlsStart::StartTls, handshake).await?)
    }

    /// The connection, where nothing stands in the way of a handshake.
    fn before_tls(self) -> Result<Connection<M::Channel>, UpgradeError> {
        self.own_machine()?;
        self.machine.nothing_left()?;
        Ok(self.connection)
    }
}

impl<M: AsksForPermit> Conversation<M> {
    /// Answers a login in the clear that was not looked at: goes on with it where the window permits it, or refuses it
    /// as all are refused (S4.1-5).
    ///
    /// The window has to come out of the grants as the store holds them now ([`pillarbox_policy::Grants::window`]).
    ///
    /// # Errors
    /// The login was refused. The conversation goes on as before.
    #[expect(
        clippy::result_large_err,
        reason = "a refused conversation goes on, so it is handed back and not boxed for each refusal"
    )]
    pub fn permit_login(
        mut self,
        window: Option<LegacyWindow>,
    ) -> Result<Conversation<M::Permitted>, Self> {
        let permitted = window.and_then(|window| {
            self.own_machine().ok()?;
            let channel = || Legacy::opened(&self.connection.channel, &window);
            Some((channel()?, channel()?, window))
        });
        let Some((channel, machines, window)) = permitted else {
            self.machine.refuse_login();
            return Err(self);
        };
        Ok(Conversation {
            connection: Connection {
                io: self.connection.io,
                channel,
            },
            machine: self.machine.permitted(machines, window),
        })
    }
}
