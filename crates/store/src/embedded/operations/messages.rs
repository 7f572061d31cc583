//! What is done to messages.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;

use super::{Planned, check_structure};
use crate::embedded::disk::spool::Measure;
use crate::embedded::index::Index;
use crate::embedded::index::query::written_flags;
use crate::embedded::log::entry::{
    AppendedMessage, Copied, DeliveredMessage, DeliveredTo, Effect, Expunged, FlagsSet,
};
use crate::{
    AccountId, Appended, ContentId, FlagChange, Flags, FlagsChanged, Mailbox, MailboxId, Message,
    ModSeq, NewMessage, Recipient, StoreError, Uid,
};

/// Flags a message may have.
const MOST_FLAGS: u64 = 128;
/// Octets of a flag.
const LONGEST_FLAG: u64 = 255;

/// What becomes of messages that were copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Originals {
    Stay,
    Go,
}

/// Which of the messages named are expunged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// All that are still there.
    All,
    /// Those that have `\Deleted`.
    Deleted,
}

/// Messages that come to a mailbox in one operation, with the numbers they get.
struct Arrivals {
    mailbox: MailboxId,
    uid_validity: NonZeroU32,
    next: u32,
    modseq: ModSeq,
}

impl Arrivals {
    fn of(mailbox: &Mailbox, modseq: ModSeq) -> Self {
        Self {
            mailbox: mailbox.id,
            uid_validity: mailbox.uid_validity,
            next: mailbox.uid_next.get(),
            modseq,
        }
    }

    /// The next one. The last UID of all is never given away, so that UIDNEXT can be told.
    fn give(&mut self, content: ContentId) -> Result<Appended, StoreError> {
        let uid = NonZeroU32::new(self.next).filter(|uid| uid.get() < u32::MAX);
        let uid = uid.ok_or(StoreError::TooLarge {
            what: "the number of messages a mailbox ever had",
            limit: u64::from(u32::MAX) - 1,
        })?;
        self.next += 1;
        Ok(Appended {
            mailbox: self.mailbox,
            uid_validity: self.uid_validity,
            uid: Uid(uid),
            content,
            modseq: self.modseq,
        })
    }
}

fn check_flags(flags: &Flags) -> Result<(), StoreError> {
    let count = flags.iter().count() as u64;
    StoreError::check("the number of a message's flags", count, MOST_FLAGS)?;
    for flag in flags.iter() {
        StoreError::check("a flag", flag.len() as u64, LONGEST_FLAG)?;
        if flag.is_empty() || flag.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(StoreError::bad_name(flag, "a flag is one word"));
        }
    }
    Ok(())
}

impl Index<'_> {
    pub(crate) fn append(&self, messages: Vec<NewMessage<Measure>>) -> Planned<Vec<Appended>> {
        let modseq = self.next_modseq()?;
        let mut content = self.last_content()?;
        let mut mailboxes: HashMap<MailboxId, Arrivals> = HashMap::new();
        let mut effects = Vec::with_capacity(messages.len());
        let mut answers = Vec::with_capacity(messages.len());
        for message in messages {
            check_flags(&message.flags)?;
            check_structure(&message.index)?;
            let arrivals = match mailboxes.entry(message.mailbox) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(unknown) => {
                    unknown.insert(Arrivals::of(&self.mailbox(message.mailbox)?, modseq))
                }
            };
            content += 1;
            let appended = arrivals.give(ContentId(content))?;
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
                body: message.body,
            })));
        }
        Ok((effects, answers))
    }

    /// Brings a message, which names nobody yet, to those of the shard's accounts that do not have it yet;
    /// answers for each of them.
    pub(crate) fn deliver(
        &self,
        mut message: DeliveredMessage,
        recipients: &[Recipient],
    ) -> Planned<Vec<Result<Appended, StoreError>>> {
        check_structure(&message.structure)?;
        let mut content = self.last_content()?;
        let mut got: HashMap<AccountId, Appended> = HashMap::new();
        let mut answers = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            let account = recipient.account;
            let of = Index { account, ..*self };
            let known = match got.get(&account) {
                Some(known) => Some(*known),
                None => of.delivered(message.delivery)?,
            };
            answers.push(match known {
                Some(known) => Ok(known),
                None => of.receive(recipient, content + 1).inspect(|appended| {
                    content += 1;
                    got.insert(account, *appended);
                    message.to.push(DeliveredTo {
                        account,
                        appended: *appended,
                        flags: recipient.flags.clone(),
                    });
                }),
            });
        }
        let effect = (!message.to.is_empty()).then(|| Effect::Delivered(Box::new(message)));
        Ok((effect.into_iter().collect(), answers))
    }

    /// What a recipient gets.
    fn receive(&self, recipient: &Recipient, content: u64) -> Result<Appended, StoreError> {
        check_flags(&recipient.flags)?;
        let mailbox = self.named(&recipient.mailbox)?;
        Arrivals::of(&mailbox, self.next_modseq()?).give(ContentId(content))
    }

    /// Stores one message and removes another, where that is still there.
    pub(crate) fn replace(
        &self,
        mailbox: MailboxId,
        old: Uid,
        new: Vec<NewMessage<Measure>>,
    ) -> Planned<Option<Appended>> {
        if self.message(mailbox, old)?.is_none() {
            return Ok((Vec::new(), None));
        }
        let (mut effects, appended) = self.append(new)?;
        let appended = appended.into_iter().next();
        effects.extend(appended.map(|appended| {
            Effect::Expunged(Expunged {
                mailbox,
                modseq: appended.modseq,
                uids: vec![old],
            })
        }));
        Ok((effects, appended))
    }

    /// The messages in `uids` that are still there, by UID, each once; and the modification sequence of a
    /// change to them.
    fn still_there(
        &self,
        mailbox: MailboxId,
        uids: &[Uid],
    ) -> Result<(Vec<Message>, ModSeq), StoreError> {
        self.mailbox(mailbox)?;
        let mut ordered = uids.to_vec();
        ordered.sort_unstable();
        ordered.dedup();
        let mut messages = Vec::with_capacity(ordered.len());
        for uid in ordered {
            messages.extend(self.message(mailbox, uid)?);
        }
        Ok((messages, self.next_modseq()?))
    }

    pub(crate) fn set_flags(
        &self,
        mailbox: MailboxId,
        uids: &[Uid],
        change: &FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Planned<Vec<FlagsChanged>> {
        let (FlagChange::Replace(named) | FlagChange::Add(named) | FlagChange::Remove(named)) =
            change;
        check_flags(named)?;
        let (there, modseq) = self.still_there(mailbox, uids)?;
        let mut answers = Vec::with_capacity(there.len());
        // Messages that end up with the same flags share an effect.
        let mut groups: BTreeMap<String, (Flags, Vec<Uid>)> = BTreeMap::new();
        for mut message in there {
            let before = message.modseq;
            let flags = changed(&message.flags, change);
            let is_newer = unchanged_since.is_some_and(|since| before > since);
            if !is_newer && flags != message.flags {
                check_flags(&flags)?;
                let group = groups.entry(written_flags(&flags));
                let (_, uids) = group.or_insert_with(|| (flags.clone(), Vec::new()));
                uids.push(message.uid);
                message.flags = flags;
                message.modseq = modseq;
            }
            answers.push(FlagsChanged { message, before });
        }
        let sets = groups.into_values().map(|(flags, uids)| {
            Effect::FlagsSet(FlagsSet {
                mailbox,
                modseq,
                flags,
                uids,
            })
        });
        Ok((sets.collect(), answers))
    }

    pub(crate) fn expunge(
        &self,
        mailbox: MailboxId,
        uids: &[Uid],
        which: Which,
    ) -> Planned<Vec<Uid>> {
        let (mut there, modseq) = self.still_there(mailbox, uids)?;
        there.retain(|message| which == Which::All || message.flags.contains("\\Deleted"));
        let uids: Vec<Uid> = there.iter().map(|message| message.uid).collect();
        if uids.is_empty() {
            return Ok((Vec::new(), uids));
        }
        let gone = Effect::Expunged(Expunged {
            mailbox,
            modseq,
            uids: uids.clone(),
        });
        Ok((vec![gone], uids))
    }

    pub(crate) fn copy(
        &self,
        from: MailboxId,
        uids: &[Uid],
        to: MailboxId,
        originals: Originals,
    ) -> Planned<Vec<(Uid, Appended)>> {
        let (there, modseq) = self.still_there(from, uids)?;
        let mut arrivals = Arrivals::of(&self.mailbox(to)?, modseq);
        if there.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut answers = Vec::with_capacity(there.len());
        for message in &there {
            answers.push((message.uid, arrivals.give(message.content)?));
        }
        let mut effects = vec![Effect::Copied(Copied {
            from,
            to,
            modseq,
            uids: answers.iter().map(|(old, new)| (*old, new.uid)).collect(),
        })];
        if originals == Originals::Go {
            effects.push(Effect::Expunged(Expunged {
                mailbox: from,
                modseq,
                uids: there.iter().map(|message| message.uid).collect(),
            }));
        }
        Ok((effects, answers))
    }
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
        let a_word = |name: &str| StoreError::bad_name(name, "a flag is one word");
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
        let mut arrivals = Arrivals {
            mailbox: MailboxId(1),
            uid_validity: NonZeroU32::MIN,
            next: u32::MAX - 1,
            modseq: ModSeq(1),
        };
        let last = arrivals.give(ContentId(1)).unwrap();
        assert_eq!(last.uid.0.get(), u32::MAX - 1);
        assert_eq!(
            arrivals.give(ContentId(1)),
            Err(StoreError::TooLarge {
                what: "the number of messages a mailbox ever had",
                limit: u64::from(u32::MAX) - 1
            })
        );
    }
}
