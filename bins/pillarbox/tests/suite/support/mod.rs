//! A person's computer, a DNS with one domain, and scripted servers, for tests of the program from outside.

use std::path::Path;
use std::sync::Arc;

use pillarbox_testkit::programs::{ALICE, ClientProgram, Printed};
use pillarbox_testkit::{Act, EvilServer, LOGGED_IN, Signing, Site, TestCertificate};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_pillarbox");

/// Two servers, what the DNS says of them, and a person's computer.
pub(crate) struct World {
    pub(crate) site: Site,
    pub(crate) alice: ClientProgram,
    pub(crate) access: EvilServer,
    pub(crate) sending: EvilServer,
}

impl World {
    /// A world whose servers play these scripts, one a connection.
    pub(crate) async fn playing(site: Site, access: Vec<Vec<Act>>, sending: Vec<Vec<Act>>) -> Self {
        let access = EvilServer::start_each(access).await;
        let world = Self {
            alice: ClientProgram::new(Path::new(PROGRAM), &site, "config"),
            site,
            access,
            sending: EvilServer::start(Vec::new()).await,
        };
        world.with_other_sending(sending).await
    }

    /// A world whose access server plays this, and whose submission server takes any login.
    pub(crate) async fn with_access(access: impl Fn(&Arc<TestCertificate>) -> Vec<Act>) -> Self {
        let site = Site::new();
        let good = site.good();
        let scripts = vec![access(&good)];
        Self::playing(site, scripts, vec![Act::submission(&good)]).await
    }

    /// A world where all is well.
    pub(crate) async fn honest() -> Self {
        Self::with_access(|good| Act::imap(good, LOGGED_IN)).await
    }

    /// The same, with an account.
    pub(crate) async fn with_an_account() -> Self {
        let world = Self::honest().await;
        world.add(&[], 0);
        world
    }

    /// The same with an access server that plays these scripts, one a connection. It has to be published.
    pub(crate) async fn with_other_access(mut self, scripts: Vec<Vec<Act>>) -> Self {
        self.access = EvilServer::start_each(scripts).await;
        self
    }

    /// The same with another submission server, which is published.
    pub(crate) async fn with_other_sending(mut self, scripts: Vec<Vec<Act>>) -> Self {
        self.sending = EvilServer::start_each(scripts).await;
        let records = self.access.srv("_imaps") + &self.sending.srv("_submissions");
        self.publish(Signing::Signed, &records).await
    }

    /// Publishes something else.
    pub(crate) async fn publish(mut self, signing: Signing, records: &str) -> Self {
        self.site.publish(signing, records).await;
        let root = self.site.root_file();
        self.alice = self.alice.in_network(&self.site, &root);
        self
    }

    /// Adds Alice's account, which ends with this exit code.
    #[track_caller]
    pub(crate) fn add(&self, more: &[&str], code: i32) -> Printed {
        self.alice.add(ALICE, more, code)
    }
}
