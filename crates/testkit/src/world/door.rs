//! [`Door`]: a listener of a [`super::World`], and the ways in.

use std::net::SocketAddr;

use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_proto::{Clear, Sealed, Upgrade};
use pillarbox_transport::{Connection, Conversation, Dialer, Roots, ServerIdentity, Target};

use super::peer::Peer;
use super::people::HOSTNAME;

/// A listener, and what is needed to come in by it.
#[derive(Debug, Clone)]
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    pub(super) label: Label,
    pub(super) roots: Roots,
}

impl Door {
    /// The same one by way of another address, of somebody who carries octets to and fro.
    pub fn by_way_of(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// A client that has read the greeting, inside TLS or in the clear as the listener is.
    pub async fn greeted(&self) -> Peer {
        let connection = match self.label.start {
            TlsStart::Implicit => self.connect_implicit().await.by_hand(),
            TlsStart::StartTls => self.connect_clear().await.by_hand(),
        };
        let mut peer = Peer::new(connection, self.label.service);
        let greeting = peer.line().await.unwrap();
        let expected = match self.label.service {
            Service::Imap => "* OK [CAPABILITY IMAP4rev1 ",
            Service::Pop3 => "+OK ",
            Service::Submission => "220 mail.example.org ESMTP Pillarbox\r\n",
        };
        assert!(greeting.starts_with(expected), "{greeting}");
        peer
    }

    /// A connection that is inside TLS.
    pub async fn connect_implicit(&self) -> Connection<Sealed> {
        let dialer = self.dialer();
        let connected = dialer.connect_implicit(&self.target(), &identity()).await;
        connected.unwrap()
    }

    /// A connection in the clear.
    pub async fn connect_clear(&self) -> Connection<Clear> {
        self.dialer().connect_clear(&self.target()).await.unwrap()
    }

    /// The handshake of a conversation, once the server said yes to it.
    pub async fn upgrade<M: Upgrade>(&self, clear: Conversation<M>) -> Connection<Sealed> {
        let sealed = clear.start_tls_as_client(&self.dialer(), &identity()).await;
        sealed.unwrap()
    }

    pub(super) fn dialer(&self) -> Dialer {
        Dialer::new(self.label.service, self.roots.clone())
    }

    fn target(&self) -> Target {
        Target::Addresses(vec![self.address])
    }
}

pub(super) fn identity() -> ServerIdentity {
    ServerIdentity::host(HOSTNAME.parse().unwrap())
}
