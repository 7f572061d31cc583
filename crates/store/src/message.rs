//! The nouns of [`Mail`](crate::Mail): mailboxes, messages, flags, and what changed.

use std::num::NonZeroU32;

use pillarbox_policy::Timestamp;

use crate::Snapshot;

/// Identifies a mailbox within its account, across renames (OBJECTID, RFC 8474). Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub i64);

/// Identifies stored message content within its account; copies share it (RFC 8474 EMAILID). Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(pub u64);

/// Unique identifier of a message in a mailbox (RFC 9051 §2.3.1.1). Strictly ascending, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(pub NonZeroU32);

/// Modification sequence (RFC 7162 §3.1): ascends with every change in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModSeq(pub u64);

/// A mailbox as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its identity.
    pub id: MailboxId,
    /// Its name in UTF-8, levels parted by `/`. `INBOX` always exists and is spelled so.
    pub name: String,
    /// RFC 9051 §2.3.1.1. Never 0; a mailbox made again under an old name has a higher one.
    pub uid_validity: NonZeroU32,
    /// The UID the next message will get.
    pub uid_next: NonZeroU32,
    /// The highest modification sequence of any change in it, expunges included.
    pub highest_modseq: ModSeq,
    /// Whether the user subscribed to it.
    pub subscribed: bool,
    /// The RFC 6154 use it was made for, as a word without backslash: `Sent`, `Drafts`, `Junk`, `Trash`, `Archive`.
    pub special_use: Option<String>,
    /// Messages in it.
    pub messages: u32,
    /// Messages in it without the flag `\Seen`.
    pub unseen: u32,
    /// Messages in it with the flag `\Deleted`.
    pub deleted: u32,
    /// Octets of all messages in it.
    pub size: u64,
}

/// A mailbox with what a session wants to know that begins to work in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMailbox {
    /// The mailbox. Its UIDNEXT is above every UID in `snapshot`.
    pub mailbox: Mailbox,
    /// Keywords that messages in it have or had, at most [`OpenMailbox::KEYWORDS`]; sorted.
    pub keywords: Vec<String>,
    /// The first message without the flag `\Seen`.
    pub first_unseen: Option<Uid>,
    /// Its messages.
    pub snapshot: Snapshot,
}

impl OpenMailbox {
    /// Keywords that a mailbox remembers.
    pub const KEYWORDS: u32 = 256;
}

/// A set of flags: system flags with their backslash (`\Seen`) and keywords, each at most 255 octets.
/// Compared without regard to ASCII case; kept as first spelled; sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags(Vec<String>);

impl Flags {
    /// The set of these flags.
    pub fn new<I: IntoIterator<Item = S>, S: Into<String>>(flags: I) -> Self {
        let mut set = Self::default();
        for flag in flags {
            set.insert(flag.into());
        }
        set
    }

    /// Adds a flag. False if it was there.
    pub fn insert(&mut self, flag: String) -> bool {
        match self.position(&flag) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, flag);
                true
            }
        }
    }

    /// Removes a flag. False if it was not there.
    pub fn remove(&mut self, flag: &str) -> bool {
        self.position(flag).is_ok_and(|at| {
            self.0.remove(at);
            true
        })
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn contains(&self, flag: &str) -> bool {
        self.position(flag).is_ok()
    }

    /// The flags in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    fn position(&self, flag: &str) -> Result<usize, usize> {
        let key = flag.to_ascii_lowercase();
        self.0
            .binary_search_by(|have| have.to_ascii_lowercase().cmp(&key))
    }
}

/// How flags are to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlagChange {
    /// Exactly these.
    Replace(Flags),
    /// These as well.
    Add(Flags),
    /// Without these.
    Remove(Flags),
}

/// A message to be stored.
#[derive(Debug)]
pub struct NewMessage<B> {
    /// Where it goes.
    pub mailbox: MailboxId,
    /// Its flags.
    pub flags: Flags,
    /// When it was received (RFC 9051 §2.3.3).
    pub internal_date: Timestamp,
    /// The offset from UTC, in minutes, that `internal_date` is shown with.
    pub internal_offset: i16,
    /// What protocols want to remember about its structure. Opaque to the store; at most 1 MiB.
    pub index: Vec<u8>,
    /// Its content.
    pub body: B,
}

/// What a stored message was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub uid_validity: NonZeroU32,
    /// The message's UID.
    pub uid: Uid,
    /// The message's content.
    pub content: ContentId,
    /// Its modification sequence.
    pub modseq: ModSeq,
}

/// A message in a mailbox, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its UID.
    pub uid: Uid,
    /// Its content.
    pub content: ContentId,
    /// Its flags.
    pub flags: Flags,
    /// When it was received.
    pub internal_date: Timestamp,
    /// The offset from UTC, in minutes, that `internal_date` is shown with.
    pub internal_offset: i16,
    /// Octets of its content.
    pub size: u64,
    /// The modification sequence of its last change.
    pub modseq: ModSeq,
}

/// Inclusive range of UIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidRange {
    /// First.
    pub from: Uid,
    /// Last.
    pub to: Uid,
}

impl UidRange {
    /// Every UID.
    pub const ALL: Self = Self {
        from: Uid(NonZeroU32::MIN),
        to: Uid(NonZeroU32::MAX),
    };
}

/// A message whose flags were to be changed, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlagsChanged {
    /// The message afterwards.
    pub message: Message,
    /// Its modification sequence before: who knows the mailbox up to less has not heard of a change by others.
    pub before: ModSeq,
}

/// What happened in a mailbox after a given [`ModSeq`] (RFC 7162).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Messages that are new or whose flags changed, by modification sequence and UID.
    pub changed: Vec<Message>,
    /// UIDs that are gone, ascending.
    pub expunged: Vec<Uid>,
    /// Every change up to here is told of: the mailbox's highest modification sequence, or less if there
    /// is more to tell.
    pub upto: ModSeq,
}
