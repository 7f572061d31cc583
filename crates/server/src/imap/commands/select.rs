//! SELECT, EXAMINE and CLOSE.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use pillarbox_proto::imap::server::{Access, Completion, Select, SelectedMailbox, View};
use pillarbox_store::{AccountId, Mail, Mailbox, Message, StoreError, Uid, UidRange};

use crate::imap::session::{Ended, Selected, Session, failed};

/// UIDs asked for at once, which bounds what a look at a large mailbox holds.
const WINDOW: u32 = 8_192;
/// Keywords told of at most; others are told with the messages that have them.
const KEYWORDS: usize = 256;

impl Session {
    pub(in crate::imap) async fn select(
        &mut self,
        select: &Select,
        access: Access,
    ) -> Result<(), Ended> {
        self.selected = None;
        match self.open(select, access).await {
            Ok((selected, mailbox)) => {
                self.selected = Some(selected);
                self.dialogue().selected(&mailbox);
            }
            Err(completion) => self.dialogue().complete(completion),
        }
        Ok(())
    }

    async fn open(
        &mut self,
        select: &Select,
        access: Access,
    ) -> Result<(Selected, SelectedMailbox), Completion> {
        let (store, account) = self.mail()?;
        let mailbox = store
            .mailbox(account, &select.mailbox)
            .await
            .map_err(|error| failed(&error))?;
        let mut uids = Vec::new();
        let mut keywords = BTreeSet::new();
        let mut first_unseen = None;
        for range in windows(&mailbox) {
            let messages = store
                .messages(account, mailbox.id, &[range])
                .await
                .map_err(|error| failed(&error))?;
            for message in messages {
                uids.push(message.uid.0.get());
                if first_unseen.is_none() && !message.flags.contains("\\Seen") {
                    first_unseen = u32::try_from(uids.len()).ok();
                }
                for flag in message.flags.iter().filter(|flag| !flag.starts_with('\\')) {
                    if keywords.len() < KEYWORDS && !keywords.contains(flag) {
                        keywords.insert(flag.to_owned());
                    }
                }
            }
        }
        let view = View::new(uids);
        let told = SelectedMailbox {
            messages: view.len(),
            uid_validity: mailbox.uid_validity,
            uid_next: mailbox.uid_next,
            first_unseen,
            keywords: keywords.into_iter().collect(),
            highest_modseq: mailbox.highest_modseq.0,
        };
        let selected = Selected {
            id: mailbox.id,
            access,
            view,
            // What came between the two looks is told as a change.
            seen: mailbox.highest_modseq,
        };
        Ok((selected, told))
    }

    /// CLOSE: expunges without telling, unless the mailbox is read-only.
    pub(in crate::imap) async fn close_mailbox(&mut self) -> Completion {
        let Some(selected) = self.selected.take() else {
            return Completion::DONE;
        };
        if selected.access == Access::ReadOnly {
            return Completion::DONE;
        }
        match self.mail() {
            Ok((store, account)) => match remove_deleted(&*store, account, &selected, None).await {
                Ok(()) => Completion::DONE,
                Err(error) => failed(&error),
            },
            Err(completion) => completion,
        }
    }
}

/// Removes the messages with `\Deleted`; where UIDs are given, of those only.
pub(in crate::imap) async fn remove_deleted(
    store: &dyn Mail,
    account: AccountId,
    selected: &Selected,
    among: Option<&[u32]>,
) -> Result<(), StoreError> {
    let known = match among {
        Some(uids) => uids.to_vec(),
        None => (1..=selected.view.len())
            .filter_map(|number| selected.view.uid_of(number))
            .collect(),
    };
    let mut doomed = Vec::new();
    for uids in known.chunks(WINDOW as usize) {
        let messages = messages_of(store, account, selected, uids).await?;
        doomed.extend(
            messages
                .into_iter()
                .filter(|message| message.flags.contains("\\Deleted"))
                .map(|message| message.uid),
        );
    }
    if !doomed.is_empty() {
        store.expunge(account, selected.id, &doomed).await?;
    }
    Ok(())
}

/// The messages with these ascending UIDs that are still there.
pub(in crate::imap) async fn messages_of(
    store: &dyn Mail,
    account: AccountId,
    selected: &Selected,
    uids: &[u32],
) -> Result<Vec<Message>, StoreError> {
    store.messages(account, selected.id, &ranges(uids)).await
}

/// Ascending UIDs as few ranges.
pub(in crate::imap) fn ranges(uids: &[u32]) -> Vec<UidRange> {
    let mut ranges: Vec<UidRange> = Vec::new();
    for uid in uids.iter().filter_map(|uid| NonZeroU32::new(*uid)).map(Uid) {
        match ranges.last_mut() {
            Some(range) if range.to.0.checked_add(1) == Some(uid.0) => range.to = uid,
            _ => ranges.push(UidRange { from: uid, to: uid }),
        }
    }
    ranges
}

/// All UIDs a mailbox can have, in windows.
fn windows(mailbox: &Mailbox) -> impl Iterator<Item = UidRange> {
    let last = mailbox.uid_next.get();
    (0..=last / WINDOW).map(|window| {
        let from = (window * WINDOW).max(1);
        let to = (window * WINDOW).saturating_add(WINDOW - 1);
        UidRange {
            from: Uid(NonZeroU32::new(from).unwrap_or(NonZeroU32::MIN)),
            to: Uid(NonZeroU32::new(to).unwrap_or(NonZeroU32::MIN)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_ranges() {
        let pairs: Vec<(u32, u32)> = ranges(&[1, 2, 3, 7, 9, 10])
            .iter()
            .map(|range| (range.from.0.get(), range.to.0.get()))
            .collect();
        assert_eq!(pairs, [(1, 3), (7, 7), (9, 10)]);
    }
}
