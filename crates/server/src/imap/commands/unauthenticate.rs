//! UNAUTHENTICATE.

use pillarbox_proto::imap::server::Completion;

use crate::imap::session::Session;

impl Session {
    /// As before the first login, with as much time for the next; TLS, the failures counted and what the client
    /// says it is stay.
    pub(in crate::imap) fn unauthenticate(&mut self) -> Completion {
        tracing::info!("logged out; the connection stays for another login");
        self.not_logged_in();
        Completion::DONE
    }
}
