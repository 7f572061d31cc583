//! [`World`]: a server in this process, and what a test looks at behind its back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_policy::{CleartextGrant, Secret, Timestamp};
use pillarbox_server::accounts::{NewPassword, new_account};
use pillarbox_server::auth::LoginSecret;
use pillarbox_server::{Context, ListenerInfo, Shutdown, ShutdownTrigger, config, serve};
use pillarbox_store::{
    AccountId, Flags, LoginRecord, Mailbox, Message, NewMessage, Spool, Stores, UidRange,
};
use pillarbox_transport::{
    Acceptor, CertificateFiles, CertificateStore, Certificates, Listener, ListenerLimits, Roots,
    Start,
};
use tokio::task::JoinSet;

use super::door::{Door, identity};
use super::peer::Peer;
use super::people::{ANN, BOB, HOSTNAME, PASSWORD};
use crate::{Faults, FaultyEngine, Site};

/// A server with the accounts of Ann and Bob. Each of its listeners opens when it is first connected to.
#[derive(Debug)]
pub struct World {
    /// The CA, the folder, and a DNS once something is published.
    pub site: Site,
    /// What the server works on.
    pub store: Stores,
    /// What is to go wrong with the store.
    pub faults: Arc<Faults>,
    /// Ends the server in order.
    pub trigger: ShutdownTrigger,
    cx: Arc<Context>,
    certificates: Arc<CertificateStore>,
    shutdown: Shutdown,
    running: Mutex<JoinSet<()>>,
    doors: Mutex<HashMap<Label, Door>>,
}

/// A message as it was stored.
#[derive(Debug)]
pub struct Stored {
    /// What the store knows of it.
    pub message: Message,
    /// Its octets.
    pub content: Vec<u8>,
    /// What is remembered of its structure.
    pub index: Vec<u8>,
}

impl World {
    /// One as the defaults are.
    pub async fn start() -> Self {
        Self::where_login_is_within(Duration::from_secs(180)).await
    }

    /// One that ends sessions which have not logged in by then.
    pub async fn where_login_is_within(time: Duration) -> Self {
        let site = Site::new();
        let certificate = site.ca().server(&[HOSTNAME, "127.0.0.1"]);
        let files = certificate.write_to(site.folder(), "server");
        let text = format!(
            "hostname = {HOSTNAME:?}\ndomains = [\"example.org\"]\ndata = {:?}\n\
             [[certificates]]\nchain = {:?}\nkey = {:?}\n",
            site.folder(),
            files.chain,
            files.key
        );
        let mut settings = config::parse(&text, Path::new("pillarboxd.toml")).unwrap();
        settings.limits.message_size = 64 * 1024 * 1024;
        let mut certificates = Certificates::new();
        let files = CertificateFiles {
            chain: files.chain,
            key: files.key,
        };
        certificates.add(&files).unwrap();
        let (store, faults) = FaultyEngine::embedded(&site.file("store")).unwrap();
        let password = NewPassword::new(&Secret::from(PASSWORD)).unwrap();
        let verifiers = password.verifiers().unwrap();
        for address in [ANN, BOB] {
            let account = new_account(address.to_owned(), verifiers.clone(), Timestamp(0));
            store.accounts.create(account, Timestamp(0)).await.unwrap();
        }
        let secret = LoginSecret::open(site.folder()).unwrap();
        let (trigger, shutdown) = Shutdown::new();
        let cx = Context::new(store.clone(), secret, settings).unwrap();
        Self {
            site,
            cx: Arc::new(cx.with_login_within(time)),
            certificates: CertificateStore::new(certificates),
            store,
            faults,
            trigger,
            shutdown,
            running: Mutex::default(),
            doors: Mutex::default(),
        }
    }

    /// Has the operator give an account an exception for logins in the clear, from this machine.
    pub async fn grant(&self, account: &str) {
        let grant = CleartextGrant {
            account: account.to_owned(),
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            until: Timestamp(i64::MAX / 2),
            reason: "a test".to_owned(),
            given: Timestamp(0),
        };
        self.store.grants.give_grant(grant).await.unwrap();
    }

    /// Ends the server in order.
    pub async fn stop(self) {
        self.trigger.request();
        let mut running = self.running.into_inner().unwrap();
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
        self.store.close().await;
    }

    /// The account with this address.
    pub async fn account(&self, address: &str) -> AccountId {
        self.store.accounts.find(address).await.unwrap().unwrap().id
    }

    /// Every login attempt, the first one first.
    pub async fn logins(&self) -> Vec<LoginRecord> {
        let mut records = self.store.logins.newest(None, 1000).await.unwrap();
        records.reverse();
        records
    }

    /// An account's INBOX.
    pub async fn inbox(&self, address: &str) -> Mailbox {
        let account = self.account(address).await;
        self.store.mail.mailbox(account, "INBOX").await.unwrap()
    }

    /// Puts a message into INBOX; answers its UID.
    pub async fn deliver(&self, address: &str, content: &[u8]) -> u32 {
        let mut body: Box<dyn Spool> = self.store.mail.spool().await.unwrap();
        body.write(content).await.unwrap();
        let message = NewMessage {
            mailbox: self.inbox(address).await.id,
            flags: Flags::default(),
            internal_date: Timestamp(0),
            internal_offset: 0,
            index: Vec::new(),
            body,
        };
        let account = self.account(address).await;
        let appended = self.store.mail.append(account, vec![message]).await;
        let [appended] = appended.unwrap().try_into().unwrap();
        appended.uid.0.get()
    }

    /// What is in INBOX.
    pub async fn mail(&self, address: &str) -> Vec<Stored> {
        let (account, inbox) = (self.account(address).await, self.inbox(address).await);
        let store = &self.store.mail;
        let all = store.messages(account, inbox.id, &[UidRange::ALL]).await;
        let mut mail = Vec::new();
        for message in all.unwrap() {
            let body = store.body(account, message.content).await.unwrap();
            let length = usize::try_from(message.size).unwrap();
            mail.push(Stored {
                content: body.read_at(0, length).await.unwrap(),
                index: store.index(account, message.content).await.unwrap(),
                message,
            });
        }
        mail
    }

    /// Takes messages out of INBOX, as another client would.
    pub async fn expunge(&self, address: &str, uids: &[u32]) {
        let (account, inbox) = (self.account(address).await, self.inbox(address).await);
        let mail = self.mail(address).await;
        let uids: Vec<_> = mail
            .iter()
            .map(|stored| stored.message.uid)
            .filter(|uid| uids.contains(&uid.0.get()))
            .collect();
        let gone = self.store.mail.expunge(account, inbox.id, &uids).await;
        assert_eq!(gone.unwrap(), uids);
    }
}

impl Deref for World {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl World {
    /// A listener, opened on a free loopback port when it is first asked for.
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
    pub async fn select(&self) -> Peer {
        let mut peer = self.log_in(Service::Imap).await;
        let answer = peer.ask("SELECT INBOX").await;
        assert!(answer.contains(" OK [READ-WRITE] "), "{answer}");
        peer
    }

    /// The handshake of a client to whom STARTTLS was granted.
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
        let address = self.serve(info, start);
        let roots = Roots::empty().with_pem_file(&self.root_file()).unwrap();
        Door {
            address,
            label,
            roots,
        }
    }

    fn serve(&self, info: Arc<ListenerInfo>, start: Start) -> SocketAddr {
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
                serve(connection, cx, info, shutdown.clone())
            };
            listener
                .run(session, |_| (), async move { stop.requested().await })
                .await;
        });
        address
    }
}
