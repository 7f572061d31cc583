//! What is done to mailboxes.

use std::num::NonZeroU32;

use super::Planned;
use crate::embedded::index::Index;
use crate::embedded::log::entry::{Effect, NewMailbox};
use crate::embedded::names::{self, INBOX};
use crate::{Mailbox, MailboxId, ModSeq, StoreError};

/// Mailboxes an account may have.
const MOST_MAILBOXES: u64 = 10_000;

/// New mailboxes of one operation, with the numbers they get.
pub(super) struct Creation {
    modseq: ModSeq,
    last_mailbox: i64,
    last_uid_validity: u32,
}

impl Creation {
    /// In an account that has none yet. Their UIDVALIDITYs are above `last`.
    pub(super) fn in_new_account(last: u32) -> Self {
        Self {
            modseq: ModSeq(1),
            last_mailbox: 0,
            last_uid_validity: last,
        }
    }

    pub(super) fn make(&mut self, name: &str) -> Result<NewMailbox, StoreError> {
        let next = self.last_uid_validity.checked_add(1);
        let uid_validity = next.and_then(NonZeroU32::new).ok_or(StoreError::TooLarge {
            what: "the number of mailboxes ever made",
            limit: u64::from(u32::MAX),
        })?;
        self.last_uid_validity = uid_validity.get();
        self.last_mailbox += 1;
        Ok(NewMailbox {
            id: MailboxId(self.last_mailbox),
            name: name.to_owned(),
            uid_validity,
            modseq: self.modseq,
            subscribed: false,
            special_use: None,
        })
    }
}

impl From<NewMailbox> for Mailbox {
    fn from(new: NewMailbox) -> Self {
        Self {
            id: new.id,
            name: new.name,
            uid_validity: new.uid_validity,
            uid_next: NonZeroU32::MIN,
            highest_modseq: new.modseq,
            subscribed: new.subscribed,
            special_use: new.special_use,
            messages: 0,
            unseen: 0,
            deleted: 0,
            size: 0,
        }
    }
}

fn exists(name: &str) -> StoreError {
    StoreError::exists(format!("the mailbox \"{name}\""))
}

impl Index<'_> {
    /// Checks that a name is free, and makes what is missing above it.
    fn make_above(
        &self,
        name: &str,
        have: &[Mailbox],
    ) -> Result<(Creation, Vec<Effect>), StoreError> {
        let has = |name: &str| have.iter().any(|mailbox| mailbox.name == name);
        if has(name) {
            return Err(exists(name));
        }
        let counters = self.counters()?;
        let mut creation = Creation {
            modseq: self.next_modseq()?,
            last_mailbox: counters.last_mailbox,
            last_uid_validity: counters.last_uid_validity,
        };
        let missing = names::above(name).filter(|parent| !has(parent));
        let effects = missing.map(|parent| creation.make(parent).map(Effect::MailboxCreated));
        let effects = effects.collect::<Result<Vec<_>, _>>()?;
        Ok((creation, effects))
    }

    pub(crate) fn create_mailbox(&self, name: &str) -> Planned<Mailbox> {
        let name = names::mailbox(name)?;
        let have = self.mailboxes()?;
        let (mut creation, mut effects) = self.make_above(&name, &have)?;
        let mailbox = creation.make(&name)?;
        effects.push(Effect::MailboxCreated(mailbox.clone()));
        check_number(have.len() + effects.len())?;
        Ok((effects, mailbox.into()))
    }

    /// Any mailbox but `INBOX`, which is not renamed: its messages move.
    pub(crate) fn rename_mailbox(&self, from: &str, to: &str) -> Planned<()> {
        let from = self.named(from)?.name;
        let to = names::mailbox(to)?;
        let have = self.mailboxes()?;
        let (_, mut effects) = self.make_above(&to, &have)?;
        if names::is_below(&to, &from) {
            let why = "a mailbox cannot be moved below itself";
            return Err(StoreError::bad_name(to, why));
        }
        check_number(have.len() + effects.len())?;
        effects.extend(renamed(&have, &from, &to)?);
        Ok((effects, ()))
    }

    /// Deletes a mailbox. One with more than `most` messages loses its name only, for one that no client can ask
    /// for, and is answered: it is to be emptied, and deleted by [`Index::delete_nameless`]. What others do to
    /// the name meanwhile does not concern it.
    pub(crate) fn delete_mailbox(&self, name: &str, most: usize) -> Planned<Option<MailboxId>> {
        let mailbox = self.named(name)?;
        if mailbox.name == INBOX {
            return Err(StoreError::bad_name(INBOX, "INBOX cannot be deleted"));
        }
        let id = mailbox.id;
        if mailbox.messages as usize <= most {
            return Ok((vec![Effect::MailboxDeleted(id)], None));
        }
        let nameless = Effect::MailboxRenamed(id, names::nameless(id));
        Ok((vec![nameless], Some(id)))
    }

    /// Deletes a mailbox that has lost its name.
    pub(crate) fn delete_nameless(&self, mailbox: MailboxId) -> Planned<()> {
        let found = self.stored_as(&names::nameless(mailbox))?;
        let effect = found.map(|mailbox| Effect::MailboxDeleted(mailbox.id));
        Ok((effect.into_iter().collect(), ()))
    }

    pub(crate) fn set_subscribed(&self, name: &str, subscribed: bool) -> Planned<()> {
        let mailbox = self.named(name)?;
        let effect = Effect::Subscribed(mailbox.id, subscribed);
        let is_changed = mailbox.subscribed != subscribed;
        Ok((is_changed.then_some(effect).into_iter().collect(), ()))
    }
}

fn check_number(mailboxes: usize) -> Result<(), StoreError> {
    StoreError::check("the number of mailboxes", mailboxes as u64, MOST_MAILBOXES)
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
            Ok(Effect::MailboxRenamed(mailbox.id, name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outer_level_gives_its_name_up_before_an_inner_one_takes_it() {
        let mut creation = Creation::in_new_account(0);
        let have = ["a/b/b", "a/b"].map(|name| creation.make(name).unwrap().into());
        let renamed = renamed(&have, "a/b", "a").unwrap();
        let expected = [(have[1].id, "a"), (have[0].id, "a/b")];
        let expected = expected.map(|(id, name)| Effect::MailboxRenamed(id, name.to_owned()));
        assert_eq!(renamed, expected);
    }
}
