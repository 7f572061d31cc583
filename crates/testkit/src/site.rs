//! What stands around the servers of a mail domain: a certificate authority, a DNS, and a folder for files.
#![expect(
    clippy::expect_used,
    reason = "dev-only: what cannot be made ready fails the test"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::{
    Act, EvilServer, InProcessNameServer, NameServer, Signing, TestCa, TestCertificate, Zone,
};

/// A folder of its own, a CA, and a DNS once something is published.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    ca: TestCa,
    dns: Option<Dns>,
}

#[derive(Debug)]
enum Dns {
    InProcess(InProcessNameServer),
    Nsd(NameServer),
}

impl Default for Site {
    fn default() -> Self {
        Self::new()
    }
}

impl Site {
    /// Without any DNS.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            ca: TestCa::new(),
            dns: None,
        }
    }

    /// A DNS in this process with `example.org`: `mail A 127.0.0.1`, and these records.
    pub async fn with_records(signing: Signing, records: &str) -> Self {
        let mut site = Self::new();
        site.publish(signing, records).await;
        site
    }

    /// Publishes `example.org` in place of what was published: `mail A 127.0.0.1`, and these records. The hosts
    /// `mail` and `other` of the unsigned zone `elsewhere.test` are there as well.
    pub async fn publish(&mut self, signing: Signing, records: &str) {
        let elsewhere = "mail A 127.0.0.1\nother A 127.0.0.1";
        self.publish_zones(&[
            Zone::new(
                "example.org",
                signing,
                &format!("mail A 127.0.0.1\n{records}"),
            ),
            Zone::new("elsewhere.test", Signing::Unsigned, elsewhere),
        ])
        .await;
    }

    /// Publishes these zones in place of what was published.
    pub async fn publish_zones(&mut self, zones: &[Zone]) {
        let server = InProcessNameServer::start(zones).await;
        self.dns = Some(Dns::InProcess(server.expect("a name server")));
    }

    /// The same by nsd. Whether it could: not where nsd is missing and need not be there ([`crate::needs`]).
    pub fn publish_by_nsd(&mut self, zones: &[Zone]) -> bool {
        let server = NameServer::start(zones).expect("a name server");
        let is_there = server.is_some();
        self.dns = server.map(Dns::Nsd).or(self.dns.take());
        is_there
    }

    /// The folder. What is put there goes with the site.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The authority that everybody here trusts.
    pub fn ca(&self) -> &TestCa {
        &self.ca
    }

    /// The file with the authority's own certificate.
    pub fn root_file(&self) -> PathBuf {
        self.ca.write_root(self.folder())
    }

    /// The name server's address.
    pub fn resolver(&self) -> SocketAddr {
        match self.dns.as_ref().expect("something was published") {
            Dns::InProcess(server) => server.address(),
            Dns::Nsd(server) => server.address(),
        }
    }

    /// The root zone's key as a DNSKEY record.
    pub fn trust_anchor(&self) -> &str {
        match self.dns.as_ref().expect("something was published") {
            Dns::InProcess(server) => server.trust_anchor(),
            Dns::Nsd(server) => server.trust_anchor(),
        }
    }

    /// Whether an SRV record was ever asked for, where the DNS is in this process and was asked anything.
    pub fn was_asked_for_srv(&self) -> Option<bool> {
        let Some(Dns::InProcess(server)) = &self.dns else {
            return None;
        };
        let queries = server.queries();
        (!queries.is_empty()).then(|| queries.iter().any(|query| query.starts_with("SRV")))
    }

    /// A certificate for these names that everybody here takes.
    pub fn certificate(&self, names: &[&str]) -> Arc<TestCertificate> {
        Arc::new(self.ca.server(names))
    }

    /// A certificate for the hosts of [`Self::publish`].
    pub fn good(&self) -> Arc<TestCertificate> {
        self.certificate(&[
            "mail.example.org",
            "mail.elsewhere.test",
            "other.elsewhere.test",
        ])
    }

    /// A server that is who it says, by implicit TLS, and silent.
    pub async fn honest(&self) -> EvilServer {
        EvilServer::start(vec![Act::StartTls(self.good())]).await
    }
}
