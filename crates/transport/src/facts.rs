//! The one place where [`TlsFacts`] are minted, from a finished handshake.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pillarbox_names::TlsStart;
use pillarbox_policy::{
    ChannelBinding, ConnectionId, FactsParts, HandshakeFailure, PeerProof, TlsEnd, TlsFacts,
    TlsVersion,
};
use rustls::{ConnectionCommon, HandshakeKind, ProtocolVersion};

use crate::proxy::ReportedTls;
use crate::suites::{group_name, suite_name};

/// What is known of a connection before its handshake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HandshakeContext {
    pub(crate) connection: ConnectionId,
    pub(crate) peer: SocketAddr,
    pub(crate) tls_start: TlsStart,
    /// How long it may take.
    pub(crate) limit: Duration,
}

/// What a finished handshake leaves open: what only the side that did it knows.
pub(crate) struct Circumstances {
    pub(crate) context: HandshakeContext,
    pub(crate) sni: Option<String>,
    pub(crate) peer: PeerProof,
}

/// Mints the facts of a finished handshake.
///
/// # Errors
/// The handshake is not finished, or it came to something that is not negotiated here; either would be a
/// fault of the TLS library.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that may assert facts"
)]
pub(crate) fn mint<Side>(
    session: &ConnectionCommon<Side>,
    circumstances: Circumstances,
) -> Result<TlsFacts, HandshakeFailure> {
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
        Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
        other => return Err(impossible(&format!("version {other:?} was negotiated"))),
    };
    let suite = session
        .negotiated_cipher_suite()
        .ok_or_else(|| impossible("no cipher suite was negotiated"))?;
    let kind = session
        .handshake_kind()
        .ok_or_else(|| impossible("it did not finish"))?;
    let alpn = session
        .alpn_protocol()
        .map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(TlsFacts::assertion(FactsParts {
        connection: circumstances.context.connection,
        version,
        suite: suite_name(suite.suite().into()),
        group: session
            .negotiated_key_exchange_group()
            .and_then(|group| group_name(group.name().into())),
        sni: circumstances.sni,
        alpn,
        resumed: kind == HandshakeKind::Resumed,
        tls_start: circumstances.context.tls_start,
        tls_end: TlsEnd::Here,
        peer: circumstances.peer,
        binding: Some(tls_exporter(session)?),
    }))
}

/// Mints the facts of TLS that ended at a trusted balancer, as it tells them. There is no channel binding: the
/// balancer has it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that may assert facts"
)]
pub(crate) fn mint_at_balancer(
    reported: ReportedTls,
    context: HandshakeContext,
    balancer: IpAddr,
) -> TlsFacts {
    TlsFacts::assertion(FactsParts {
        connection: context.connection,
        version: reported.version,
        suite: reported.suite,
        group: reported.group,
        sni: reported.sni,
        alpn: reported.alpn,
        resumed: false,
        tls_start: context.tls_start,
        tls_end: TlsEnd::Balancer(balancer),
        peer: PeerProof::Anonymous,
        binding: None,
    })
}

/// `tls-exporter` of RFC 9266 (R9266-1). TLS 1.2 has it too, since both our sides refuse 1.2 without the
/// extended master secret.
fn tls_exporter<Side>(
    session: &ConnectionCommon<Side>,
) -> Result<ChannelBinding, HandshakeFailure> {
    session
        .export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""))
        .map(ChannelBinding::tls_exporter)
        .map_err(|error| impossible(&format!("no keying material: {error}")))
}

fn impossible(what: &str) -> HandshakeFailure {
    HandshakeFailure::Other(format!("the TLS library reported success, but {what}"))
}
