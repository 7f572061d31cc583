//! What is done to accounts.

use pillarbox_policy::{Ladder, Timestamp};

use super::Planned;
use super::mailboxes::Creation;
use crate::embedded::index::Index;
use crate::embedded::log::entry::Effect;
use crate::embedded::names::INBOX;
use crate::{LadderMove, NewAccount, StoreError, Verifiers};

/// Octets of a verifier in text form.
const LONGEST_VERIFIER: u64 = 1024;
/// Mailboxes of a new account beside `INBOX`; each is named after its use (RFC 6154).
const SPECIAL: [&str; 5] = ["Sent", "Drafts", "Junk", "Trash", "Archive"];

/// Makes an account whose UIDVALIDITYs are above `last`.
pub(crate) fn create_account(account: NewAccount, now: Timestamp, last: u32) -> Planned<()> {
    check_verifiers(&account.verifiers)?;
    let mut creation = Creation::in_new_account(last);
    let mut effects = vec![Effect::AccountCreated(Box::new(account), now)];
    let uses = std::iter::once((INBOX, None)).chain(SPECIAL.map(|name| (name, Some(name))));
    for (name, special_use) in uses {
        let mut mailbox = creation.make(name)?;
        mailbox.subscribed = true;
        mailbox.special_use = special_use.map(str::to_owned);
        effects.push(Effect::MailboxCreated(mailbox));
    }
    Ok((effects, ()))
}

impl Index<'_> {
    /// An effect on the account itself, if it exists.
    pub(crate) fn change_account(&self, effect: Effect) -> Planned<()> {
        self.counters()?;
        if let Effect::VerifiersSet(verifiers) = &effect {
            check_verifiers(verifiers)?;
        }
        Ok((vec![effect], ()))
    }

    /// Moves the account on the ladder, if it stands at `from`.
    pub(crate) fn move_ladder(&self, from: &Ladder, to: Ladder) -> Planned<LadderMove> {
        let found = self.account()?;
        let now = found
            .ok_or_else(|| StoreError::not_found("the account"))?
            .ladder;
        Ok(if now != *from {
            (Vec::new(), LadderMove::Changed { now })
        } else if to == now {
            (Vec::new(), LadderMove::Moved)
        } else {
            (vec![Effect::LadderSet(to)], LadderMove::Moved)
        })
    }
}

fn check_verifiers(verifiers: &Verifiers) -> Result<(), StoreError> {
    let salt = verifiers.scram_sha256.salt.len();
    let longest = verifiers.argon2id.len().max(salt) as u64;
    StoreError::check("a verifier", longest, LONGEST_VERIFIER)
}
