//! A certificate authority for tests: good certificates, and every kind of bad one (C15).
//!
//! Knows rcgen and nothing of our own crates. Each [`TestCa`] is a new root; nothing trusts it by accident.
#![expect(
    clippy::expect_used,
    reason = "dev-only: a test CA that cannot sign or write is a broken machine, and the test should stop there"
)]

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, CustomExtension,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair,
    KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize,
    date_time_ymd,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A root authority, or an intermediate one with its way up to the root.
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// PEM of what to send after a leaf: this authority first, the root left out.
    chain: String,
    root: Certificate,
}

impl std::fmt::Debug for TestCa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestCa(..)")
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}

impl TestCa {
    /// A new root (ECDSA P-256).
    #[must_use]
    pub fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("key for the test root");
        let issuer = CertifiedIssuer::self_signed(authority("Pillarbox Test Root"), key)
            .expect("self-signed test root");
        let root = issuer.as_ref().clone();
        Self {
            issuer,
            chain: String::new(),
            root,
        }
    }

    /// An authority below this one. What it issues carries it in the chain.
    #[must_use]
    pub fn intermediate(&self) -> Self {
        self.below(authority("Pillarbox Test Intermediate"))
    }

    /// An authority below this one that may not issue everything. What it issues is issued all the same.
    #[must_use]
    pub fn limited(&self, limit: &Limit) -> Self {
        let mut params = authority("Pillarbox Limited Intermediate");
        let (mut permitted_subtrees, mut excluded_subtrees) = (Vec::new(), Vec::new());
        match limit {
            Limit::NoAuthority => params.is_ca = IsCa::ExplicitNoCa,
            Limit::LeavesOnly => params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
            Limit::Only(domain) => permitted_subtrees.push(subtree(domain)),
            Limit::Except(domain) => excluded_subtrees.push(subtree(domain)),
        }
        if !(permitted_subtrees.is_empty() && excluded_subtrees.is_empty()) {
            params.name_constraints = Some(NameConstraints {
                permitted_subtrees,
                excluded_subtrees,
            });
        }
        self.below(params)
    }

    fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("key for an intermediate");
        let issuer =
            CertifiedIssuer::signed_by(params, key, &self.issuer).expect("intermediate signed");
        Self {
            chain: issuer.pem() + &self.chain,
            issuer,
            root: self.root.clone(),
        }
    }

    /// The root's certificate, which a client has to trust.
    #[must_use]
    pub fn root_der(&self) -> &CertificateDer<'static> {
        self.root.der()
    }

    /// The root's certificate as PEM.
    #[must_use]
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// Writes the root's certificate to `folder/root.pem`.
    #[must_use]
    pub fn write_root(&self, folder: &Path) -> PathBuf {
        let path = folder.join("root.pem");
        fs::write(&path, self.root_pem()).expect("write the test root");
        path
    }

    /// A good server certificate (ECDSA P-256) for these DNS names and addresses.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> TestCertificate {
        self.issue(&Leaf::new(names))
    }

    /// Issues what is described, however bad.
    #[must_use]
    pub fn issue(&self, leaf: &Leaf) -> TestCertificate {
        let key = leaf.key();
        let certificate = leaf
            .params()
            .signed_by(&key, &self.issuer)
            .expect("leaf signed by the test CA");
        TestCertificate {
            chain: certificate.pem() + &self.chain,
            key: key.serialize_pem(),
        }
    }
}

/// What an authority may issue (RFC 5280 §4.2.1.9, §4.2.1.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Limit {
    /// Nothing: it says of itself that it is no authority.
    NoAuthority,
    /// Leaves, but no authorities (a path length of 0).
    LeavesOnly,
    /// Certificates for DNS names of this domain.
    Only(String),
    /// Certificates for DNS names outside this domain.
    Except(String),
}

/// What a leaf certificate is to say. Starts as a good one; each method changes one thing.
#[derive(Debug, Clone)]
pub struct Leaf {
    names: Vec<String>,
    srv_ids: Vec<String>,
    uris: Vec<String>,
    common_name: String,
    years: (i32, i32),
    purpose: ExtendedKeyUsagePurpose,
    algorithm: Algorithm,
    unknown_critical: Option<CustomExtension>,
}

#[derive(Debug, Clone, Copy)]
enum Algorithm {
    EcdsaP256,
    Rsa2048,
}

impl Leaf {
    /// A good ECDSA P-256 server certificate for these DNS names (wildcards as they are) and IP addresses.
    #[must_use]
    pub fn new(names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            srv_ids: Vec::new(),
            uris: Vec::new(),
            common_name: "test leaf".to_owned(),
            years: (2000, 2100),
            purpose: ExtendedKeyUsagePurpose::ServerAuth,
            algorithm: Algorithm::EcdsaP256,
            unknown_critical: None,
        }
    }

    /// With a critical extension nobody knows, which no client may ignore (RFC 5280 §4.2).
    #[must_use]
    pub fn unknown_critical_extension(mut self) -> Self {
        // 2.25: a UUID for an arc, assigned to nobody (ITU-T X.667).
        let null = vec![5, 0];
        let mut extension = CustomExtension::from_oid_content(&[2, 25, 1_918_273_645], null);
        extension.set_criticality(true);
        self.unknown_critical = Some(extension);
        self
    }

    /// With an RSA key of 2048 bits.
    #[must_use]
    pub fn rsa(mut self) -> Self {
        self.algorithm = Algorithm::Rsa2048;
        self
    }

    /// Expired at the start of 2001.
    #[must_use]
    pub fn expired(mut self) -> Self {
        self.years = (2000, 2001);
        self
    }

    /// Valid from the start of 2099.
    #[must_use]
    pub fn not_yet_valid(mut self) -> Self {
        self.years = (2099, 2100);
        self
    }

    /// With the extended key usage for clients only.
    #[must_use]
    pub fn for_clients(mut self) -> Self {
        self.purpose = ExtendedKeyUsagePurpose::ClientAuth;
        self
    }

    /// With this Common Name, which no client may take for an identity (R9525-1).
    #[must_use]
    pub fn common_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.common_name);
        self
    }

    /// With an SRV-ID (RFC 4985), such as `_imaps.example.org`, added.
    #[must_use]
    pub fn srv_id(mut self, name: &str) -> Self {
        self.srv_ids.push(name.to_owned());
        self
    }

    /// With a URI-ID added, which mail clients do not use (R7817-3).
    #[must_use]
    pub fn uri(mut self, uri: &str) -> Self {
        self.uris.push(uri.to_owned());
        self
    }

    /// Signed by its own key.
    #[must_use]
    pub fn self_signed(&self) -> TestCertificate {
        let key = self.key();
        let certificate = self.params().self_signed(&key).expect("self-signed leaf");
        TestCertificate {
            chain: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    fn key(&self) -> KeyPair {
        match self.algorithm {
            Algorithm::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Algorithm::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        }
        .expect("key for a leaf")
    }

    fn params(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(self.years.0, 1, 1);
        params.not_after = date_time_ymd(self.years.1, 1, 1);
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, self.common_name.as_str());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![self.purpose.clone()];
        params.use_authority_key_identifier_extension = true;
        // Written by hand, since rcgen knows otherName only as UTF8String and RFC 4985 wants IA5String.
        let names = self.subject_alternative_names();
        if !names.is_empty() {
            params.custom_extensions = vec![CustomExtension::from_oid_content(
                &[2, 5, 29, 17],
                der(0x30, &names),
            )];
        }
        params
            .custom_extensions
            .extend(self.unknown_critical.clone());
        params
    }

    fn subject_alternative_names(&self) -> Vec<u8> {
        /// `id-on-dnsSRV`, 1.3.6.1.5.5.7.8.7 (RFC 4985 §2).
        const ON_DNS_SRV: [u8; 10] = [0x06, 8, 0x2b, 6, 1, 5, 5, 7, 8, 7];
        let mut names = Vec::new();
        for name in &self.names {
            names.extend(match name.parse() {
                Ok(IpAddr::V4(address)) => der(0x87, &address.octets()),
                Ok(IpAddr::V6(address)) => der(0x87, &address.octets()),
                Err(_) => der(0x82, name.as_bytes()),
            });
        }
        for name in &self.srv_ids {
            let value = der(0xa0, &der(0x16, name.as_bytes()));
            names.extend(der(0xa0, &[&ON_DNS_SRV[..], &value].concat()));
        }
        for uri in &self.uris {
            names.extend(der(0x86, uri.as_bytes()));
        }
        names
    }
}

/// A certificate chain, leaf first, and its key.
pub struct TestCertificate {
    chain: String,
    key: String,
}

impl std::fmt::Debug for TestCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TestCertificate(..)")
    }
}

impl TestCertificate {
    /// The chain, leaf first, without the root.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.chain.as_bytes())
            .collect::<Result<_, _>>()
            .expect("PEM that rcgen made")
    }

    /// The key (PKCS #8).
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM that rcgen made")
    }

    /// The chain as PEM.
    #[must_use]
    pub fn chain_pem(&self) -> &str {
        &self.chain
    }

    /// The key as PEM.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key
    }

    /// Writes `folder/NAME.pem` (the chain) and `folder/NAME.key` (mode 0600).
    #[must_use]
    pub fn write_to(&self, folder: &Path, name: &str) -> PemFiles {
        let files = PemFiles {
            chain: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        fs::write(&files.chain, self.chain_pem()).expect("write a test certificate");
        fs::write(&files.key, self.key_pem()).expect("write a test key");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600))
                .expect("close a test key to others");
        }
        files
    }
}

/// Where [`TestCertificate::write_to`] put things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PemFiles {
    /// The chain, leaf first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn subtree(domain: &str) -> GeneralSubtree {
    GeneralSubtree::DnsName(domain.to_owned())
}

/// One DER element of less than 64 KiB.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a short DER element");
    let [high, low] = length.to_be_bytes();
    let mut element = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    element.extend_from_slice(content);
    element
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_chain_and_key() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let certificate = TestCa::new().intermediate().server(&["mail.example.org"]);
        let files = certificate.write_to(folder.path(), "mail");
        let chain: Vec<_> = CertificateDer::pem_file_iter(&files.chain)
            .expect("readable")
            .collect::<Result<_, _>>()
            .expect("valid PEM");
        assert_eq!(chain, certificate.chain());
        assert_eq!(chain.len(), 2);
        let key = PrivateKeyDer::from_pem_file(&files.key).expect("valid PEM");
        assert_eq!(key.secret_der(), certificate.key().secret_der());
    }
}
