//! What follows a STARTTLS that was answered: the handshake. The same for all protocols.

use pillarbox_names::TlsStart;
use pillarbox_policy::{HandshakeFailure, RefusalCode};
use pillarbox_proto::{Sealed, Upgrade};
use pillarbox_transport::{Connection, Conversation, HandshakeError, UpgradeError};

use super::context::ListenerInfo;

/// Does the handshake. `None` where it failed, which is in the log then, and the connection is gone. Nothing of the
/// cleartext session is left after it (S2).
pub(crate) async fn start_tls<M: Upgrade>(
    clear: Conversation<M>,
    listener: &ListenerInfo,
) -> Option<Connection<Sealed>> {
    match clear.start_tls_as_server(&listener.acceptor).await {
        Ok(connection) => Some(connection),
        Err(UpgradeError::Handshake(error)) => {
            log_failed_handshake(listener.name, TlsStart::StartTls, &error);
            None
        }
        Err(error) => {
            let code = error.code().map(RefusalCode::as_str);
            tracing::warn!(code, %error, "connection closed");
            None
        }
    }
}

/// Says in the log why a handshake failed, as the first thing or after STARTTLS. A client that is too old is
/// said with the version it offered, so that whose it is can be found (S4-15, S4-17, S4.1-9).
pub(crate) fn log_failed_handshake(
    listener: &'static str,
    tls_start: TlsStart,
    error: &HandshakeError,
) {
    let code = match (tls_start, &error.failure) {
        // Cleartext where STARTTLS was the last of it: S1, in a segment of its own.
        (TlsStart::StartTls, HandshakeFailure::NotTls) => Some(RefusalCode::CommandInjection),
        (_, failure) => failure.code(),
    };
    let offered = match error.failure {
        HandshakeFailure::TooOld(version) => Some(format!("0x{version:04x}")),
        _ => None,
    };
    tracing::warn!(
        listener,
        remote = %error.peer,
        sni = error.sni,
        offered,
        code = code.map(RefusalCode::as_str),
        reason = %error.failure,
        "TLS handshake failed"
    );
}
