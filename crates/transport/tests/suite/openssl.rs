//! The same listener, seen by OpenSSL: versions, suites, groups, ALPN (S4-13, S4-14, R9325-1, R9325-12,
//! R9325-13, R10015-1).

use std::process::Stdio;
use std::time::Duration;

use crate::support::{Begin, GREETING, good, serve};
use pillarbox_names::Service;
use pillarbox_testkit::{Leaf, TestCa, needs};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// What `openssl s_client` printed, both ways, or `None` where there is no OpenSSL.
async fn s_client(
    ca: &TestCa,
    address: std::net::SocketAddr,
    arguments: &[&str],
) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let root = ca.write_root(folder.path());
    let mut child = Command::from(needs::OPENSSL.command()?)
        .args([
            "s_client",
            "-connect",
            &address.to_string(),
            "-servername",
            "mail.example.org",
        ])
        .args([
            "-verify_return_error",
            "-verify_hostname",
            "mail.example.org",
            "-CAfile",
        ])
        .arg(&root)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Open until the child has ended, since it leaves when its input ends.
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(b"hello\nQUIT\n").await;
    let output = timeout(Duration::from_secs(30), child.wait_with_output());
    let output = output.await.expect("s_client comes to an end").unwrap();
    drop(stdin);
    Some(
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr),
    )
}

const CRLF: &[&str] = &["-crlf", "-quiet", "-no_ign_eof"];

#[tokio::test]
async fn both_versions_every_suite_and_group() {
    let ca = TestCa::new();
    let pair = [
        &good(&ca),
        &ca.issue(&Leaf::new(&["mail.example.org"]).rsa()),
    ];
    let server = serve(Begin::Implicit, Service::Imap, &pair);
    for arguments in [
        &["-tls1_2"][..],
        &["-tls1_3"],
        &["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
        &["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"],
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"],
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"],
        &["-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"],
        &["-tls1_3", "-groups", "X25519"],
        &["-tls1_3", "-groups", "P-256"],
        &["-tls1_3", "-groups", "P-384"],
        &["-alpn", "imap"],
    ] {
        let Some(output) = s_client(&ca, server.address, &[arguments, CRLF].concat()).await else {
            return;
        };
        assert!(output.contains(GREETING), "{arguments:?}: {output}");
        assert!(output.contains("echo hello"), "{arguments:?}: {output}");
    }
    assert_eq!(server.failures.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn nothing_weak() {
    let ca = TestCa::new();
    let pair = [
        &good(&ca),
        &ca.issue(&Leaf::new(&["mail.example.org"]).rsa()),
    ];
    let server = serve(Begin::Implicit, Service::Imap, &pair);
    for (arguments, alert) in [
        // OpenSSL needs its security level lowered to so much as offer these.
        (
            &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"][..],
            "alert number 70",
        ),
        (
            &["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"],
            "alert number 70",
        ),
        (
            &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"],
            "alert number 40",
        ),
        (
            &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA"],
            "alert number 40",
        ),
        (
            &["-tls1_2", "-cipher", "AES128-GCM-SHA256"],
            "alert number 40",
        ),
        (
            &["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
            "alert number 40",
        ),
        (
            &["-tls1_2", "-cipher", "NULL:@SECLEVEL=0"],
            "alert number 40",
        ),
        (&["-alpn", "http/1.1"], "alert number 120"),
        (&["-servername", "unknown.example"], "alert number 112"),
    ] {
        let Some(output) = s_client(&ca, server.address, arguments).await else {
            return;
        };
        assert!(output.contains(alert), "{arguments:?}: {output}");
        assert!(!output.contains(GREETING), "{arguments:?}: {output}");
    }
}

/// R9325-8: renegotiation_info and the extended master secret are there, compression is not (R9325-6), and a
/// client that asks for renegotiation does not get it.
#[tokio::test]
async fn tls_1_2_as_it_should_be() {
    let ca = TestCa::new();
    let server = serve(Begin::Implicit, Service::Imap, &[&good(&ca)]);
    let Some(output) = s_client(&ca, server.address, &["-tls1_2", "-crlf"]).await else {
        return;
    };
    for line in [
        "Secure Renegotiation IS supported",
        "Compression: NONE",
        "Extended master secret: yes",
        "Verify return code: 0 (ok)",
    ] {
        assert!(output.contains(line), "{line}: {output}");
    }
    // RFC 9325 §3.5: a client without the extended master secret is refused.
    let output = s_client(&ca, server.address, &["-tls1_2", "-crlf", "-no_ems"]).await;
    if let Some(output) = output.filter(|output| !output.contains("nknown option")) {
        assert!(output.contains("alert number 40"), "{output}");
    }
}
