//! [`TlsFacts`] for tests of pure machines, which never see a handshake.

use std::net::IpAddr;

use pillarbox_names::TlsStart;
use pillarbox_policy::{
    ChannelBinding, CipherSuite, ClearFacts, ConnectionId, FactsParts, Group, NoTls, PeerProof,
    TlsEnd, TlsFacts, TlsVersion,
};

/// Facts of a healthy implicit-TLS session: TLS 1.3, a hybrid group, a validated server.
#[must_use]
pub fn facts() -> TlsFacts {
    facts_with(|_| ())
}

/// The facts of [`facts`], changed by `change`.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "dev-only crate; pure machines are tested without a handshake"
)]
pub fn facts_with(change: impl FnOnce(&mut FactsParts)) -> TlsFacts {
    let mut parts = FactsParts {
        connection: ConnectionId::fresh(),
        version: TlsVersion::Tls13,
        suite: CipherSuite::Named("TLS_AES_256_GCM_SHA384"),
        group: Some(Group("X25519MLKEM768")),
        sni: Some("mail.example.org".to_owned()),
        alpn: None,
        resumed: false,
        tls_start: TlsStart::Implicit,
        tls_end: TlsEnd::Here,
        peer: PeerProof::Pkix {
            name: "mail.example.org".to_owned(),
        },
        binding: Some(ChannelBinding::tls_exporter([7; 32])),
    };
    change(&mut parts);
    TlsFacts::assertion(parts)
}

/// The facts of [`facts`] on a connection where STARTTLS went before.
#[must_use]
pub fn starttls_facts() -> TlsFacts {
    facts_with(|parts| parts.tls_start = TlsStart::StartTls)
}

/// Facts of a cleartext connection with a client at 192.0.2.1.
#[must_use]
pub fn clear_facts() -> ClearFacts {
    let peer = IpAddr::from([192, 0, 2, 1]);
    ClearFacts::new(ConnectionId::fresh(), peer, NoTls::NotOffered)
}
