//! What a record says: the effects of one operation on one account, or on those that a message came to.
//!
//! Effects carry what was decided (UIDs, modification sequences, final flags), never what was asked for, so
//! applying them again gives the same index.

use std::num::NonZeroU32;

use pillarbox_policy::{Ladder, Rung, Timestamp, TlsVersion};

use crate::embedded::disk::codec::{Decoder, Encoder, Malformed};
use crate::{
    AccountId, Appended, ContentId, DeliveryId, Flags, ItemId, MailboxId, ModSeq, Outcome, QueueId,
    ScramKeys, Uid, Verifiers,
};

/// One operation, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) account: AccountId,
    pub(crate) effects: Vec<Effect>,
}

/// One thing that happened to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The account came to be. Its mailboxes follow.
    AccountCreated {
        address: String,
        verifiers: Verifiers,
        ladder: Ladder,
        created: Timestamp,
    },
    /// Something else verifies the password now; it is not exposed any more.
    VerifiersSet(Verifiers),
    LadderSet(Ladder),
    PasswordExposed(Timestamp),
    /// The account is gone with everything in it.
    AccountDeleted,
    MailboxCreated {
        mailbox: MailboxId,
        name: String,
        uid_validity: NonZeroU32,
        modseq: ModSeq,
        subscribed: bool,
        special_use: Option<String>,
    },
    /// This one mailbox; those below it have effects of their own.
    MailboxRenamed {
        mailbox: MailboxId,
        name: String,
    },
    MailboxDeleted(MailboxId),
    Subscribed {
        mailbox: MailboxId,
        subscribed: bool,
    },
    /// A message with new content; the content is a body of the record.
    Appended(Box<AppendedMessage>),
    /// A message with new content that came to several accounts; the content is one body of the record.
    Delivered(Box<DeliveredMessage>),
    /// A message is in the queue; its content is a body of the record.
    Queued(Box<QueuedMessage>),
    /// A recipient of a message in the queue was tried.
    QueueSettled {
        item: ItemId,
        outcome: Outcome,
        at: Timestamp,
    },
    /// These messages have exactly these flags now.
    FlagsSet {
        mailbox: MailboxId,
        modseq: ModSeq,
        flags: Flags,
        uids: Vec<Uid>,
    },
    Expunged {
        mailbox: MailboxId,
        modseq: ModSeq,
        uids: Vec<Uid>,
    },
    /// Messages of `from` are in `to` as well, with flags and dates: pairs of old and new UID.
    Copied {
        from: MailboxId,
        to: MailboxId,
        modseq: ModSeq,
        uids: Vec<(Uid, Uid)>,
    },
}

/// A message that came with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppendedMessage {
    pub(crate) mailbox: MailboxId,
    pub(crate) uid: Uid,
    pub(crate) content: ContentId,
    pub(crate) modseq: ModSeq,
    pub(crate) internal_date: Timestamp,
    pub(crate) internal_offset: i16,
    pub(crate) flags: Flags,
    pub(crate) structure: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) crc: u32,
}

/// A message that came to several accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveredMessage {
    pub(crate) delivery: DeliveryId,
    pub(crate) internal_date: Timestamp,
    pub(crate) internal_offset: i16,
    pub(crate) structure: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) crc: u32,
    pub(crate) to: Vec<DeliveredTo>,
}

/// A message that waits for its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuedMessage {
    pub(crate) id: QueueId,
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) about: Vec<u8>,
    pub(crate) queued: Timestamp,
    pub(crate) size: u64,
    pub(crate) crc: u32,
}

/// What one account got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveredTo {
    pub(crate) account: AccountId,
    pub(crate) appended: Appended,
    pub(crate) flags: Flags,
}

impl Entry {
    /// The octets that stand in a record.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        to.i64(self.account.0);
        to.count(self.effects.len());
        for effect in &self.effects {
            effect.encode(&mut to);
        }
        to.finish()
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Decoder::new(bytes);
        let entry = Self {
            account: AccountId(from.i64()?),
            effects: from.list(Effect::decode)?,
        };
        from.finish()?;
        Ok(entry)
    }

    /// Size and CRC-32 of each content that the record carries, in the order it carries them.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (u64, u32)> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Appended(message) => Some((message.size, message.crc)),
            Effect::Delivered(message) => Some((message.size, message.crc)),
            Effect::Queued(message) => Some((message.size, message.crc)),
            _ => None,
        })
    }
}

impl Effect {
    /// Octets it takes in an entry, or a little more.
    pub(crate) fn weight(&self) -> u64 {
        let variable = match self {
            Self::AccountCreated {
                address, verifiers, ..
            } => address.len() + verifiers.argon2id.len() + verifiers.scram_sha256.salt.len(),
            Self::VerifiersSet(verifiers) => {
                verifiers.argon2id.len() + verifiers.scram_sha256.salt.len()
            }
            Self::MailboxCreated {
                name, special_use, ..
            } => name.len() + special_use.as_ref().map_or(0, String::len),
            Self::MailboxRenamed { name, .. } => name.len(),
            Self::Appended(message) => message.structure.len() + flags_weight(&message.flags),
            Self::Delivered(message) => {
                let to = message.to.iter().map(|to| 64 + flags_weight(&to.flags));
                message.structure.len() + to.sum::<usize>()
            }
            Self::Queued(message) => {
                let recipients = message.recipients.iter().map(|address| address.len() + 4);
                message.sender.len() + message.about.len() + recipients.sum::<usize>()
            }
            Self::QueueSettled { outcome, .. } => match outcome {
                Outcome::Done => 0,
                Outcome::Failed { why } | Outcome::Retry { why, .. } => why.len(),
            },
            Self::FlagsSet { flags, uids, .. } => flags_weight(flags) + uids.len() * 4,
            Self::Expunged { uids, .. } => uids.len() * 4,
            Self::Copied { uids, .. } => uids.len() * 8,
            Self::LadderSet(_)
            | Self::PasswordExposed(_)
            | Self::AccountDeleted
            | Self::MailboxDeleted(_)
            | Self::Subscribed { .. } => 0,
        };
        // More than the fixed fields of any effect.
        variable as u64 + 192
    }

    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::AccountCreated {
                address,
                verifiers,
                ladder,
                created,
            } => {
                to.u8(1);
                to.text(address);
                put_verifiers(to, verifiers);
                put_ladder(to, ladder);
                to.i64(created.0);
            }
            Self::VerifiersSet(verifiers) => {
                to.u8(2);
                put_verifiers(to, verifiers);
            }
            Self::LadderSet(ladder) => {
                to.u8(3);
                put_ladder(to, ladder);
            }
            Self::PasswordExposed(at) => {
                to.u8(4);
                to.i64(at.0);
            }
            Self::AccountDeleted => to.u8(5),
            Self::MailboxCreated {
                mailbox,
                name,
                uid_validity,
                modseq,
                subscribed,
                special_use,
            } => {
                to.u8(6);
                to.i64(mailbox.0);
                to.text(name);
                to.u32(uid_validity.get());
                to.u64(modseq.0);
                to.u8(u8::from(*subscribed));
                to.optional(special_use.as_deref(), Encoder::text);
            }
            Self::MailboxRenamed { mailbox, name } => {
                to.u8(7);
                to.i64(mailbox.0);
                to.text(name);
            }
            Self::MailboxDeleted(mailbox) => {
                to.u8(8);
                to.i64(mailbox.0);
            }
            Self::Subscribed {
                mailbox,
                subscribed,
            } => {
                to.u8(9);
                to.i64(mailbox.0);
                to.u8(u8::from(*subscribed));
            }
            Self::Appended(message) => {
                to.u8(10);
                message.encode(to);
            }
            Self::Queued(message) => {
                to.u8(15);
                message.encode(to);
            }
            Self::QueueSettled { item, outcome, at } => {
                to.u8(16);
                to.raw(&item.message.0);
                to.u32(item.number);
                put_outcome(to, outcome);
                to.i64(at.0);
            }
            Self::Delivered(message) => {
                to.u8(14);
                message.encode(to);
            }
            Self::FlagsSet {
                mailbox,
                modseq,
                flags,
                uids,
            } => {
                to.u8(11);
                to.i64(mailbox.0);
                to.u64(modseq.0);
                put_flags(to, flags);
                put_uids(to, uids);
            }
            Self::Expunged {
                mailbox,
                modseq,
                uids,
            } => {
                to.u8(12);
                to.i64(mailbox.0);
                to.u64(modseq.0);
                put_uids(to, uids);
            }
            Self::Copied {
                from,
                to: target,
                modseq,
                uids,
            } => {
                to.u8(13);
                to.i64(from.0);
                to.i64(target.0);
                to.u64(modseq.0);
                to.count(uids.len());
                for (old, new) in uids {
                    to.u32(old.0.get());
                    to.u32(new.0.get());
                }
            }
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.u8()? {
            1 => Self::AccountCreated {
                address: from.text()?.to_owned(),
                verifiers: get_verifiers(from)?,
                ladder: get_ladder(from)?,
                created: Timestamp(from.i64()?),
            },
            2 => Self::VerifiersSet(get_verifiers(from)?),
            3 => Self::LadderSet(get_ladder(from)?),
            4 => Self::PasswordExposed(Timestamp(from.i64()?)),
            5 => Self::AccountDeleted,
            6 => Self::MailboxCreated {
                mailbox: MailboxId(from.i64()?),
                name: from.text()?.to_owned(),
                uid_validity: get_uid_validity(from)?,
                modseq: ModSeq(from.u64()?),
                subscribed: get_truth(from)?,
                special_use: from.optional(|from| from.text().map(str::to_owned))?,
            },
            7 => Self::MailboxRenamed {
                mailbox: MailboxId(from.i64()?),
                name: from.text()?.to_owned(),
            },
            8 => Self::MailboxDeleted(MailboxId(from.i64()?)),
            9 => Self::Subscribed {
                mailbox: MailboxId(from.i64()?),
                subscribed: get_truth(from)?,
            },
            10 => Self::Appended(Box::new(AppendedMessage::decode(from)?)),
            11 => Self::FlagsSet {
                mailbox: MailboxId(from.i64()?),
                modseq: ModSeq(from.u64()?),
                flags: get_flags(from)?,
                uids: from.list(get_uid)?,
            },
            12 => Self::Expunged {
                mailbox: MailboxId(from.i64()?),
                modseq: ModSeq(from.u64()?),
                uids: from.list(get_uid)?,
            },
            13 => Self::Copied {
                from: MailboxId(from.i64()?),
                to: MailboxId(from.i64()?),
                modseq: ModSeq(from.u64()?),
                uids: from.list(|from| Ok((get_uid(from)?, get_uid(from)?)))?,
            },
            14 => Self::Delivered(Box::new(DeliveredMessage::decode(from)?)),
            15 => Self::Queued(Box::new(QueuedMessage::decode(from)?)),
            16 => Self::QueueSettled {
                item: ItemId {
                    message: QueueId(from.array()?),
                    number: from.u32()?,
                },
                outcome: get_outcome(from)?,
                at: Timestamp(from.i64()?),
            },
            _ => {
                return Err(Malformed(
                    "it has an effect that this version does not know",
                ));
            }
        })
    }
}

impl AppendedMessage {
    fn encode(&self, to: &mut Encoder) {
        to.i64(self.mailbox.0);
        to.u32(self.uid.0.get());
        to.u64(self.content.0);
        to.u64(self.modseq.0);
        to.i64(self.internal_date.0);
        to.i16(self.internal_offset);
        put_flags(to, &self.flags);
        to.bytes(&self.structure);
        to.u64(self.size);
        to.u32(self.crc);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            mailbox: MailboxId(from.i64()?),
            uid: get_uid(from)?,
            content: ContentId(from.u64()?),
            modseq: ModSeq(from.u64()?),
            internal_date: Timestamp(from.i64()?),
            internal_offset: from.i16()?,
            flags: get_flags(from)?,
            structure: from.bytes()?.to_owned(),
            size: from.u64()?,
            crc: from.u32()?,
        })
    }
}

impl DeliveredMessage {
    /// The message as one of the accounts has it.
    pub(crate) fn of(&self, to: &DeliveredTo) -> AppendedMessage {
        AppendedMessage {
            mailbox: to.appended.mailbox,
            uid: to.appended.uid,
            content: to.appended.content,
            modseq: to.appended.modseq,
            internal_date: self.internal_date,
            internal_offset: self.internal_offset,
            flags: to.flags.clone(),
            structure: self.structure.clone(),
            size: self.size,
            crc: self.crc,
        }
    }

    fn encode(&self, to: &mut Encoder) {
        to.raw(&self.delivery.0);
        to.i64(self.internal_date.0);
        to.i16(self.internal_offset);
        to.bytes(&self.structure);
        to.u64(self.size);
        to.u32(self.crc);
        to.count(self.to.len());
        for one in &self.to {
            to.i64(one.account.0);
            to.i64(one.appended.mailbox.0);
            to.u32(one.appended.uid_validity.get());
            to.u32(one.appended.uid.0.get());
            to.u64(one.appended.content.0);
            to.u64(one.appended.modseq.0);
            put_flags(to, &one.flags);
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            delivery: DeliveryId(from.array()?),
            internal_date: Timestamp(from.i64()?),
            internal_offset: from.i16()?,
            structure: from.bytes()?.to_owned(),
            size: from.u64()?,
            crc: from.u32()?,
            to: from.list(DeliveredTo::decode)?,
        })
    }
}

impl QueuedMessage {
    fn encode(&self, to: &mut Encoder) {
        to.raw(&self.id.0);
        to.text(&self.sender);
        to.count(self.recipients.len());
        for recipient in &self.recipients {
            to.text(recipient);
        }
        to.bytes(&self.about);
        to.i64(self.queued.0);
        to.u64(self.size);
        to.u32(self.crc);
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            id: QueueId(from.array()?),
            sender: from.text()?.to_owned(),
            recipients: from.list(|from| from.text().map(str::to_owned))?,
            about: from.bytes()?.to_owned(),
            queued: Timestamp(from.i64()?),
            size: from.u64()?,
            crc: from.u32()?,
        })
    }
}

fn put_outcome(to: &mut Encoder, outcome: &Outcome) {
    match outcome {
        Outcome::Done => to.u8(0),
        Outcome::Failed { why } => {
            to.u8(1);
            to.text(why);
        }
        Outcome::Retry { at, why } => {
            to.u8(2);
            to.i64(at.0);
            to.text(why);
        }
    }
}

fn get_outcome(from: &mut Decoder<'_>) -> Result<Outcome, Malformed> {
    match from.u8()? {
        0 => Ok(Outcome::Done),
        1 => Ok(Outcome::Failed {
            why: from.text()?.to_owned(),
        }),
        2 => Ok(Outcome::Retry {
            at: Timestamp(from.i64()?),
            why: from.text()?.to_owned(),
        }),
        _ => Err(Malformed("an outcome is unknown")),
    }
}

impl DeliveredTo {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            account: AccountId(from.i64()?),
            appended: Appended {
                mailbox: MailboxId(from.i64()?),
                uid_validity: get_uid_validity(from)?,
                uid: get_uid(from)?,
                content: ContentId(from.u64()?),
                modseq: ModSeq(from.u64()?),
            },
            flags: get_flags(from)?,
        })
    }
}

fn get_uid_validity(from: &mut Decoder<'_>) -> Result<NonZeroU32, Malformed> {
    NonZeroU32::new(from.u32()?).ok_or(Malformed("a UIDVALIDITY is 0"))
}

fn flags_weight(flags: &Flags) -> usize {
    flags.iter().map(|flag| flag.len() + 4).sum()
}

fn put_uids(to: &mut Encoder, uids: &[Uid]) {
    to.count(uids.len());
    for uid in uids {
        to.u32(uid.0.get());
    }
}

fn get_uid(from: &mut Decoder<'_>) -> Result<Uid, Malformed> {
    NonZeroU32::new(from.u32()?)
        .map(Uid)
        .ok_or(Malformed("a UID is 0"))
}

fn get_truth(from: &mut Decoder<'_>) -> Result<bool, Malformed> {
    match from.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed("a field is neither yes nor no")),
    }
}

fn put_flags(to: &mut Encoder, flags: &Flags) {
    to.count(flags.iter().count());
    for flag in flags.iter() {
        to.text(flag);
    }
}

fn get_flags(from: &mut Decoder<'_>) -> Result<Flags, Malformed> {
    Ok(Flags::new(from.list(Decoder::text)?))
}

fn put_verifiers(to: &mut Encoder, verifiers: &Verifiers) {
    to.text(&verifiers.argon2id);
    to.bytes(&verifiers.scram_sha256.salt);
    to.u32(verifiers.scram_sha256.iterations);
    to.raw(&verifiers.scram_sha256.stored_key);
    to.raw(&verifiers.scram_sha256.server_key);
}

fn get_verifiers(from: &mut Decoder<'_>) -> Result<Verifiers, Malformed> {
    Ok(Verifiers {
        argon2id: from.text()?.to_owned(),
        scram_sha256: ScramKeys {
            salt: from.bytes()?.to_owned(),
            iterations: from.u32()?,
            stored_key: from.array()?,
            server_key: from.array()?,
        },
    })
}

/// Writes where an account stands on the ladder; the index keeps the same octets.
pub(crate) fn put_ladder(to: &mut Encoder, ladder: &Ladder) {
    match ladder.rung() {
        Rung::Cleartext { until } => {
            to.u8(0);
            to.i64(until.0);
        }
        Rung::StartTls => to.u8(1),
        Rung::ImplicitTls => to.u8(2),
    }
    to.u8(match ladder.least_version() {
        TlsVersion::Tls12 => 12,
        TlsVersion::Tls13 => 13,
    });
    to.optional(ladder.weaker_use(), |to, at| to.i64(at.0));
    to.i64(ladder.since().0);
}

/// Reads what [`put_ladder`] wrote.
pub(crate) fn get_ladder(from: &mut Decoder<'_>) -> Result<Ladder, Malformed> {
    let rung = match from.u8()? {
        0 => Rung::Cleartext {
            until: Timestamp(from.i64()?),
        },
        1 => Rung::StartTls,
        2 => Rung::ImplicitTls,
        _ => return Err(Malformed("a rung of the ladder is unknown")),
    };
    let least_version = match from.u8()? {
        12 => TlsVersion::Tls12,
        13 => TlsVersion::Tls13,
        _ => return Err(Malformed("a TLS version is unknown")),
    };
    let weaker_use = from.optional(|from| from.i64().map(Timestamp))?;
    let since = Timestamp(from.i64()?);
    Ok(Ladder::restore(rung, least_version, weaker_use, since))
}

#[cfg(test)]
mod tests;
