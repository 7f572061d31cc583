//! Reading certificates: every fault has its own error, and the set stays as it was.

use std::fs;
use std::path::Path;

use crate::support::files;
use pillarbox_testkit::{Leaf, TestCa};
use pillarbox_transport::{
    CertificateError, CertificateFiles, CertificateWarning, Certificates, Roots, RootsError,
};

/// An RSA key of 1024 bits and its certificate for mail.example.org, signed by itself with SHA-256.
const SHORT_KEY: &str = include_str!("../certificates/rsa1024.key");
const SHORT_CHAIN: &str = include_str!("../certificates/rsa1024.pem");
/// An RSA certificate for mail.example.org that another authority signed with SHA-1.
const SHA1_KEY: &str = include_str!("../certificates/sha1.key");
const SHA1_CHAIN: &str = include_str!("../certificates/sha1.pem");

fn write(folder: &Path, chain: &str, key: &str) -> CertificateFiles {
    let files = CertificateFiles {
        chain: folder.join("fault.pem"),
        key: folder.join("fault.key"),
    };
    fs::write(&files.chain, chain).unwrap();
    fs::write(&files.key, key).unwrap();
    files
}

fn refused(folder: &Path, chain: &str, key: &str) -> CertificateError {
    let mut certificates = Certificates::new();
    let error = certificates.add(&write(folder, chain, key)).unwrap_err();
    assert!(certificates.is_empty());
    error
}

/// R9325-14, and everything else that cannot be served.
#[test]
fn what_cannot_be_served() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ca = TestCa::new();
    let good = ca.server(&["mail.example.org"]);
    let other = ca.server(&["mail.example.org"]);
    let nameless = ca.issue(&Leaf::new(&[]).common_name("mail.example.org"));
    let not_a_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    let error = refused(folder, good.chain_pem(), other.key_pem());
    assert!(
        matches!(error, CertificateError::KeyMismatch { .. }),
        "{error}"
    );
    let error = refused(folder, SHORT_CHAIN, SHORT_KEY);
    assert!(
        matches!(error, CertificateError::ShortKey { bits: 1024, .. }),
        "{error}"
    );
    let error = refused(folder, SHA1_CHAIN, SHA1_KEY);
    assert!(
        matches!(error, CertificateError::WeakSignature { number: 1, .. }),
        "{error}"
    );
    let error = refused(folder, nameless.chain_pem(), nameless.key_pem());
    assert!(matches!(error, CertificateError::Nameless(_)), "{error}");
    let error = refused(folder, "", good.key_pem());
    assert!(matches!(error, CertificateError::Empty(_)), "{error}");
    let error = refused(folder, good.chain_pem(), "");
    assert!(
        matches!(error, CertificateError::Unreadable { ref path, .. } if path.ends_with("fault.key")),
        "{error}"
    );
    let error = refused(folder, not_a_certificate, good.key_pem());
    assert!(
        matches!(error, CertificateError::Malformed { number: 1, .. }),
        "{error}"
    );
    let chain = good.chain_pem().to_owned() + not_a_certificate;
    let error = refused(folder, &chain, good.key_pem());
    assert!(
        matches!(error, CertificateError::Malformed { number: 2, .. }),
        "{error}"
    );
    let broken_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let error = refused(folder, good.chain_pem(), broken_key);
    assert!(
        matches!(error, CertificateError::UnusableKey { .. }),
        "{error}"
    );

    let missing = CertificateFiles {
        chain: folder.join("missing.pem"),
        key: folder.join("missing.key"),
    };
    let error = Certificates::new().add(&missing).unwrap_err();
    assert!(
        matches!(error, CertificateError::Unreadable { ref path, .. } if *path == missing.chain),
        "{error}"
    );
}

#[test]
fn what_is_served_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let ca = TestCa::new();
    let add = |leaf: &Leaf, name| {
        let files = files(&ca.issue(leaf), folder.path(), name);
        let mut certificates = Certificates::new();
        let warnings = certificates.add(&files).unwrap();
        assert!(!certificates.is_empty());
        (files, warnings)
    };
    let leaf = Leaf::new(&["mail.example.org"]);
    assert_eq!(add(&leaf, "good").1, []);
    let (files, warnings) = add(&leaf.clone().expired(), "expired");
    assert_eq!(warnings, [CertificateWarning::Expired(files.chain)]);
    let (files, warnings) = add(&leaf.clone().not_yet_valid(), "early");
    assert_eq!(warnings, [CertificateWarning::NotYetValid(files.chain)]);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let (files, _) = add(&leaf, "open");
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o644)).unwrap();
        let warnings = Certificates::new().add(&files).unwrap();
        assert_eq!(
            warnings,
            [CertificateWarning::KeyReadableByOthers(files.key)]
        );
    }
}

#[test]
fn files_of_trusted_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roots.pem");
    let roots = |text: &str| {
        fs::write(&path, text).unwrap();
        Roots::empty().with_pem_file(&path)
    };
    let two = TestCa::new().root_pem() + &TestCa::new().root_pem();
    assert!(roots(&two).is_ok());
    assert!(matches!(
        roots("nothing here\n"),
        Err(RootsError::Empty { .. })
    ));
    let invalid = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(roots(invalid), Err(RootsError::Invalid { .. })));
    let missing = Roots::empty().with_pem_file(&folder.path().join("none"));
    assert!(matches!(missing, Err(RootsError::Unreadable { .. })));
}
