//! What follows a STARTTLS that was answered: the handshake. The same for all protocols.

use pillarbox_names::TlsStart;
use pillarbox_proto::{Sealed, Upgrade};
use pillarbox_transport::{Connection, Conversation, UpgradeError};

use crate::ListenerInfo;
use crate::listeners::log_failed_handshake;

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
            let code = error.code().map(pillarbox_policy::Code::as_str);
            tracing::warn!(code, %error, "connection closed");
            None
        }
    }
}
