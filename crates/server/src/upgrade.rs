//! What follows a STARTTLS that was answered: the handshake, and what is known after it. The same for all
//! protocols; what becomes of their machines is theirs (S2).

use pillarbox_names::TlsStart;
use pillarbox_policy::TlsFacts;
use pillarbox_transport::Connection;

use crate::ListenerInfo;
use crate::listeners::log_failed_handshake;

/// Does the handshake. `None` where it failed, which is in the log then, and the connection is gone.
pub(crate) async fn start_tls(
    connection: Connection,
    listener: &ListenerInfo,
) -> Option<(Connection, TlsFacts)> {
    match connection.start_tls_as_server(&listener.acceptor).await {
        Ok(connection) => {
            let facts = connection.channel().facts().cloned()?;
            Some((connection, facts))
        }
        Err(error) => {
            log_failed_handshake(listener.name, TlsStart::StartTls, &error);
            None
        }
    }
}
