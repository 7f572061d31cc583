//! STARTTLS (RFC 3501 §6.2.1), which is not to be had inside TLS, nor after a login (S2, S3, R9051-2).

use crate::imap::grammar::Cursor;
use crate::imap::server::command::{Capabilities, Command, Reading, When};
use crate::imap::server::reply::Refusal;

/// A STARTTLS command. The handshake is for whoever drives the machine:
/// [`crate::imap::server::ClearEvent::StartTls`].
#[derive(Debug)]
pub(super) struct StartTls;

impl Command for StartTls {
    const NAME: &'static str = "STARTTLS";
    const WHEN: When = When::Clear;

    fn capabilities(list: &mut Capabilities<'_>) {
        list.before_tls("STARTTLS");
    }

    fn read(_: &mut Cursor<'_>, _: Reading<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }
}
