//! R9325-14: our client takes no weak certificate from whoever serves one. All of them come from one trusted root
//! and differ from a good one in the weakness alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use crate::foreign::{accepted, refused, refused_with_key};
use crate::support::{Begin, Talker, dial_mail};
use pillarbox_names::Service;
use pillarbox_policy::HandshakeFailure;
use pillarbox_testkit::needs;
use pillarbox_transport::{Dialer, Roots};
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/certificates")
        .join(name)
}

fn chain(name: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file(name))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn dialer() -> Dialer {
    let roots = Roots::empty().with_pem_file(&file("weak/root.pem"));
    Dialer::new(Service::Imap, roots.unwrap())
}

fn unsuitable(failure: HandshakeFailure) -> String {
    match failure {
        HandshakeFailure::CertificateUnsuitable(why) => why,
        failure => panic!("{failure:?}"),
    }
}

/// Whether the reason is that the key lies on prime192v1, 1.2.840.10045.3.1.1 (RFC 5480 §2.1.1.1).
fn on_a_small_curve(why: &str) -> bool {
    why.starts_with("UnsupportedSignatureAlgorithmForPublicKeyContext")
        && why.contains("6, 8, 42, 134, 72, 206, 61, 3, 1, 1]")
}

/// Signatures with SHA-1 and MD5, and authorities whose own keys are too weak: found in the path.
#[tokio::test]
async fn weak_paths() {
    let dialer = dialer();
    let key = PrivateKeyDer::from_pem_file(file("sha1.key")).unwrap();
    accepted(&dialer, &chain("weak/strong.pem"), &key).await;
    // sha1WithRSAEncryption and md5WithRSAEncryption, 1.2.840.113549.1.1.5 and .4 (RFC 3279 §2.2.1).
    for (name, algorithm) in [("weak/sha1.pem", 5), ("weak/md5.pem", 4)] {
        let expected = format!(
            "UnsupportedSignatureAlgorithmContext {{ signature_algorithm_id: \
             [6, 9, 42, 134, 72, 134, 247, 13, 1, 1, {algorithm}, 5, 0], "
        );
        let why = unsuitable(refused(&dialer, &chain(name), &key).await);
        assert!(why.starts_with(&expected), "{name}: {why}");
    }
    let why = unsuitable(refused(&dialer, &chain("weak/under_p192.pem"), &key).await);
    assert!(on_a_small_curve(&why), "{why}");
    // A signature by too short a key is no signature, and so there is no path.
    assert_eq!(
        refused(&dialer, &chain("weak/under_rsa1024.pem"), &key).await,
        HandshakeFailure::CertificateChain
    );
}

/// The key of a leaf on a curve that no library here signs with. What it signs is not looked at, if all is well.
#[derive(Debug)]
struct SmallCurve;

impl SigningKey for SmallCurve {
    fn choose_scheme(&self, _offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Self))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for SmallCurve {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        // An ECDSA-Sig-Value of 1 and 1.
        Ok(vec![0x30, 6, 2, 1, 1, 2, 1, 1])
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}

/// A path without a fault, and a leaf on P-192.
#[tokio::test]
async fn small_curve() {
    let chain = chain("weak/p192.pem");
    let failure = refused_with_key(&dialer(), &chain, Arc::new(SmallCurve)).await;
    let why = unsuitable(failure);
    assert!(on_a_small_curve(&why), "{why}");
}

/// `openssl s_server` for one connection, since rustls does not sign with what it has to here. `None` where there is
/// no OpenSSL.
async fn s_server(
    certificate: &str,
    key: &str,
    version: &str,
) -> Option<(SocketAddr, Child, BufReader<ChildStdout>)> {
    let mut child = Command::from(needs::OPENSSL.command()?)
        .args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "1"])
        .args(["-cipher", "DEFAULT@SECLEVEL=0", version, "-cert"])
        .arg(file(certificate))
        .arg("-key")
        .arg(file(key))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    loop {
        let mut line = String::new();
        let read = timeout(Duration::from_secs(30), stdout.read_line(&mut line)).await;
        assert_ne!(read.unwrap().unwrap(), 0, "s_server ended too early");
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            return Some((address.trim().parse().unwrap(), child, stdout));
        }
    }
}

/// A path without a fault, and a leaf of RSA with 1024 bits: its signature in the handshake is not taken.
#[tokio::test]
async fn short_key() {
    let dialer = dialer();
    for version in ["-tls1_2", "-tls1_3"] {
        for (certificate, key, good) in [
            ("weak/strong.pem", "sha1.key", true),
            ("weak/rsa1024.pem", "rsa1024.key", false),
        ] {
            let Some((address, mut child, mut stdout)) = s_server(certificate, key, version).await
            else {
                return;
            };
            let result = dial_mail(Begin::Implicit, &dialer, address).await;
            if good {
                let mut connection = result.unwrap();
                let mut talker = Talker::new();
                talker.say("hello\r\n");
                // Sent before the wait for an answer, which OpenSSL does not give.
                let wait = Duration::from_millis(500);
                assert!(timeout(wait, connection.drive(&mut talker)).await.is_err());
                connection.close().await;
            } else {
                assert_eq!(
                    result.unwrap_err(),
                    HandshakeFailure::CertificateUnsuitable("BadSignature".to_owned())
                );
            }
            let mut heard = String::new();
            let ended = timeout(Duration::from_secs(30), stdout.read_to_string(&mut heard));
            ended.await.unwrap().unwrap();
            child.wait().await.unwrap();
            assert_eq!(heard.contains("hello"), good, "{version}: {heard}");
            let mut errors = String::new();
            let mut stderr = child.stderr.take().unwrap();
            stderr.read_to_string(&mut errors).await.unwrap();
            assert_eq!(errors.contains("alert decrypt error"), !good, "{errors}");
        }
    }
}
