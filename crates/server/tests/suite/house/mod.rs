//! What the tests of sessions have in common: a server with real certificates, a real store and real sockets,
//! the accounts of Ann and Bob, and the way to its doors.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_policy::{CleartextGrant, Secret, Timestamp};
use pillarbox_proto::{Clear, Sealed, Upgrade};
use pillarbox_server::accounts::{NewPassword, new_account};
use pillarbox_server::auth::LoginSecret;
use pillarbox_server::{Context, ListenerInfo, Shutdown, ShutdownTrigger, config, serve};
use pillarbox_store::{
    AccountId, Flags, LoginRecord, Mailbox, Message, NewMessage, Spool, Stores, UidRange,
};
use pillarbox_testkit::{Faults, FaultyEngine, TestCa};
use pillarbox_transport::{
    Acceptor, CertificateFiles, CertificateStore, Certificates, Connection, Conversation, Dialer,
    HandDriven, Listener, ListenerLimits, Roots, ServerIdentity, Start, Target,
};
use tokio::task::JoinSet;

/// The server's name, in its certificate too.
pub(crate) const HOSTNAME: &str = "mail.example.org";
pub(crate) const ANN: &str = "ann@example.org";
pub(crate) const BOB: &str = "bob@example.org";
/// Ann's password, and Bob's.
pub(crate) const PASSWORD: &str = "correct horse";

/// A server with the accounts of Ann and Bob; no door is open yet.
pub(crate) struct House {
    pub(crate) store: Stores,
    /// What is to go wrong with the store.
    pub(crate) faults: Arc<Faults>,
    /// The root certificate's file.
    pub(crate) root: PathBuf,
    pub(crate) trigger: ShutdownTrigger,
    cx: Arc<Context>,
    certificates: Arc<CertificateStore>,
    shutdown: Shutdown,
    running: JoinSet<()>,
    _folder: tempfile::TempDir,
}

/// A listener, and what is needed to come in by it.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    dialer: Dialer,
}

/// A message as it was stored.
pub(crate) struct Stored {
    pub(crate) message: Message,
    pub(crate) content: Vec<u8>,
    pub(crate) index: Vec<u8>,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::where_login_is_within(Duration::from_secs(180)).await
    }

    /// One that ends sessions which have not logged in by then.
    pub(crate) async fn where_login_is_within(time: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = TestCa::new();
        let root = ca.write_root(folder.path());
        let files = ca
            .server(&[HOSTNAME, "127.0.0.1"])
            .write_to(folder.path(), "server");
        let text = format!(
            "hostname = {HOSTNAME:?}\ndomains = [\"example.org\"]\ndata = {:?}\n\
             [[certificates]]\nchain = {:?}\nkey = {:?}\n",
            folder.path(),
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
        let (store, faults) = FaultyEngine::embedded(&folder.path().join("store")).unwrap();
        let password = NewPassword::new(&Secret::from(PASSWORD)).unwrap();
        let verifiers = password.verifiers().unwrap();
        for address in [ANN, BOB] {
            let account = new_account(address.to_owned(), verifiers.clone(), Timestamp(0));
            store.accounts.create(account, Timestamp(0)).await.unwrap();
        }
        let secret = LoginSecret::open(folder.path()).unwrap();
        let (trigger, shutdown) = Shutdown::new();
        let cx = Context::new(store.clone(), secret, settings).unwrap();
        Self {
            cx: Arc::new(cx.with_login_within(time)),
            certificates: CertificateStore::new(certificates),
            store,
            faults,
            root,
            trigger,
            shutdown,
            running: JoinSet::new(),
            _folder: folder,
        }
    }

    /// Has the operator give an account an exception for logins in the clear, from this machine.
    pub(crate) async fn grant(&self, account: &str) {
        let grant = CleartextGrant {
            account: account.to_owned(),
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            until: Timestamp(i64::MAX / 2),
            reason: "a test".to_owned(),
            given: Timestamp(0),
        };
        self.store.grants.give_grant(grant).await.unwrap();
    }

    /// Opens a door on a port of its own.
    pub(crate) fn open(&mut self, service: Service, tls_start: TlsStart) -> Door {
        let acceptor = Acceptor::new(Arc::clone(&self.certificates), service).unwrap();
        let start = match tls_start {
            TlsStart::Implicit => Start::Implicit(acceptor.clone()),
            TlsStart::StartTls => Start::Clear,
        };
        let info = Arc::new(ListenerInfo {
            name: Label::new(service, tls_start).as_str(),
            service,
            tls_start,
            acceptor,
        });
        let address = self.serve(info, start);
        let roots = Roots::empty().with_pem_file(&self.root).unwrap();
        Door {
            address,
            dialer: Dialer::new(service, roots),
        }
    }

    fn serve(&mut self, info: Arc<ListenerInfo>, start: Start) -> SocketAddr {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let limits = ListenerLimits {
            grace: Duration::from_secs(1),
            ..ListenerLimits::default()
        };
        let listener = Listener::bind(info.name, loopback, start, limits).unwrap();
        let address = listener.local_addr().unwrap();
        let (cx, shutdown) = (Arc::clone(&self.cx), self.shutdown.clone());
        let stop = shutdown.clone();
        self.running.spawn(async move {
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

    /// Ends the server in order.
    pub(crate) async fn stop(mut self) {
        self.trigger.request();
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        self.store.close().await;
    }

    pub(crate) async fn account(&self, address: &str) -> AccountId {
        self.store.accounts.find(address).await.unwrap().unwrap().id
    }

    /// Every login attempt, the first one first.
    pub(crate) async fn logins(&self) -> Vec<LoginRecord> {
        let mut records = self.store.logins.newest(None, 1000).await.unwrap();
        records.reverse();
        records
    }

    pub(crate) async fn inbox(&self, address: &str) -> Mailbox {
        let account = self.account(address).await;
        self.store.mail.mailbox(account, "INBOX").await.unwrap()
    }

    /// Puts a message into INBOX; answers its UID.
    pub(crate) async fn deliver(&self, address: &str, content: &[u8]) -> u32 {
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
        let appended = self
            .store
            .mail
            .append(account, vec![message])
            .await
            .unwrap();
        let [appended] = appended.try_into().unwrap();
        appended.uid.0.get()
    }

    /// What is in INBOX.
    pub(crate) async fn mail(&self, address: &str) -> Vec<Stored> {
        let (account, inbox) = (self.account(address).await, self.inbox(address).await);
        let all = [UidRange::ALL];
        let messages = self
            .store
            .mail
            .messages(account, inbox.id, &all)
            .await
            .unwrap();
        let mut mail = Vec::new();
        for message in messages {
            let body = self
                .store
                .mail
                .body(account, message.content)
                .await
                .unwrap();
            let length = usize::try_from(message.size).unwrap();
            mail.push(Stored {
                content: body.read_at(0, length).await.unwrap(),
                index: self
                    .store
                    .mail
                    .index(account, message.content)
                    .await
                    .unwrap(),
                message,
            });
        }
        mail
    }

    /// Takes messages out of INBOX, as another client would.
    pub(crate) async fn expunge(&self, address: &str, uids: &[u32]) {
        let (account, inbox) = (self.account(address).await, self.inbox(address).await);
        let mail = self.mail(address).await;
        let uids: Vec<_> = mail
            .iter()
            .map(|stored| stored.message.uid)
            .filter(|uid| uids.contains(&uid.0.get()))
            .collect();
        let gone = self
            .store
            .mail
            .expunge(account, inbox.id, &uids)
            .await
            .unwrap();
        assert_eq!(gone, uids);
    }
}

impl Door {
    fn target(&self) -> Target {
        Target::Addresses(vec![self.address])
    }

    /// A connection that is inside TLS.
    pub(crate) async fn connect_implicit(&self) -> Connection<Sealed> {
        self.dialer
            .connect_implicit(&self.target(), &identity())
            .await
            .unwrap()
    }

    /// A connection in the clear.
    pub(crate) async fn connect_clear(&self) -> Connection<Clear> {
        self.dialer.connect_clear(&self.target()).await.unwrap()
    }

    /// The handshake of a conversation, once the server said yes to it.
    pub(crate) async fn upgrade<M: Upgrade>(&self, clear: Conversation<M>) -> Connection<Sealed> {
        clear
            .start_tls_as_client(&self.dialer, &identity())
            .await
            .unwrap()
    }

    /// The handshake, once the server said yes to it.
    pub(crate) async fn start_tls(&self, connection: HandDriven) -> Connection<Sealed> {
        connection
            .start_tls_as_client(&self.dialer, &identity())
            .await
            .unwrap()
    }
}

fn identity() -> ServerIdentity {
    ServerIdentity::host(HOSTNAME).unwrap()
}
