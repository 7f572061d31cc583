//! What a record says: the effects of one operation on one account, or on those that a message came to.
//!
//! Effects carry what was decided (UIDs, modification sequences, final flags), never what was asked for, so
//! applying them again gives the same index.

use std::num::NonZeroU32;

use pillarbox_policy::{Ladder, Rung, Timestamp, TlsVersion};

use crate::embedded::disk::codec::{Decoder, Field, Malformed, fields};
use crate::embedded::disk::spool::Measure;
use crate::{
    AccountId, Appended, ContentId, DeliveryId, Flags, ItemId, MailboxId, ModSeq, NewAccount,
    Outcome, QueueId, ScramKeys, Uid, Verifiers,
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
    /// The account came to be, at this time. Its mailboxes follow.
    AccountCreated(Box<NewAccount>, Timestamp),
    /// Something else verifies the password now; it is not exposed any more.
    VerifiersSet(Verifiers),
    LadderSet(Ladder),
    PasswordExposed(Timestamp),
    /// The account is gone with everything in it.
    AccountDeleted,
    MailboxCreated(NewMailbox),
    /// This one mailbox; those below it have effects of their own.
    MailboxRenamed(MailboxId, String),
    MailboxDeleted(MailboxId),
    Subscribed(MailboxId, bool),
    /// A message with new content; the content is a body of the record.
    Appended(Box<AppendedMessage>),
    FlagsSet(FlagsSet),
    Expunged(Expunged),
    Copied(Copied),
    /// A message with new content that came to several accounts; the content is one body of the record.
    Delivered(Box<DeliveredMessage>),
    /// A message is in the queue; its content is a body of the record.
    Queued(Box<QueuedMessage>),
    /// A recipient of a message in the queue was tried, at this time.
    QueueSettled(ItemId, Outcome, Timestamp),
}

/// A mailbox without messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewMailbox {
    pub(crate) id: MailboxId,
    pub(crate) name: String,
    pub(crate) uid_validity: NonZeroU32,
    pub(crate) modseq: ModSeq,
    pub(crate) subscribed: bool,
    pub(crate) special_use: Option<String>,
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
    pub(crate) body: Measure,
}

/// These messages have exactly these flags now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlagsSet {
    pub(crate) mailbox: MailboxId,
    pub(crate) modseq: ModSeq,
    pub(crate) flags: Flags,
    pub(crate) uids: Vec<Uid>,
}

/// These messages are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expunged {
    pub(crate) mailbox: MailboxId,
    pub(crate) modseq: ModSeq,
    pub(crate) uids: Vec<Uid>,
}

/// Messages of `from` are in `to` as well, with flags and dates: pairs of old and new UID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) from: MailboxId,
    pub(crate) to: MailboxId,
    pub(crate) modseq: ModSeq,
    pub(crate) uids: Vec<(Uid, Uid)>,
}

/// A message that came to several accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveredMessage {
    pub(crate) delivery: DeliveryId,
    pub(crate) internal_date: Timestamp,
    pub(crate) internal_offset: i16,
    pub(crate) structure: Vec<u8>,
    pub(crate) body: Measure,
    pub(crate) to: Vec<DeliveredTo>,
}

/// What one account got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveredTo {
    pub(crate) account: AccountId,
    pub(crate) appended: Appended,
    pub(crate) flags: Flags,
}

/// A message that waits for its recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuedMessage {
    pub(crate) id: QueueId,
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) about: Vec<u8>,
    pub(crate) queued: Timestamp,
    pub(crate) body: Measure,
}

/// What happened to the messages of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) account: AccountId,
    pub(crate) mailbox: MailboxId,
    pub(crate) modseq: ModSeq,
    pub(crate) arrived: Vec<Uid>,
    pub(crate) gone: Vec<Uid>,
}

impl Entry {
    /// Each content that the record carries, in the order it carries them.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = Measure> {
        self.effects.iter().filter_map(|effect| match effect {
            Effect::Appended(message) => Some(message.body),
            Effect::Delivered(message) => Some(message.body),
            Effect::Queued(message) => Some(message.body),
            _ => None,
        })
    }
}

impl Effect {
    /// What it did to messages; `account` is the entry's.
    pub(crate) fn changes(&self, account: AccountId) -> Vec<Change> {
        let change = |account, mailbox, modseq, arrived, gone| Change {
            account,
            mailbox,
            modseq,
            arrived,
            gone,
        };
        let none = Vec::new;
        match self {
            Self::Appended(of) => {
                vec![change(account, of.mailbox, of.modseq, vec![of.uid], none())]
            }
            Self::Delivered(message) => {
                let to = message.to.iter().map(|to| {
                    let Appended {
                        mailbox,
                        uid,
                        modseq,
                        ..
                    } = to.appended;
                    change(to.account, mailbox, modseq, vec![uid], none())
                });
                to.collect()
            }
            Self::FlagsSet(of) => vec![change(account, of.mailbox, of.modseq, none(), none())],
            Self::Expunged(of) => {
                vec![change(
                    account,
                    of.mailbox,
                    of.modseq,
                    none(),
                    of.uids.clone(),
                )]
            }
            Self::Copied(of) => {
                let arrived = of.uids.iter().map(|(_, new)| *new).collect();
                vec![change(account, of.to, of.modseq, arrived, none())]
            }
            _ => Vec::new(),
        }
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
            body: self.body,
        }
    }
}

fields! {
    Entry { account effects }
    NewAccount { address verifiers ladder }
    Verifiers { argon2id scram_sha256 }
    ScramKeys { salt iterations stored_key server_key }
    NewMailbox { id name uid_validity modseq subscribed special_use }
    AppendedMessage { mailbox uid content modseq internal_date internal_offset flags structure body }
    FlagsSet { mailbox modseq flags uids }
    Expunged { mailbox modseq uids }
    Copied { from to modseq uids }
    DeliveredMessage { delivery internal_date internal_offset structure body to }
    DeliveredTo { account appended flags }
    Appended { mailbox uid_validity uid content modseq }
    QueuedMessage { id sender recipients about queued body }
    ItemId { message number }
    Measure { size crc }
    AccountId { 0 }
    MailboxId { 0 }
    ContentId { 0 }
    Uid { 0 }
    ModSeq { 0 }
    DeliveryId { 0 }
    QueueId { 0 }
    Timestamp { 0 }
}

/// An octet that tells effects apart, then the effect's fields.
impl Field for Effect {
    fn put(&self, to: &mut Vec<u8>) {
        let (tag, fields): (u8, &[&dyn Field]) = match self {
            Self::AccountCreated(account, at) => (1, &[account, at]),
            Self::VerifiersSet(verifiers) => (2, &[verifiers]),
            Self::LadderSet(ladder) => (3, &[ladder]),
            Self::PasswordExposed(at) => (4, &[at]),
            Self::AccountDeleted => (5, &[]),
            Self::MailboxCreated(mailbox) => (6, &[mailbox]),
            Self::MailboxRenamed(mailbox, name) => (7, &[mailbox, name]),
            Self::MailboxDeleted(mailbox) => (8, &[mailbox]),
            Self::Subscribed(mailbox, subscribed) => (9, &[mailbox, subscribed]),
            Self::Appended(message) => (10, &[message]),
            Self::FlagsSet(set) => (11, &[set]),
            Self::Expunged(gone) => (12, &[gone]),
            Self::Copied(copied) => (13, &[copied]),
            Self::Delivered(message) => (14, &[message]),
            Self::Queued(message) => (15, &[message]),
            Self::QueueSettled(item, outcome, at) => (16, &[item, outcome, at]),
        };
        to.push(tag);
        for field in fields {
            field.put(to);
        }
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(match from.get::<u8>()? {
            1 => Self::AccountCreated(from.get()?, from.get()?),
            2 => Self::VerifiersSet(from.get()?),
            3 => Self::LadderSet(from.get()?),
            4 => Self::PasswordExposed(from.get()?),
            5 => Self::AccountDeleted,
            6 => Self::MailboxCreated(from.get()?),
            7 => Self::MailboxRenamed(from.get()?, from.get()?),
            8 => Self::MailboxDeleted(from.get()?),
            9 => Self::Subscribed(from.get()?, from.get()?),
            10 => Self::Appended(from.get()?),
            11 => Self::FlagsSet(from.get()?),
            12 => Self::Expunged(from.get()?),
            13 => Self::Copied(from.get()?),
            14 => Self::Delivered(from.get()?),
            15 => Self::Queued(from.get()?),
            16 => Self::QueueSettled(from.get()?, from.get()?, from.get()?),
            _ => {
                return Err(Malformed(
                    "it has an effect that this version does not know",
                ));
            }
        })
    }
}

impl Field for Flags {
    fn put(&self, to: &mut Vec<u8>) {
        let flags: Vec<String> = self.iter().map(str::to_owned).collect();
        flags.put(to);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        from.get::<Vec<String>>().map(Self::new)
    }
}

impl Field for Outcome {
    fn put(&self, to: &mut Vec<u8>) {
        match self {
            Self::Done => to.push(0),
            Self::Failed { why } => {
                to.push(1);
                why.put(to);
            }
            Self::Retry { at, why } => {
                to.push(2);
                at.put(to);
                why.put(to);
            }
        }
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        match from.get::<u8>()? {
            0 => Ok(Self::Done),
            1 => Ok(Self::Failed { why: from.get()? }),
            2 => Ok(Self::Retry {
                at: from.get()?,
                why: from.get()?,
            }),
            _ => Err(Malformed("an outcome is unknown")),
        }
    }
}

/// The index keeps the same octets.
impl Field for Ladder {
    fn put(&self, to: &mut Vec<u8>) {
        match self.rung() {
            Rung::Cleartext { until } => {
                to.push(0);
                until.put(to);
            }
            Rung::StartTls => to.push(1),
            Rung::ImplicitTls => to.push(2),
        }
        to.push(match self.least_version() {
            TlsVersion::Tls12 => 12,
            TlsVersion::Tls13 => 13,
        });
        self.weaker_use().put(to);
        self.since().put(to);
    }

    fn get(from: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let rung = match from.get::<u8>()? {
            0 => Rung::Cleartext { until: from.get()? },
            1 => Rung::StartTls,
            2 => Rung::ImplicitTls,
            _ => return Err(Malformed("a rung of the ladder is unknown")),
        };
        let least_version = match from.get::<u8>()? {
            12 => TlsVersion::Tls12,
            13 => TlsVersion::Tls13,
            _ => return Err(Malformed("a TLS version is unknown")),
        };
        Ok(Self::restore(rung, least_version, from.get()?, from.get()?))
    }
}

#[cfg(test)]
mod tests;
