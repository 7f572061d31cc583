//! S5.3-1: what RFC 5280 §6.1 forbids in a path of certificates, each fault with a path beside it that differs in
//! nothing else and is taken. In TLS 1.2 and 1.3, on implicit TLS and after STARTTLS.

use crate::foreign::{accepted, refused};
use crate::support::dialer;
use pillarbox_names::Service;
use pillarbox_policy::HandshakeFailure;
use pillarbox_testkit::{Leaf, Limit, TestCa};
use rustls_pki_types::CertificateDer;

const HOST: &str = "mail.example.org";

fn unsuitable(why: &str) -> HandshakeFailure {
    HandshakeFailure::CertificateUnsuitable(format!("Other(OtherError({why}))"))
}

#[tokio::test]
async fn missing_intermediate() {
    let ca = TestCa::new();
    let dialer = dialer(Service::Imap, &ca);
    let certificate = ca.intermediate().intermediate().server(&[HOST]);
    let whole: Vec<CertificateDer<'static>> = certificate.chain();
    let key = certificate.key();
    assert_eq!(whole.len(), 3);
    accepted(&dialer, &whole, &key).await;
    for cut in [
        vec![whole[0].clone()],
        vec![whole[0].clone(), whole[1].clone()],
        vec![whole[0].clone(), whole[2].clone()],
    ] {
        assert_eq!(
            refused(&dialer, &cut, &key).await,
            HandshakeFailure::CertificateChain
        );
    }
}

/// RFC 5280 §4.2.1.9: only what says of itself that it is an authority is one.
#[tokio::test]
async fn issued_by_no_authority() {
    let ca = TestCa::new();
    let dialer = dialer(Service::Imap, &ca);
    let good = ca.limited(&Limit::LeavesOnly).server(&[HOST]);
    accepted(&dialer, &good.chain(), &good.key()).await;
    let bad = ca.limited(&Limit::NoAuthority).server(&[HOST]);
    assert_eq!(
        refused(&dialer, &bad.chain(), &bad.key()).await,
        unsuitable("EndEntityUsedAsCa")
    );
}

/// RFC 5280 §4.2.1.9: an authority for leaves alone made itself another authority.
#[tokio::test]
async fn longer_than_allowed() {
    let ca = TestCa::new();
    let dialer = dialer(Service::Imap, &ca);
    let bad = ca
        .limited(&Limit::LeavesOnly)
        .intermediate()
        .server(&[HOST]);
    assert_eq!(
        refused(&dialer, &bad.chain(), &bad.key()).await,
        unsuitable("PathLenConstraintViolated")
    );
}

/// RFC 5280 §4.2.1.10.
#[tokio::test]
async fn outside_the_names_of_its_authority() {
    let ca = TestCa::new();
    let dialer = dialer(Service::Imap, &ca);
    for (limit, may) in [
        (Limit::Only("example.org".to_owned()), true),
        (Limit::Only("example.net".to_owned()), false),
        (Limit::Except("example.net".to_owned()), true),
        (Limit::Except("example.org".to_owned()), false),
        (Limit::Except(HOST.to_owned()), false),
    ] {
        let certificate = ca.limited(&limit).server(&[HOST]);
        let (chain, key) = (certificate.chain(), certificate.key());
        if may {
            accepted(&dialer, &chain, &key).await;
        } else {
            let failure = refused(&dialer, &chain, &key).await;
            assert_eq!(failure, unsuitable("NameConstraintViolation"), "{limit:?}");
        }
    }
}

/// RFC 5280 §4.2: who does not know a critical extension has to refuse the certificate.
#[tokio::test]
async fn unknown_critical_extension() {
    let ca = TestCa::new();
    let dialer = dialer(Service::Imap, &ca);
    let bad = ca.issue(&Leaf::new(&[HOST]).unknown_critical_extension());
    assert_eq!(
        refused(&dialer, &bad.chain(), &bad.key()).await,
        unsuitable("UnsupportedCriticalExtension")
    );
}
