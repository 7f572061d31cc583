//! One message for many accounts.

use pillarbox_policy::Timestamp;

use crate::{AccountId, Flags, Spool};

/// Identifies a delivery, for as long as an engine remembers it (at least 7 days): the same one again delivers
/// nothing twice. Random, from whoever takes the message in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId(pub [u8; 16]);

/// A message to be delivered. The content is kept once for many accounts.
#[derive(Debug)]
pub struct NewDelivery {
    /// Its identity.
    pub id: DeliveryId,
    /// Who gets it.
    pub recipients: Vec<Recipient>,
    /// When it was received (RFC 9051 section 2.3.3).
    pub internal_date: Timestamp,
    /// The offset from UTC, in minutes, that `internal_date` is shown with.
    pub internal_offset: i16,
    /// What protocols want to remember about its structure. Opaque to the store; at most 1 MiB.
    pub index: Vec<u8>,
    /// Its content.
    pub body: Box<dyn Spool>,
}

/// Who gets a delivery. An account gets it once, in the mailbox of the first recipient that names the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The account.
    pub account: AccountId,
    /// The mailbox, by name.
    pub mailbox: String,
    /// The message's flags there.
    pub flags: Flags,
}
