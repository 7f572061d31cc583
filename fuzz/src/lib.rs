//! What the fuzz targets share: facts of a TLS session, without a handshake.

use pillarbox_names::TlsStart;
use pillarbox_policy::{
    ChannelBinding, CipherSuite, ClearFacts, ConnectionId, FactsParts, Group, NoTls, PeerProof,
    TlsEnd, TlsFacts, TlsVersion,
};
use pillarbox_proto::Clear;

/// A cleartext connection.
#[must_use]
pub fn clear() -> Clear {
    let peer = [192, 0, 2, 1].into();
    Clear::new(ClearFacts::new(
        ConnectionId::fresh(),
        peer,
        NoTls::NotOffered,
    ))
}

/// The channel binding of every session here.
#[must_use]
pub fn binding() -> ChannelBinding {
    ChannelBinding::tls_exporter([7; 32])
}

/// What a client knows of a healthy session with a verified server.
#[must_use]
pub fn client_facts(binding: Option<ChannelBinding>) -> TlsFacts {
    let name = "mail.example.org".to_owned();
    facts(PeerProof::Pkix { name }, binding)
}

/// What a server knows of a healthy session with a client that showed no certificate.
#[must_use]
pub fn server_facts(binding: Option<ChannelBinding>) -> TlsFacts {
    facts(PeerProof::Anonymous, binding)
}

fn facts(peer: PeerProof, binding: Option<ChannelBinding>) -> TlsFacts {
    TlsFacts::assertion(FactsParts {
        connection: ConnectionId::fresh(),
        version: TlsVersion::Tls13,
        suite: CipherSuite::Named("TLS_AES_256_GCM_SHA384"),
        group: Some(Group("X25519MLKEM768")),
        sni: None,
        alpn: None,
        resumed: false,
        tls_start: TlsStart::Implicit,
        tls_end: TlsEnd::Here,
        peer,
        binding,
    })
}
