//! SELECT, EXAMINE and CLOSE.

use std::num::NonZeroU32;

use pillarbox_proto::imap::server::{Access, Completion, Select, SelectedMailbox};
use pillarbox_store::{AccountId, Mail, Message, StoreError, Uid, UidRange};

use crate::imap::session::{Ended, Failure, Handled, Selected, Session};
use crate::imap::view::View;

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
            Err(Failure::Answer(completion)) => self.dialogue().complete(completion),
            Err(Failure::Session(ended)) => return Err(ended),
        }
        Ok(())
    }

    async fn open(
        &mut self,
        select: &Select,
        access: Access,
    ) -> Result<(Selected, SelectedMailbox), Failure> {
        let (store, account) = self.mail()?;
        // Watching begins before the first look, so that nothing falls between.
        let watch = self.context.stores.wakeups.watch(account);
        let open = store.open_mailbox(account, &select.mailbox).await?;
        let view = View::new(open.snapshot.uids);
        let first_unseen = open.first_unseen.map(|uid| uid.0.get());
        let told = SelectedMailbox {
            messages: view.len(),
            uid_validity: open.mailbox.uid_validity,
            uid_next: open.mailbox.uid_next,
            first_unseen: first_unseen.and_then(|uid| view.number_of(uid)),
            keywords: open.keywords,
            highest_modseq: open.snapshot.modseq.0,
        };
        let selected = Selected {
            id: open.mailbox.id,
            access,
            view,
            seen: open.snapshot.modseq,
            watch,
            stale: false,
        };
        Ok((selected, told))
    }

    /// CLOSE: expunges without telling, unless the mailbox is read-only.
    pub(in crate::imap) async fn close_mailbox(&mut self) -> Handled {
        if let Some(selected) = self.selected.take()
            && selected.access == Access::ReadWrite
        {
            let (store, account) = self.mail()?;
            remove_deleted(&*store, account, &selected, None).await?;
        }
        Ok(Completion::DONE)
    }
}

/// Removes the messages with `\Deleted` that the client knows; where UIDs are given, of those only.
pub(in crate::imap) async fn remove_deleted(
    store: &dyn Mail,
    account: AccountId,
    selected: &Selected,
    among: Option<&[u32]>,
) -> Result<(), StoreError> {
    let mut doomed = store.marked_deleted(account, selected.id).await?;
    doomed.retain(|uid| {
        let uid = uid.0.get();
        selected.view.number_of(uid).is_some()
            && among.is_none_or(|among| among.binary_search(&uid).is_ok())
    });
    if !doomed.is_empty() {
        // Another session may take `\Deleted` away in the meantime.
        store.expunge_deleted(account, selected.id, &doomed).await?;
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
