//! What the demo needs around it: a fresh folder, a certificate authority, a signed zone, and a configuration.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use pillarbox_testkit::{InProcessNameServer, Signing, TestCa, Zone};

/// The mail domain of the demo.
pub(crate) const DOMAIN: &str = "verona.example";
/// The host that serves it.
pub(crate) const HOST: &str = "mail.verona.example";

/// A port on loopback for each service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) imaps: u16,
    pub(crate) pop3s: u16,
    pub(crate) submissions: u16,
    pub(crate) imap: u16,
    pub(crate) pop3: u16,
    pub(crate) submission: u16,
}

/// Everything in place for the server to start.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) ports: Ports,
    pub(crate) ca: PathBuf,
    pub(crate) configuration: PathBuf,
    pub(crate) trust_anchor: PathBuf,
    pub(crate) names: InProcessNameServer,
}

impl Stage {
    /// Makes it all anew in `folder`, which is emptied first.
    pub(crate) async fn set(folder: &Path) -> Result<Self, String> {
        let trouble = |why: std::io::Error| format!("{}: {why}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(trouble)?;
        }
        fs::create_dir_all(folder).map_err(trouble)?;
        let ports = Ports::free()?;

        let ca = TestCa::new();
        let root = ca.write_root(folder);
        let files = ca.server(&[HOST, "localhost"]).write_to(folder, HOST);

        let records = format!(
            "mail A 127.0.0.1\n\
             _imaps._tcp SRV 0 1 {} mail\n\
             _pop3s._tcp SRV 10 1 {} mail\n\
             _submissions._tcp SRV 0 1 {} mail\n",
            ports.imaps, ports.pop3s, ports.submissions
        );
        let zone = Zone::new(DOMAIN, Signing::Signed, &records);
        let names = InProcessNameServer::start(&[zone]).await.map_err(trouble)?;
        let trust_anchor = folder.join("trust-anchor.txt");
        fs::write(&trust_anchor, names.trust_anchor()).map_err(trouble)?;

        let configuration = folder.join("pillarboxd.toml");
        let text = configuration_text(folder, &ports, &files.chain, &files.key);
        fs::write(&configuration, text).map_err(trouble)?;
        Ok(Self {
            folder: folder.to_owned(),
            ports,
            ca: root,
            configuration,
            trust_anchor,
            names,
        })
    }
}

impl Ports {
    /// The registered ports plus 10,000 where they are free, others where they are not.
    fn free() -> Result<Self, String> {
        let mut held = Vec::new();
        let mut take = |wanted: u16| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
                .or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
                .map_err(|why| format!("no port on loopback: {why}"))?;
            let port = listener.local_addr().map(|address| address.port());
            held.push(listener);
            port.map_err(|why| why.to_string())
        };
        Ok(Self {
            imaps: take(10993)?,
            pop3s: take(10995)?,
            submissions: take(10465)?,
            imap: take(10143)?,
            pop3: take(10110)?,
            submission: take(10587)?,
        })
    }

    /// The address of a port.
    pub(crate) fn address(port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }
}

fn configuration_text(folder: &Path, ports: &Ports, chain: &Path, key: &Path) -> String {
    let Ports {
        imaps,
        pop3s,
        submissions,
        imap,
        pop3,
        submission,
    } = ports;
    format!(
        "hostname = {HOST:?}\n\
         domains = [{DOMAIN:?}]\n\
         data = {:?}\n\n\
         [[certificates]]\n\
         chain = {chain:?}\n\
         key = {key:?}\n\n\
         [listeners]\n\
         imaps = [\"127.0.0.1:{imaps}\"]\n\
         pop3s = [\"127.0.0.1:{pop3s}\"]\n\
         submissions = [\"127.0.0.1:{submissions}\"]\n\
         imap = [\"127.0.0.1:{imap}\"]\n\
         pop3 = [\"127.0.0.1:{pop3}\"]\n\
         submission = [\"127.0.0.1:{submission}\"]\n",
        folder.join("data"),
    )
}
