//! [`World`]: the real server in this process, with real certificates, a real store and real sockets; and
//! [`Computer`]: what a person has on the other side.
//!
//! ```no_run
//! # async fn example() {
//! use pillarbox_testkit::world::{ANN, World};
//! let world = World::start().await;
//! let uid = world.deliver(ANN, b"Subject: lunch\r\n\r\n").await;
//! let mut ann = world.imap().await;
//! ann.log_in().await;
//! assert!(ann.ask("SELECT INBOX").await.contains("* 1 EXISTS\r\n"));
//! # }
//! ```
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "dev-only: what meets the unexpected fails the test"
)]

mod computer;
mod doors;
mod peer;

use std::collections::HashMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pillarbox_names::Label;
use pillarbox_policy::{CleartextGrant, Secret, Timestamp};
use pillarbox_server::accounts::{NewPassword, new_account};
use pillarbox_server::auth::LoginSecret;
use pillarbox_server::{Context, Shutdown, ShutdownTrigger, config};
use pillarbox_store::{
    AccountId, Flags, LoginRecord, Mailbox, Message, NewMessage, Spool, Stores, UidRange,
};
use pillarbox_transport::{CertificateFiles, CertificateStore, Certificates};
use tokio::task::JoinSet;

pub use self::computer::{Computer, LETTER, ScriptedPerson, told_nothing};
pub use self::doors::Door;
pub use self::peer::Peer;
use crate::{Faults, FaultyEngine, Site};

/// The server's name, in its certificate too.
pub const HOSTNAME: &str = "mail.example.org";
/// An account.
pub const ANN: &str = "ann@example.org";
/// Another account.
pub const BOB: &str = "bob@example.org";
/// Ann's password, and Bob's.
pub const PASSWORD: &str = "correct horse";
/// IMAP's LOGIN of Ann.
pub const LOGIN: &str = "LOGIN ann@example.org \"correct horse\"";
/// `PLAIN` of Ann with her password, in base64.
pub const PLAIN_OF_ANN: &str = "AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl";

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
    ///
    /// # Panics
    /// The server cannot be made ready.
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
    ///
    /// # Panics
    /// The store refuses it.
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
    ///
    /// # Panics
    /// A listener panicked.
    pub async fn stop(self) {
        self.trigger.request();
        let mut running = self.running.into_inner().unwrap();
        while let Some(ended) = running.join_next().await {
            ended.unwrap();
        }
        self.store.close().await;
    }

    /// The account with this address.
    ///
    /// # Panics
    /// There is none.
    pub async fn account(&self, address: &str) -> AccountId {
        self.store.accounts.find(address).await.unwrap().unwrap().id
    }

    /// Every login attempt, the first one first.
    ///
    /// # Panics
    /// The store does not tell.
    pub async fn logins(&self) -> Vec<LoginRecord> {
        let mut records = self.store.logins.newest(None, 1000).await.unwrap();
        records.reverse();
        records
    }

    /// An account's INBOX.
    ///
    /// # Panics
    /// There is no such account.
    pub async fn inbox(&self, address: &str) -> Mailbox {
        let account = self.account(address).await;
        self.store.mail.mailbox(account, "INBOX").await.unwrap()
    }

    /// Puts a message into INBOX; answers its UID.
    ///
    /// # Panics
    /// There is no such account, or the store refuses it.
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
    ///
    /// # Panics
    /// There is no such account, or the store does not tell.
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
    ///
    /// # Panics
    /// They are not there.
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
