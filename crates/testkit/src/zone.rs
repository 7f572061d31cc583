//! A small DNS of our own: a signed root, zones below it, and a real name server that serves them.
//!
//! The zones are signed with ldns and served by nsd, both from Debian. The root zone holds the delegations,
//! with DS records for those zones that are signed, so that "provably not signed" can be told from "bogus".

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::needs::{self, Program};

/// How a zone is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// With a chain from the trust anchor.
    Signed,
    /// Not at all, and the root proves it.
    Unsigned,
    /// Signed, with signatures that ran out long ago.
    Expired,
    /// Signed, and then the signatures of the SRV and address records were changed.
    Tampered,
}

/// One zone right below the root.
#[derive(Debug, Clone)]
pub struct Zone {
    origin: String,
    signing: Signing,
    records: String,
}

impl Zone {
    /// A zone with records in zone file form, relative to `origin`, one a line:
    /// `_imaps._tcp SRV 0 1 993 imap`. SOA, NS and a time to live are added.
    #[must_use]
    pub fn new(origin: &str, signing: Signing, records: &str) -> Self {
        Self {
            origin: origin.trim_end_matches('.').to_owned(),
            signing,
            records: records
                .lines()
                .map(str::trim)
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    /// The name of the zone, without the final dot.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How it is signed.
    #[must_use]
    pub fn signing(&self) -> Signing {
        self.signing
    }

    /// The zone file, before signing.
    #[must_use]
    pub fn text(&self) -> String {
        format!(
            "$ORIGIN {origin}.\n$TTL 300\n\
             @ IN SOA ns.{origin}. hostmaster.{origin}. 1 3600 600 86400 60\n\
             @ IN NS ns.{origin}.\nns IN A 127.0.0.1\n{records}\n",
            origin = self.origin,
            records = self.records
        )
    }
}

/// The root zone above `zones`, before signing; `ds` are the DS records of the signed ones.
pub(crate) fn root_text(zones: &[Zone], ds: &str) -> String {
    let mut text = "$ORIGIN .\n$TTL 300\n\
         . IN SOA ns.root.invalid. hostmaster.root.invalid. 1 3600 600 86400 60\n\
         . IN NS ns.root.invalid.\nns.root.invalid. IN A 127.0.0.1\n"
        .to_owned();
    for zone in zones {
        let origin = &zone.origin;
        let _ = writeln!(
            text,
            "{origin}. IN NS ns.{origin}.\nns.{origin}. IN A 127.0.0.1"
        );
    }
    text.push_str(ds);
    text
}

/// nsd with signed zones on a loopback port; killed when dropped.
#[derive(Debug)]
pub struct NameServer {
    nsd: Child,
    address: SocketAddr,
    trust_anchor: String,
    _folder: TempDir,
}

impl NameServer {
    /// Signs the zones and serves them. `None` where nsd or ldns is not installed and need not be ([`needs`]).
    ///
    /// # Errors
    /// A program failed, or nsd did not answer within ten seconds.
    pub fn start(zones: &[Zone]) -> io::Result<Option<Self>> {
        let programs = [needs::NSD, needs::LDNS_KEYGEN, needs::LDNS_SIGNZONE].map(Program::path);
        let [Some(nsd), Some(keygen), Some(signzone)] = programs else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let signer = Signer {
            folder: folder.path(),
            keygen: &keygen,
            signzone: &signzone,
        };
        let mut ds = String::new();
        for zone in zones {
            ds.push_str(&signer.zone(zone)?);
        }
        let trust_anchor = signer.root(zones, &ds)?;
        let mut last = io::Error::other("nsd was not started");
        // the port is free when it is looked up; another process may be faster
        for _ in 0..5 {
            match serve(&nsd, folder.path(), zones) {
                Ok((nsd, address)) => {
                    return Ok(Some(Self {
                        nsd,
                        address,
                        trust_anchor,
                        _folder: folder,
                    }));
                }
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    /// Where it answers, over UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The root's key as a DNSKEY record.
    #[must_use]
    pub fn trust_anchor(&self) -> &str {
        &self.trust_anchor
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.nsd.kill();
        let _ = self.nsd.wait();
    }
}

struct Signer<'a> {
    folder: &'a Path,
    keygen: &'a Path,
    signzone: &'a Path,
}

impl Signer<'_> {
    /// Writes the zone file, signed as asked, and returns its DS record, if it gets one.
    fn zone(&self, zone: &Zone) -> io::Result<String> {
        let file = self.folder.join(format!("{}.zone", zone.origin));
        std::fs::write(&file, zone.text())?;
        let dates: &[&str] = match zone.signing {
            Signing::Unsigned => {
                std::fs::copy(&file, signed(&file))?;
                return Ok(String::new());
            }
            Signing::Expired => &["-i", "20200101", "-e", "20200201"],
            Signing::Signed | Signing::Tampered => &[],
        };
        let key = self.sign(&zone.origin, &file, dates)?;
        if zone.signing == Signing::Tampered {
            let text = std::fs::read_to_string(signed(&file))?;
            let lines: Vec<String> = text.lines().map(tampered).collect();
            std::fs::write(signed(&file), lines.join("\n") + "\n")?;
        }
        std::fs::read_to_string(self.folder.join(format!("{key}.ds")))
    }

    /// Writes the signed root zone and returns its DNSKEY record.
    fn root(&self, zones: &[Zone], ds: &str) -> io::Result<String> {
        let file = self.folder.join("root.zone");
        std::fs::write(&file, root_text(zones, ds))?;
        let key = self.sign(".", &file, &[])?;
        let record = std::fs::read_to_string(self.folder.join(format!("{key}.key")))?;
        let record = record.split(';').next().unwrap_or_default();
        Ok(format!("{}\n", record.trim()))
    }

    fn sign(&self, origin: &str, file: &Path, dates: &[&str]) -> io::Result<String> {
        let key =
            self.run(Command::new(self.keygen).args(["-a", "ECDSAP256SHA256", "-k", origin]))?;
        let key = key.trim().to_owned();
        self.run(
            Command::new(self.signzone)
                .args(dates)
                .args(["-o", origin, "-f"])
                .arg(signed(file))
                .arg(file)
                .arg(&key),
        )?;
        Ok(key)
    }

    fn run(&self, command: &mut Command) -> io::Result<String> {
        let output = command.current_dir(self.folder).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!("{command:?} failed: {said}")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn signed(file: &Path) -> PathBuf {
    file.with_extension("signed")
}

/// Changes one character in the middle of the signature over an SRV or address record.
fn tampered(line: &str) -> String {
    let mut fields: Vec<&str> = line.split('\t').flat_map(|part| part.split(' ')).collect();
    let covered = fields
        .iter()
        .position(|field| *field == "RRSIG")
        .and_then(|at| fields.get(at + 1))
        .is_some_and(|covered| matches!(*covered, "SRV" | "A" | "AAAA"));
    let Some(signature) = fields.pop().filter(|_| covered) else {
        return line.to_owned();
    };
    let changed: String = signature
        .char_indices()
        .map(|(at, c)| match (at, c) {
            (20, 'A') => 'B',
            (20, _) => 'A',
            _ => c,
        })
        .collect();
    fields.push(&changed);
    fields.join(" ")
}

fn serve(nsd: &Path, folder: &Path, zones: &[Zone]) -> io::Result<(Child, SocketAddr)> {
    let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut config = format!(
        "server:\n  ip-address: 127.0.0.1@{port}\n  username: \"\"\n  chroot: \"\"\n  database: \"\"\n  \
         zonesdir: \"{folder}\"\n  pidfile: \"{folder}/nsd.pid\"\n  xfrdfile: \"{folder}/xfrd.state\"\n  \
         zonelistfile: \"{folder}/zone.list\"\n  logfile: \"{folder}/nsd.log\"\n  server-count: 1\n  \
         tcp-count: 20\nremote-control:\n  control-enable: no\n\
         zone:\n  name: \".\"\n  zonefile: \"root.signed\"\n",
        port = address.port(),
        folder = folder.display()
    );
    for Zone { origin, .. } in zones {
        let _ = writeln!(
            config,
            "zone:\n  name: \"{origin}\"\n  zonefile: \"{origin}.signed\""
        );
    }
    let file = folder.join("nsd.conf");
    std::fs::write(&file, config)?;
    let mut child = Command::new(nsd)
        .arg("-d")
        .arg("-c")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    match answers(&mut child, address) {
        Ok(()) => Ok((child, address)),
        Err(why) => {
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(folder.join("nsd.log")).unwrap_or_default();
            Err(io::Error::other(format!("{why}; nsd's log: {log}")))
        }
    }
}

/// Asks for the root's SOA until an answer comes.
fn answers(child: &mut Child, address: SocketAddr) -> io::Result<()> {
    // header: id 1, one question; question: root, SOA, IN
    const QUERY: [u8; 17] = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1];
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait()? {
            return Err(io::Error::other(format!("nsd ended: {status}")));
        }
        let mut reply = [0; 512];
        if socket.send(&QUERY).is_ok() && socket.recv(&mut reply).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "nsd does not answer",
    ))
}
