//! [`Origin`]: where the logins of a session come from.

use std::net::SocketAddr;

use pillarbox_names::Label;
use pillarbox_policy::Channel;

/// Where the logins of a session come from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The listener.
    pub listener: Label,
    /// The client.
    pub remote: SocketAddr,
    /// What the session runs over.
    pub channel: Channel<'a>,
    /// What the client says it is (IMAP ID, EHLO name), where it did.
    pub client: Option<&'a str>,
}
