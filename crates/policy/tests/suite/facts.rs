//! What the facts of a handshake answer, what goes on record of them, and what becomes of a channel binding.

use std::fs::File;
use std::os::unix::fs::FileExt;

use pillarbox_policy::{ChannelBinding, CipherSuite, Group, PeerProof, TlsEnd, TlsVersion};
use pillarbox_testkit::{facts, facts_with};

/// SCRAM's `c=` has to be the exporter's 32 octets, all of them and no more (RFC 9266, RFC 5802 §6).
#[test]
fn a_channel_binding_is_its_32_octets() {
    let octets = *b"the exporter's 32 octets, unique";
    let binding = ChannelBinding::tls_exporter(octets);
    assert_eq!(binding.as_bytes(), &octets);
    assert!(binding.matches(&octets));
    for at in 0..octets.len() {
        let mut other = octets;
        other[at] ^= 1;
        assert!(!binding.matches(&other), "octet {at} differs");
        assert!(!binding.matches(&octets[..at]), "only {at} octets");
    }
    assert!(!binding.matches(&[&octets[..], b"s"].concat()));
}

#[test]
fn a_channel_binding_is_zeroed_where_it_stood() {
    // A vector that is emptied drops what is in it and keeps its memory, which can be read as a file.
    let mut bindings = vec![ChannelBinding::tls_exporter([0x5a; 32])];
    let at = bindings.as_ptr() as usize;
    let memory = File::open("/proc/self/mem").unwrap();
    let mut octets = [0; 32];
    memory.read_exact_at(&mut octets, at as u64).unwrap();
    assert_eq!(octets, [0x5a; 32]);
    bindings.clear();
    memory.read_exact_at(&mut octets, at as u64).unwrap();
    assert_eq!(octets, [0; 32]);
    assert!(bindings.capacity() > 0);
}

#[test]
fn what_a_handshake_came_to_goes_on_record() {
    let facts = facts();
    let binding = facts.binding().map(ChannelBinding::as_bytes);
    assert_eq!(binding, Some(&[7; 32]));
    assert_eq!(facts.group(), Some(Group("X25519MLKEM768")));
    let record = facts.record();
    assert_eq!(record.version, TlsVersion::Tls13);
    assert_eq!(record.suite, CipherSuite::Named("TLS_AES_256_GCM_SHA384"));
    assert_eq!(record.group, Some(Group("X25519MLKEM768")));
    assert_eq!(record.tls_end, TlsEnd::Here);
    assert_eq!(record.sni.as_deref(), Some("mail.example.org"));
    assert_eq!(record.client_certificate, None);

    let fingerprint = "ab".repeat(32);
    let balancer = TlsEnd::Balancer([192, 0, 2, 9].into());
    let facts = facts_with(|parts| {
        parts.tls_end = balancer;
        parts.binding = None;
        parts.group = None;
        parts.peer = PeerProof::ClientCertificate {
            fingerprint: fingerprint.clone(),
        };
    });
    assert!(facts.binding().is_none(), "there is none behind a balancer");
    assert_eq!(facts.group(), None);
    let record = facts.record();
    assert_eq!((record.tls_end, record.group), (balancer, None));
    assert_eq!(record.client_certificate, Some(fingerprint));
}
