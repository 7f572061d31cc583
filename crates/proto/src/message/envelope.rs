//! [`Envelope`]: what ENVELOPE says about a message.

use super::address::Address;
use super::fields::{Field, Fields};
use super::index::{Index, Kind, Part};

/// The envelope of a message (RFC 9051 §7.5.2). A field that is absent is `None`; one that is there and
/// empty is an empty value. Values are raw: unfolded, encoded words not decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Date.
    pub date: Option<Vec<u8>>,
    /// Subject.
    pub subject: Option<Vec<u8>>,
    /// From.
    pub from: Vec<Address>,
    /// Sender; the same as From where it is absent or empty.
    pub sender: Vec<Address>,
    /// Reply-To; the same as From where it is absent or empty.
    pub reply_to: Vec<Address>,
    /// To.
    pub to: Vec<Address>,
    /// Cc.
    pub cc: Vec<Address>,
    /// Bcc.
    pub bcc: Vec<Address>,
    /// In-Reply-To.
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID.
    pub message_id: Option<Vec<u8>>,
}

impl Envelope {
    pub(super) fn of(fields: &Fields) -> Self {
        let text = |field| fields.get(field).map(<[u8]>::to_vec);
        let list = |field| {
            fields
                .get(field)
                .map(Address::parse_list)
                .unwrap_or_default()
        };
        let from = list(Field::From);
        let or_from = |list: Vec<Address>| if list.is_empty() { from.clone() } else { list };
        Self {
            date: text(Field::Date),
            subject: text(Field::Subject),
            sender: or_from(list(Field::Sender)),
            reply_to: or_from(list(Field::ReplyTo)),
            to: list(Field::To),
            cc: list(Field::Cc),
            bcc: list(Field::Bcc),
            in_reply_to: text(Field::InReplyTo),
            message_id: text(Field::MessageId),
            from,
        }
    }
}

impl Index {
    /// The message's envelope. Reads nothing but the index.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        self.parts
            .first()
            .map(|message| Envelope::of(&message.fields))
            .unwrap_or_default()
    }

    /// The envelope of the message inside a `message/rfc822` part.
    #[must_use]
    pub fn envelope_inside(&self, part: &Part) -> Option<Envelope> {
        match part.kind {
            Kind::Message(inside) => self
                .parts
                .get(inside)
                .map(|message| Envelope::of(&message.fields)),
            _ => None,
        }
    }
}
