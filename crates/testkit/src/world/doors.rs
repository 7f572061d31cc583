//! The listeners of a [`World`], and the ways in.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_proto::{Clear, Sealed, Upgrade};
use pillarbox_server::{Context, ListenerInfo, Shutdown, imap, pop3, submission};
use pillarbox_transport::{
    Accepted, Acceptor, Connection, Conversation, Dialer, Listener, ListenerLimits, Roots,
    ServerIdentity, Start, Target,
};

use super::{HOSTNAME, Peer, World};

/// A listener, and what is needed to come in by it.
#[derive(Debug, Clone)]
pub struct Door {
    /// Where it listens.
    pub address: SocketAddr,
    label: Label,
    roots: Roots,
}

impl World {
    /// A listener, opened on a free loopback port when it is first asked for.
    ///
    /// # Panics
    /// There is no free port.
    pub fn door(&self, service: Service, start: TlsStart) -> Door {
        let label = Label::new(service, start);
        let mut doors = self.doors.lock().unwrap();
        let door = doors.entry(label).or_insert_with(|| self.open(label));
        door.clone()
    }

    /// A client of IMAP by implicit TLS that has read the greeting.
    pub async fn imap(&self) -> Peer {
        self.greeted(Service::Imap).await
    }

    /// A client that has read the greeting, inside TLS from the start.
    pub async fn greeted(&self, service: Service) -> Peer {
        self.door(service, TlsStart::Implicit).greeted().await
    }

    /// A client that has read the greeting, in the clear.
    pub async fn greeted_clear(&self, service: Service) -> Peer {
        self.door(service, TlsStart::StartTls).greeted().await
    }

    /// A client that has logged in as Ann, inside TLS from the start.
    pub async fn log_in(&self, service: Service) -> Peer {
        let mut peer = self.greeted(service).await;
        peer.log_in().await;
        peer
    }

    /// An IMAP client that has logged in as Ann and selected INBOX.
    ///
    /// # Panics
    /// It cannot be selected.
    pub async fn select(&self) -> Peer {
        let mut peer = self.log_in(Service::Imap).await;
        let answer = peer.ask("SELECT INBOX").await;
        assert!(answer.contains(" OK [READ-WRITE] "), "{answer}");
        peer
    }

    /// The handshake of a client to whom STARTTLS was granted.
    ///
    /// # Panics
    /// It fails.
    pub async fn start_tls(&self, peer: Peer) -> Peer {
        let door = self.door(peer.service, TlsStart::StartTls);
        let (dialer, identity) = (door.dialer(), identity());
        let sealed = peer.connection.start_tls_as_client(&dialer, &identity);
        Peer::new(sealed.await.unwrap().by_hand(), peer.service)
    }

    fn open(&self, label: Label) -> Door {
        let acceptor = Acceptor::new(Arc::clone(&self.certificates), label.service).unwrap();
        let start = match label.start {
            TlsStart::Implicit => Start::Implicit(acceptor.clone()),
            TlsStart::StartTls => Start::Clear,
        };
        let info = Arc::new(ListenerInfo {
            name: label.as_str(),
            service: label.service,
            tls_start: label.start,
            acceptor,
        });
        let address = match label.service {
            Service::Imap => self.serve(info, start, imap::serve),
            Service::Pop3 => self.serve(info, start, pop3::serve),
            Service::Submission => self.serve(info, start, submission::serve),
        };
        let roots = Roots::empty().with_pem_file(&self.root_file()).unwrap();
        Door {
            address,
            label,
            roots,
        }
    }

    fn serve<S, F>(&self, info: Arc<ListenerInfo>, start: Start, session: S) -> SocketAddr
    where
        S: Fn(Accepted, Arc<Context>, Arc<ListenerInfo>, Shutdown) -> F
            + Clone
            + Send
            + Sync
            + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let limits = ListenerLimits {
            grace: Duration::from_secs(1),
            ..ListenerLimits::default()
        };
        let listener = Listener::bind(info.name, loopback, start, limits).unwrap();
        let address = listener.local_addr().unwrap();
        let (cx, shutdown) = (Arc::clone(&self.cx), self.shutdown.clone());
        let stop = shutdown.clone();
        self.running.lock().unwrap().spawn(async move {
            let session = move |connection| {
                let (cx, info) = (Arc::clone(&cx), Arc::clone(&info));
                session(connection, cx, info, shutdown.clone())
            };
            listener
                .run(session, |_| (), async move { stop.requested().await })
                .await;
        });
        address
    }
}

impl Door {
    /// The same one by way of another address, of somebody who carries octets to and fro.
    #[must_use]
    pub fn by_way_of(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// A client that has read the greeting, inside TLS or in the clear as the listener is.
    ///
    /// # Panics
    /// There is no connection, or no greeting.
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
    ///
    /// # Panics
    /// There is none.
    pub async fn connect_implicit(&self) -> Connection<Sealed> {
        let dialer = self.dialer();
        let connected = dialer.connect_implicit(&self.target(), &identity()).await;
        connected.unwrap()
    }

    /// A connection in the clear.
    ///
    /// # Panics
    /// There is none.
    pub async fn connect_clear(&self) -> Connection<Clear> {
        self.dialer().connect_clear(&self.target()).await.unwrap()
    }

    /// The handshake of a conversation, once the server said yes to it.
    ///
    /// # Panics
    /// It fails.
    pub async fn upgrade<M: Upgrade>(&self, clear: Conversation<M>) -> Connection<Sealed> {
        let sealed = clear.start_tls_as_client(&self.dialer(), &identity()).await;
        sealed.unwrap()
    }

    fn dialer(&self) -> Dialer {
        Dialer::new(self.label.service, self.roots.clone())
    }

    fn target(&self) -> Target {
        Target::Addresses(vec![self.address])
    }
}

fn identity() -> ServerIdentity {
    ServerIdentity::host(HOSTNAME).unwrap()
}
