//! What other sessions did, told to this one (RFC 3501 §5.2, §7.3, §7.4.1).

use std::collections::HashMap;

use pillarbox_store::{AccountId, Mail, Message, ModSeq, StoreError, Uid};

use super::session::{Ended, Session};
use super::view::{Expunges, Update};

/// Changes that a command of this session made and has told: messages, and the change of each.
pub(super) type Own = HashMap<Uid, ModSeq>;

/// Changed messages asked for at once.
const CHUNK: u32 = 1_024;

impl Session {
    /// Takes in what has changed in the selected mailbox and tells it. Changes in `own` were made by this
    /// session and told already; what others changed after them is told. The store is asked only after a
    /// wake-up.
    ///
    /// A store that fails here costs the client no more than old news: it is logged, and told next time.
    pub(super) async fn updates(&mut self, expunges: Expunges, own: &Own) -> Result<(), Ended> {
        let Ok((mail, account)) = self.mail() else {
            return Ok(());
        };
        let Some(selected) = self.selected.as_mut() else {
            return Ok(());
        };
        while let Some(wake) = selected.watch.try_next() {
            selected.stale |= selected.concerns(wake);
        }
        if selected.stale {
            self.take_in(&*mail, account, own).await?;
        }
        let Some(selected) = self.selected.as_mut() else {
            return Ok(());
        };
        for update in selected.view.announce(expunges) {
            match update {
                Update::Expunge(number) => self.responses().expunged(number),
                Update::Exists(count) => self.responses().exists(count),
            }
            self.flush_when_full().await?;
        }
        Ok(())
    }

    /// Tells the flags that have changed, and brings the view up to date.
    async fn take_in(
        &mut self,
        mail: &dyn Mail,
        account: AccountId,
        own: &Own,
    ) -> Result<(), Ended> {
        let Some(selected) = &self.selected else {
            return Ok(());
        };
        let (mailbox, mut seen) = (selected.id, selected.seen);
        let known = selected.view.largest_uid();
        let now = match mail.snapshot(account, mailbox).await {
            Ok(now) => now,
            Err(error) => return unknown(&error),
        };
        while seen < now.modseq {
            let changes = match mail.changes_since(account, mailbox, seen, CHUNK).await {
                Ok(changes) => changes,
                Err(error) => return unknown(&error),
            };
            for message in &changes.changed {
                let is_told = own.get(&message.uid) == Some(&message.modseq);
                // What is newer than the view comes next time.
                let is_new = message.uid.0.get() > known || message.modseq > now.modseq;
                if !is_told && !is_new {
                    self.tell_flags(message, None);
                    self.flush_when_full().await?;
                }
            }
            seen = changes.upto.max(ModSeq(seen.0 + 1)).min(now.modseq);
            if let Some(selected) = &mut self.selected {
                selected.seen = seen;
            }
        }
        if let Some(selected) = &mut self.selected {
            selected.view.refresh(now.uids);
            selected.stale = false;
        }
        Ok(())
    }

    /// Puts out a FETCH response with a message's flags, if the client knows the message. The UID is told
    /// where the command was a UID command.
    pub(super) fn tell_flags(&mut self, message: &Message, uid: Option<Uid>) {
        let Some(selected) = &self.selected else {
            return;
        };
        let Some(number) = selected.view.number_of(message.uid.0.get()) else {
            return;
        };
        self.responses().flags(
            number,
            uid.map(|uid| uid.0.get()),
            message.flags.iter(),
            message.modseq.0,
        );
    }
}

fn unknown(error: &StoreError) -> Result<(), Ended> {
    tracing::debug!(%error, "changes of the selected mailbox are not known");
    Ok(())
}
