//! STARTTLS (RFC 3501 §6.2.1), which is not to be had inside TLS, nor after a login (S2, S3, R9051-2).

use super::{Capabilities, Command, When};

/// A STARTTLS command. The handshake is for whoever drives the machine:
/// [`crate::imap::server::ClearEvent::StartTls`].
#[derive(Debug)]
pub(super) struct StartTls;

impl Command for StartTls {
    const NAME: &'static str = "STARTTLS";
    const WHEN: When = When::Clear;
    const BARE: Option<Self> = Some(Self);

    fn capabilities(list: &mut Capabilities<'_>) {
        list.before_tls("STARTTLS");
    }
}
