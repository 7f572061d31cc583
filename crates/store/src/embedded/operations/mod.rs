//! What an operation does to an account, decided against the index as it is when the writer comes to it.
//!
//! Nothing here changes anything: the answer is a list of effects and what the caller will be told once
//! they are stored.

pub(crate) mod queue;

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;

use pillarbox_policy::{Ladder, Timestamp};
use rusqlite::Connection;

use crate::embedded::disk::segment::LARGEST_ENTRY;
use crate::embedded::index::query::{self, Counters};
use crate::embedded::log::entry::{AppendedMessage, DeliveredMessage, DeliveredTo, Effect};
use crate::embedded::names::{self, INBOX};
use crate::{
    AccountId, Appended, ContentId, DeliveryId, FlagChange, Flags, FlagsChanged, LadderMove,
    Mailbox, MailboxId, Message, ModSeq, NewAccount, NewMessage, Recipient, StoreError, Uid,
    Verifiers,
};

/// Effects, and what the caller is told once they are stored; or why the operation is refused.
pub(crate) type Planned<T> = Result<(Vec<Effect>, T), StoreError>;

/// Mailboxes an account may have.
const MOST_MAILBOXES: u64 = 10_000;
/// Flags a message may have.
const MOST_FLAGS: u64 = 128;
/// Octets of a flag.
const LONGEST_FLAG: u64 = 255;
/// Octets of what protocols remember about a message.
const LARGEST_STRUCTURE: u64 = 1 << 20;
/// Octets of a verifier in text form.
const LONGEST_VERIFIER: u64 = 1024;
/// Mailboxes of a new account beside `INBOX`; each is named after its use (RFC 6154).
const SPECIAL: [&str; 5] = ["Sent", "Drafts", "Junk", "Trash", "Archive"];

/// Size and CRC-32 of content that is ready to be stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measure {
    pub(crate) size: u64,
    pub(crate) crc: u32,
}

/// What becomes of messages that were copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Originals {
    Stay,
    Go,
}

/// Ends a plan: one operation is one entry of the log, which has a limit.
pub(crate) fn done<T>(effects: Vec<Effect>, answer: T) -> Planned<T> {
    let weight: u64 = effects.iter().map(Effect::weight).sum();
    // The entry's own fields take 12 octets.
    limit("one operation", weight + 12, u64::from(LARGEST_ENTRY))?;
    Ok((effects, answer))
}

pub(crate) fn limit(what: &'static str, size: u64, limit: u64) -> Result<(), StoreError> {
    if size > limit {
        Err(StoreError::TooLarge { what, limit })
    } else {
        Ok(())
    }
}

/// Makes an account whose UIDVALIDITYs are above `last`.
pub(crate) fn create_account(account: NewAccount, now: Timestamp, last: u32) -> Planned<()> {
    check_verifiers(&account.verifiers)?;
    let mut creation = Creation::after(&Counters {
        modseq: 0,
        last_mailbox: 0,
        last_uid_validity: last,
    });
    let mut effects = vec![Effect::AccountCreated {
        address: account.address,
        verifiers: account.verifiers,
        ladder: account.ladder,
        created: now,
    }];
    let uses = std::iter::once((INBOX, None)).chain(SPECIAL.map(|name| (name, Some(name))));
    for (name, special_use) in uses {
        let mut mailbox = creation.make(name)?;
        mailbox.subscribed = true;
        mailbox.special_use = special_use.map(str::to_owned);
        effects.push(created(&mailbox));
    }
    done(effects, ())
}

/// An effect on the account itself, if it exists.
pub(crate) fn change_account(
    index: &Connection,
    account: AccountId,
    effect: Effect,
) -> Planned<()> {
    query::counters(index, account)?;
    if let Effect::VerifiersSet(verifiers) = &effect {
        check_verifiers(verifiers)?;
    }
    done(vec![effect], ())
}

/// Moves an account on the ladder, if it stands at `from`.
pub(crate) fn move_ladder(
    index: &Connection,
    account: AccountId,
    from: &Ladder,
    to: Ladder,
) -> Planned<LadderMove> {
    let found = query::account(index, account)?.ok_or_else(query::no_account)?;
    if found.ladder != *from {
        return done(Vec::new(), LadderMove::Changed { now: found.ladder });
    }
    let effects = if to == *from {
        Vec::new()
    } else {
        vec![Effect::LadderSet(to)]
    };
    done(effects, LadderMove::Moved)
}

fn check_verifiers(verifiers: &Verifiers) -> Result<(), StoreError> {
    let longest = verifiers
        .argon2id
        .len()
        .max(verifiers.scram_sha256.salt.len());
    limit("a verifier", longest as u64, LONGEST_VERIFIER)
}

/// A mailbox by the name a user gives it.
pub(crate) fn named(
    index: &Connection,
    account: AccountId,
    name: &str,
) -> Result<Mailbox, StoreError> {
    match query::mailbox_named(index, account, &names::spelled(name))? {
        Some(mailbox) => Ok(mailbox),
        None => {
            query::counters(index, account)?;
            Err(StoreError::NotFound {
                what: format!("the mailbox \"{name}\""),
            })
        }
    }
}

/// New mailboxes of one operation, with the numbers they get.
struct Creation {
    modseq: ModSeq,
    last_mailbox: i64,
    last_uid_validity: u32,
}

impl Creation {
    fn after(counters: &Counters) -> Self {
        Self {
            modseq: ModSeq(counters.modseq + 1),
            last_mailbox: counters.last_mailbox,
            last_uid_validity: counters.last_uid_validity,
        }
    }

    fn make(&mut self, name: &str) -> Result<Mailbox, StoreError> {
        let uid_validity = self
            .last_uid_validity
            .checked_add(1)
            .and_then(NonZeroU32::new)
            .ok_or(StoreError::TooLarge {
                what: "the number of mailboxes ever made",
                limit: u64::from(u32::MAX),
            })?;
        self.last_uid_validity = uid_validity.get();
        self.last_mailbox += 1;
        Ok(Mailbox {
            id: MailboxId(self.last_mailbox),
            name: name.to_owned(),
            uid_validity,
            uid_next: NonZeroU32::MIN,
            highest_modseq: self.modseq,
            subscribed: false,
            special_use: None,
            messages: 0,
            unseen: 0,
            deleted: 0,
            size: 0,
        })
    }

    /// Makes what is missing above `name`.
    fn missing_above(
        &mut self,
        index: &Connection,
        account: AccountId,
        name: &str,
    ) -> Result<Vec<Effect>, StoreError> {
        let mut effects = Vec::new();
        for parent in names::above(name) {
            if query::mailbox_named(index, account, parent)?.is_none() {
                effects.push(created(&self.make(parent)?));
            }
        }
        Ok(effects)
    }
}

fn created(mailbox: &Mailbox) -> Effect {
    Effect::MailboxCreated {
        mailbox: mailbox.id,
        name: mailbox.name.clone(),
        uid_validity: mailbox.uid_validity,
        modseq: mailbox.highest_modseq,
        subscribed: mailbox.subscribed,
        special_use: mailbox.special_use.clone(),
    }
}

fn exists(name: &str) -> StoreError {
    StoreError::Exists {
        what: format!("the mailbox \"{name}\""),
    }
}

pub(crate) fn create_mailbox(
    index: &Connection,
    account: AccountId,
    name: &str,
) -> Planned<Mailbox> {
    let name = names::mailbox(name)?;
    let have = query::mailboxes(index, account)?;
    if have.iter().any(|mailbox| mailbox.name == name) {
        return Err(exists(&name));
    }
    let mut creation = Creation::after(&query::counters(index, account)?);
    let mut effects = creation.missing_above(index, account, &name)?;
    let mailbox = creation.make(&name)?;
    effects.push(created(&mailbox));
    limit(
        "the number of mailboxes",
        (have.len() + effects.len()) as u64,
        MOST_MAILBOXES,
    )?;
    done(effects, mailbox)
}

/// Any mailbox but `INBOX`, which is not renamed: its messages move.
pub(crate) fn rename_mailbox(
    index: &Connection,
    account: AccountId,
    from: &str,
    to: &str,
) -> Planned<()> {
    let from = named(index, account, from)?;
    let to = names::mailbox(to)?;
    let have = query::mailboxes(index, account)?;
    if have.iter().any(|mailbox| mailbox.name == to) {
        return Err(exists(&to));
    }
    let mut creation = Creation::after(&query::counters(index, account)?);
    let mut effects = creation.missing_above(index, account, &to)?;
    if names::is_below(&to, &from.name) {
        return Err(StoreError::BadName {
            name: to,
            why: "a mailbox cannot be moved below itself",
        });
    }
    effects.extend(renamed(&have, &from.name, &to)?);
    let made = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::MailboxCreated { .. }))
        .count();
    limit(
        "the number of mailboxes",
        (have.len() + made) as u64,
        MOST_MAILBOXES,
    )?;
    done(effects, ())
}

/// A mailbox and those below it under their new names.
fn renamed(have: &[Mailbox], from: &str, to: &str) -> Result<Vec<Effect>, StoreError> {
    let (mut moving, staying): (Vec<_>, Vec<_>) = have
        .iter()
        .partition(|mailbox| mailbox.name == from || names::is_below(&mailbox.name, from));
    // A name that another one of these gives up is that of an outer level, so those go first.
    moving.sort_by_key(|mailbox| mailbox.name.len());
    moving
        .into_iter()
        .map(|mailbox| {
            let rest = mailbox.name.strip_prefix(from).unwrap_or_default();
            let name = names::mailbox(&format!("{to}{rest}"))?;
            if staying.iter().any(|other| other.name == name) {
                return Err(exists(&name));
            }
            Ok(Effect::MailboxRenamed {
                mailbox: mailbox.id,
                name,
            })
        })
        .collect()
}

pub(crate) fn delete_mailbox(index: &Connection, account: AccountId, name: &str) -> Planned<()> {
    let mailbox = named(index, account, name)?;
    if mailbox.name == INBOX {
        return Err(StoreError::BadName {
            name: mailbox.name,
            why: "INBOX cannot be deleted",
        });
    }
    done(vec![Effect::MailboxDeleted(mailbox.id)], ())
}

pub(crate) fn set_subscribed(
    index: &Connection,
    account: AccountId,
    name: &str,
    subscribed: bool,
) -> Planned<()> {
    let mailbox = named(index, account, name)?;
    let effects = if mailbox.subscribed == subscribed {
        Vec::new()
    } else {
        vec![Effect::Subscribed {
            mailbox: mailbox.id,
            subscribed,
        }]
    };
    done(effects, ())
}

/// The UIDs that new messages of a mailbox get in one operation.
struct NextUid(u32);

impl NextUid {
    fn of(mailbox: &Mailbox) -> Self {
        Self(mailbox.uid_next.get())
    }

    /// The next one. The last number of all is never given away, so that UIDNEXT can be told.
    fn take(&mut self) -> Result<Uid, StoreError> {
        let uid = NonZeroU32::new(self.0).filter(|uid| uid.get() < u32::MAX);
        let uid = uid.ok_or(StoreError::TooLarge {
            what: "the number of messages a mailbox ever had",
            limit: u64::from(u32::MAX) - 1,
        })?;
        self.0 += 1;
        Ok(Uid(uid))
    }
}

fn check_flags(flags: &Flags) -> Result<(), StoreError> {
    limit(
        "the number of a message's flags",
        flags.iter().count() as u64,
        MOST_FLAGS,
    )?;
    for flag in flags.iter() {
        limit("a flag", flag.len() as u64, LONGEST_FLAG)?;
        if flag.is_empty() || flag.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(StoreError::BadName {
                name: flag.to_owned(),
                why: "a flag is one word",
            });
        }
    }
    Ok(())
}

pub(crate) fn append(
    index: &Connection,
    account: AccountId,
    messages: Vec<NewMessage<Measure>>,
) -> Planned<Vec<Appended>> {
    let modseq = ModSeq(query::counters(index, account)?.modseq + 1);
    let mut content = query::last_content(index)?;
    let mut mailboxes = HashMap::new();
    let mut effects = Vec::with_capacity(messages.len());
    let mut answers = Vec::with_capacity(messages.len());
    for message in messages {
        check_flags(&message.flags)?;
        limit(
            "what is remembered about a message",
            message.index.len() as u64,
            LARGEST_STRUCTURE,
        )?;
        let (mailbox, next) = match mailboxes.entry(message.mailbox) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                let mailbox = query::mailbox(index, account, message.mailbox)?;
                let next = NextUid::of(&mailbox);
                unknown.insert((mailbox, next))
            }
        };
        content += 1;
        let appended = Appended {
            mailbox: mailbox.id,
            uid_validity: mailbox.uid_validity,
            uid: next.take()?,
            content: ContentId(content),
            modseq,
        };
        answers.push(appended);
        effects.push(Effect::Appended(Box::new(AppendedMessage {
            mailbox: appended.mailbox,
            uid: appended.uid,
            content: appended.content,
            modseq,
            internal_date: message.internal_date,
            internal_offset: message.internal_offset,
            flags: message.flags,
            structure: message.index,
            size: message.body.size,
            crc: message.body.crc,
        })));
    }
    done(effects, answers)
}

/// A delivery but for its recipients.
#[derive(Debug)]
pub(crate) struct DeliveryContent {
    pub(crate) id: DeliveryId,
    pub(crate) internal_date: Timestamp,
    pub(crate) internal_offset: i16,
    pub(crate) structure: Vec<u8>,
    pub(crate) body: Measure,
}

/// Brings a message to those of the shard's accounts that do not have it yet; answers for each of them.
pub(crate) fn deliver(
    index: &Connection,
    message: &DeliveryContent,
    recipients: &[Recipient],
) -> Planned<Vec<Result<Appended, StoreError>>> {
    limit(
        "what is remembered about a message",
        message.structure.len() as u64,
        LARGEST_STRUCTURE,
    )?;
    let mut content = query::last_content(index)?;
    let mut to: Vec<DeliveredTo> = Vec::new();
    let mut got: HashMap<AccountId, Appended> = HashMap::new();
    let mut answers = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let known = match got.get(&recipient.account) {
            Some(known) => Some(*known),
            None => query::delivered(index, recipient.account, message.id)?,
        };
        answers.push(match known {
            Some(known) => Ok(known),
            None => receive(index, recipient, content + 1).inspect(|appended| {
                content += 1;
                got.insert(recipient.account, *appended);
                to.push(DeliveredTo {
                    account: recipient.account,
                    appended: *appended,
                    flags: recipient.flags.clone(),
                });
            }),
        });
    }
    if to.is_empty() {
        return done(Vec::new(), answers);
    }
    let effect = Effect::Delivered(Box::new(DeliveredMessage {
        delivery: message.id,
        internal_date: message.internal_date,
        internal_offset: message.internal_offset,
        structure: message.structure.clone(),
        size: message.body.size,
        crc: message.body.crc,
        to,
    }));
    done(vec![effect], answers)
}

/// What a recipient gets.
fn receive(
    index: &Connection,
    recipient: &Recipient,
    content: u64,
) -> Result<Appended, StoreError> {
    check_flags(&recipient.flags)?;
    let mailbox = named(index, recipient.account, &recipient.mailbox)?;
    let modseq = ModSeq(query::counters(index, recipient.account)?.modseq + 1);
    Ok(Appended {
        mailbox: mailbox.id,
        uid_validity: mailbox.uid_validity,
        uid: NextUid::of(&mailbox).take()?,
        content: ContentId(content),
        modseq,
    })
}

/// Those of `uids` that are still there, by UID, each once.
/// Stores one message and removes another, where that is still there.
pub(crate) fn replace(
    index: &Connection,
    account: AccountId,
    from: MailboxId,
    old: Uid,
    new: Vec<NewMessage<Measure>>,
) -> Planned<Option<Appended>> {
    if query::message(index, account, from, old)?.is_none() {
        return done(Vec::new(), None);
    }
    let (mut effects, appended) = append(index, account, new)?;
    let Some(appended) = appended.into_iter().next() else {
        return done(Vec::new(), None);
    };
    effects.push(Effect::Expunged {
        mailbox: from,
        modseq: appended.modseq,
        uids: vec![old],
    });
    done(effects, Some(appended))
}

fn still_there(
    index: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[Uid],
) -> Result<Vec<Message>, StoreError> {
    let mut ordered = uids.to_vec();
    ordered.sort_unstable();
    ordered.dedup();
    let mut messages = Vec::with_capacity(ordered.len());
    for uid in ordered {
        messages.extend(query::message(index, account, mailbox, uid)?);
    }
    Ok(messages)
}

pub(crate) fn set_flags(
    index: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[Uid],
    change: &FlagChange,
    unchanged_since: Option<ModSeq>,
) -> Planned<Vec<FlagsChanged>> {
    let (FlagChange::Replace(named) | FlagChange::Add(named) | FlagChange::Remove(named)) = change;
    check_flags(named)?;
    query::mailbox(index, account, mailbox)?;
    let modseq = ModSeq(query::counters(index, account)?.modseq + 1);
    let mut answers: Vec<FlagsChanged> = still_there(index, account, mailbox, uids)?
        .into_iter()
        .map(|message| FlagsChanged {
            before: message.modseq,
            message,
        })
        .collect();
    // Messages that end up with the same flags share an effect.
    let mut groups: BTreeMap<String, (Flags, Vec<Uid>)> = BTreeMap::new();
    for FlagsChanged { message, before } in &mut answers {
        if unchanged_since.is_some_and(|since| *before > since) {
            continue;
        }
        let flags = changed(&message.flags, change);
        if flags == message.flags {
            continue;
        }
        check_flags(&flags)?;
        groups
            .entry(query::written_flags(&flags))
            .or_insert_with(|| (flags.clone(), Vec::new()))
            .1
            .push(message.uid);
        message.flags = flags;
        message.modseq = modseq;
    }
    let effects = groups
        .into_values()
        .map(|(flags, uids)| Effect::FlagsSet {
            mailbox,
            modseq,
            flags,
            uids,
        })
        .collect();
    done(effects, answers)
}

/// Flags after a change. One that stays keeps its first spelling.
fn changed(have: &Flags, change: &FlagChange) -> Flags {
    match change {
        FlagChange::Replace(flags) => {
            let stay = have.iter().filter(|flag| flags.contains(flag));
            Flags::new(stay.chain(flags.iter()))
        }
        FlagChange::Add(flags) => Flags::new(have.iter().chain(flags.iter())),
        FlagChange::Remove(flags) => Flags::new(have.iter().filter(|flag| !flags.contains(flag))),
    }
}

/// Which of the messages named are expunged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All that are still there.
    All,
    /// Those that have `\Deleted`.
    Deleted,
}

pub(crate) fn expunge(
    index: &Connection,
    account: AccountId,
    mailbox: MailboxId,
    uids: &[Uid],
    which: Which,
) -> Planned<Vec<Uid>> {
    query::mailbox(index, account, mailbox)?;
    let modseq = ModSeq(query::counters(index, account)?.modseq + 1);
    let mut there = still_there(index, account, mailbox, uids)?;
    there.retain(|message| which == Which::All || message.flags.contains("\\Deleted"));
    let uids: Vec<Uid> = there.iter().map(|message| message.uid).collect();
    if uids.is_empty() {
        return done(Vec::new(), uids);
    }
    let effect = Effect::Expunged {
        mailbox,
        modseq,
        uids: uids.clone(),
    };
    done(vec![effect], uids)
}

pub(crate) fn copy(
    index: &Connection,
    account: AccountId,
    from: MailboxId,
    uids: &[Uid],
    to: MailboxId,
    originals: Originals,
) -> Planned<Vec<(Uid, Appended)>> {
    query::mailbox(index, account, from)?;
    let target = query::mailbox(index, account, to)?;
    let modseq = ModSeq(query::counters(index, account)?.modseq + 1);
    let there = still_there(index, account, from, uids)?;
    if there.is_empty() {
        return done(Vec::new(), Vec::new());
    }
    let mut next = NextUid::of(&target);
    let mut answers = Vec::with_capacity(there.len());
    for message in &there {
        let appended = Appended {
            mailbox: to,
            uid_validity: target.uid_validity,
            uid: next.take()?,
            content: message.content,
            modseq,
        };
        answers.push((message.uid, appended));
    }
    let mut effects = vec![Effect::Copied {
        from,
        to,
        modseq,
        uids: answers.iter().map(|(old, new)| (*old, new.uid)).collect(),
    }];
    if originals == Originals::Go {
        effects.push(Effect::Expunged {
            mailbox: from,
            modseq,
            uids: there.iter().map(|message| message.uid).collect(),
        });
    }
    done(effects, answers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags<const N: usize>(flags: [&str; N]) -> Flags {
        Flags::new(flags)
    }

    #[test]
    fn flags_that_stay_keep_their_first_spelling() {
        let have = flags(["\\Seen", "Work"]);
        let replace = FlagChange::Replace(flags(["\\seen", "WORK"]));
        assert_eq!(changed(&have, &replace), have);
        let add = FlagChange::Add(flags(["work", "x"]));
        assert_eq!(changed(&have, &add), flags(["\\Seen", "Work", "x"]));
        let remove = FlagChange::Remove(flags(["\\SEEN"]));
        assert_eq!(changed(&have, &remove), flags(["Work"]));
    }

    #[test]
    fn a_flag_is_one_word_of_at_most_255_octets() {
        let a_word = |name: &str| StoreError::BadName {
            name: name.to_owned(),
            why: "a flag is one word",
        };
        assert_eq!(check_flags(&flags(["a b"])), Err(a_word("a b")));
        assert_eq!(check_flags(&flags([""])), Err(a_word("")));
        assert_eq!(
            check_flags(&Flags::new(["x".repeat(256)])),
            Err(StoreError::TooLarge {
                what: "a flag",
                limit: 255
            })
        );
        assert_eq!(check_flags(&Flags::new(["x".repeat(255)])), Ok(()));
    }

    #[test]
    fn the_highest_uid_is_never_given() {
        let mut next = NextUid(u32::MAX - 1);
        assert_eq!(next.take().unwrap().0.get(), u32::MAX - 1);
        assert_eq!(
            next.take(),
            Err(StoreError::TooLarge {
                what: "the number of messages a mailbox ever had",
                limit: u64::from(u32::MAX) - 1
            })
        );
    }

    #[test]
    fn an_outer_level_gives_its_name_up_before_an_inner_one_takes_it() {
        let mut creation = Creation::after(&Counters {
            modseq: 0,
            last_mailbox: 0,
            last_uid_validity: 0,
        });
        let have: Vec<Mailbox> = ["a/b/b", "a/b"]
            .iter()
            .map(|name| creation.make(name).unwrap())
            .collect();
        let renamed = renamed(&have, "a/b", "a").unwrap();
        let expected = [(have[1].id, "a"), (have[0].id, "a/b")].map(|(mailbox, name)| {
            Effect::MailboxRenamed {
                mailbox,
                name: name.to_owned(),
            }
        });
        assert_eq!(renamed, expected);
    }
}
