//! Certificates of a server: read from PEM files, checked, chosen by SNI, replaced while connections live.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use crate::provider::provider;

/// There is no certificate to serve. Without one an implicit listener cannot be opened, and STARTTLS must
/// not be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no usable certificate; give at least one certificate file with its key")]
pub struct NoUsableCertificate;

/// The least size of an RSA key, in bits (R9325-14).
const LEAST_RSA: usize = 2048;
/// `md5WithRSAEncryption`, `sha1WithRSAEncryption`, `ecdsa-with-SHA1`.
const WEAK_SIGNATURES: [&str; 3] = [
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.10045.4.1",
];

/// Where one certificate and its key are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// PEM: the server's certificate, then the intermediate ones in order.
    pub chain: PathBuf,
    /// PEM: its private key (PKCS #8, PKCS #1 or SEC 1).
    pub key: PathBuf,
}

/// Why a certificate cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A file cannot be read as PEM.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: pem::Error,
    },
    /// The file holds no certificate.
    #[error("{} holds no certificate; expected \"BEGIN CERTIFICATE\" blocks, the server's first", .0.display())]
    Empty(PathBuf),
    /// A block of the file is no certificate.
    #[error("{} holds a block that is not a certificate (number {number})", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which block, counted from 1.
        number: usize,
    },
    /// The key cannot be used.
    #[error("the key in {} cannot be used: {source}", path.display())]
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// Key and certificate do not belong together.
    #[error("the key in {} is not the key of the certificate in {}", key.display(), chain.display())]
    KeyMismatch {
        /// The certificate's file.
        chain: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// An RSA key of less than 2048 bits (R9325-14).
    #[error("{} has an RSA key of {bits} bits; 2048 is the least: make a new key and certificate", path.display())]
    ShortKey {
        /// The certificate's file.
        path: PathBuf,
        /// Its size in bits.
        bits: usize,
    },
    /// Signed with SHA-1 or MD5 (R9325-14).
    #[error("certificate number {number} in {} is signed with SHA-1 or MD5, which no client may accept: have it issued anew", path.display())]
    WeakSignature {
        /// The certificate's file.
        path: PathBuf,
        /// Which block, counted from 1.
        number: usize,
    },
    /// No DNS name or address in subjectAltName. The Common Name does not count (R9525-1).
    #[error("{} names no host in its subjectAltName extension; have it issued for the host's name", .0.display())]
    Nameless(PathBuf),
}

/// Something about a certificate that is served all the same, and that the operator has to hear.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateWarning {
    /// It has expired; clients refuse it.
    #[error("{} has expired; clients refuse it: renew it now", .0.display())]
    Expired(PathBuf),
    /// It is not valid yet; clients refuse it.
    #[error("{} is not valid yet; clients refuse it: check it and this computer's clock", .0.display())]
    NotYetValid(PathBuf),
    /// Other users of this computer can read the key.
    #[error("{} can be read by every user of this computer: chmod o-rwx it", .0.display())]
    KeyReadableByOthers(PathBuf),
}

/// A set of checked certificates. The first that is added is the default, for clients that send no name
/// (S4.4-3).
#[derive(Debug, Default, Clone)]
pub struct Certificates {
    /// Those for clients without SNI, most preferred first.
    default: Vec<Arc<CertifiedKey>>,
    /// By name, lower case, wildcards as `*.example.org`; most preferred first.
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl Certificates {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is a certificate for this name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.for_name(name).is_some()
    }

    /// Whether there is no certificate in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.default.is_empty()
    }

    /// Reads, checks and adds one certificate, under every DNS name it carries. Two certificates for one name
    /// are both kept: a client gets the first whose kind of key it can use (ECDSA beside RSA).
    ///
    /// # Errors
    /// It cannot be served; the set is as it was.
    pub fn add(
        &mut self,
        files: &CertificateFiles,
    ) -> Result<Vec<CertificateWarning>, CertificateError> {
        let chain = read_chain(&files.chain)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| {
            CertificateError::Unreadable {
                path: files.key.clone(),
                source,
            }
        })?;
        let Leaf {
            names,
            mut warnings,
        } = check_chain(&files.chain, &chain)?;
        let key = provider()
            .key_provider
            .load_private_key(key)
            .map_err(|source| CertificateError::UnusableKey {
                path: files.key.clone(),
                source,
            })?;
        let certified = Arc::new(CertifiedKey::new(chain, key));
        if certified.keys_match().is_err() {
            return Err(CertificateError::KeyMismatch {
                chain: files.chain.clone(),
                key: files.key.clone(),
            });
        }
        if readable_by_others(&files.key) {
            warnings.push(CertificateWarning::KeyReadableByOthers(files.key.clone()));
        }
        if self.is_empty()
            || self
                .default
                .iter()
                .any(|default| same_names(default, &certified))
        {
            self.default.push(Arc::clone(&certified));
        }
        for name in names {
            self.by_name
                .entry(name)
                .or_default()
                .push(Arc::clone(&certified));
        }
        Ok(warnings)
    }

    /// The certificates for this name: its own before those of the wildcard above it.
    fn for_name(&self, name: &str) -> Option<&Vec<Arc<CertifiedKey>>> {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        self.by_name.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        })
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let candidates = match name {
            Some(name) => self.for_name(name)?,
            None => &self.default,
        };
        candidates
            .iter()
            .find(|candidate| candidate.key.choose_scheme(schemes).is_some())
            .or(candidates.first())
            .cloned()
    }
}

/// The certificates a server serves now. Shared by its acceptors; replacing them drops no connection.
#[derive(Debug)]
pub struct CertificateStore(ArcSwap<Certificates>);

impl CertificateStore {
    /// Starts with these certificates, or none.
    #[must_use]
    pub fn new(certificates: Certificates) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(certificates)))
    }

    /// Serves these from the next handshake on. Connections that exist keep what they have.
    ///
    /// # Errors
    /// There is none among them; those in force stay.
    pub fn replace(&self, certificates: Certificates) -> Result<(), NoUsableCertificate> {
        if certificates.is_empty() {
            return Err(NoUsableCertificate);
        }
        self.0.store(Arc::new(certificates));
        Ok(())
    }

    /// Whether there is nothing to serve.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.load().is_empty()
    }

    /// Whether there is a certificate for this name (R9325-9).
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.0.load().knows(name)
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0
            .load()
            .choose(hello.server_name(), hello.signature_schemes())
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let unreadable = |source| CertificateError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if chain.is_empty() {
        return Err(CertificateError::Empty(path.to_owned()));
    }
    Ok(chain)
}

/// What is taken from a server's own certificate.
struct Leaf {
    names: Vec<String>,
    warnings: Vec<CertificateWarning>,
}

fn check_chain(path: &Path, chain: &[CertificateDer<'_>]) -> Result<Leaf, CertificateError> {
    let mut leaf = None;
    for (number, certificate) in (1..).zip(chain) {
        let (_, certificate) =
            X509Certificate::from_der(certificate).map_err(|_| CertificateError::Malformed {
                path: path.to_owned(),
                number,
            })?;
        let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
        // Nobody checks the signature of a certificate on itself.
        let self_issued = certificate.subject() == certificate.issuer();
        if !self_issued && WEAK_SIGNATURES.contains(&algorithm.as_str()) {
            return Err(CertificateError::WeakSignature {
                path: path.to_owned(),
                number,
            });
        }
        if leaf.is_none() {
            leaf = Some(check_leaf(path, &certificate)?);
        }
    }
    leaf.ok_or_else(|| CertificateError::Empty(path.to_owned()))
}

fn check_leaf(path: &Path, leaf: &X509Certificate<'_>) -> Result<Leaf, CertificateError> {
    if let Ok(PublicKey::RSA(key)) = leaf.public_key().parsed()
        && key.key_size() < LEAST_RSA
    {
        return Err(CertificateError::ShortKey {
            path: path.to_owned(),
            bits: key.key_size(),
        });
    }
    let (names, has_address) = names(leaf);
    if names.is_empty() && !has_address {
        return Err(CertificateError::Nameless(path.to_owned()));
    }
    let validity = leaf.validity();
    let now = x509_parser::time::ASN1Time::now();
    let mut warnings = Vec::new();
    if now > validity.not_after {
        warnings.push(CertificateWarning::Expired(path.to_owned()));
    }
    if now < validity.not_before {
        warnings.push(CertificateWarning::NotYetValid(path.to_owned()));
    }
    Ok(Leaf { names, warnings })
}

/// The DNS names of a certificate, lower case, and whether it names an IP address.
fn names(certificate: &X509Certificate<'_>) -> (Vec<String>, bool) {
    let mut names = Vec::new();
    let mut has_address = false;
    if let Ok(Some(extension)) = certificate.subject_alternative_name() {
        for name in &extension.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(_) => has_address = true,
                _ => (),
            }
        }
    }
    (names, has_address)
}

fn same_names(one: &CertifiedKey, other: &CertifiedKey) -> bool {
    let names_of = |certified: &CertifiedKey| {
        let leaf = certified.cert.first()?;
        let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
        let (mut names, _) = names(&leaf);
        names.sort_unstable();
        Some(names)
    };
    names_of(one) == names_of(other)
}

#[cfg(unix)]
fn readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn readable_by_others(_path: &Path) -> bool {
    false
}
