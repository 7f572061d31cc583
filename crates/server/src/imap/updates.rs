//! What other sessions did, told to this one (RFC 3501 §5.2, §7.3, §7.4.1).

use std::collections::HashMap;

use pillarbox_proto::imap::server::{Expunges, Update};
use pillarbox_store::{Message, ModSeq, Uid};

use super::session::{Ended, Session};

impl Session {
    /// Takes in what has changed in the selected mailbox and puts it out. Changes in `own` were made by this
    /// session and told already; what others changed after them is told.
    ///
    /// A store that fails here costs the client no more than old news: it is logged, and told next time.
    pub(super) async fn updates(
        &mut self,
        expunges: Expunges,
        own: &HashMap<Uid, ModSeq>,
    ) -> Result<(), Ended> {
        let Ok((store, account)) = self.mail() else {
            return Ok(());
        };
        let Some(selected) = self.selected.as_mut() else {
            return Ok(());
        };
        let changes = match store
            .changes_since(account, selected.id, selected.seen)
            .await
        {
            Ok(changes) => changes,
            Err(error) => {
                tracing::debug!(%error, "changes of the selected mailbox are not known");
                return Ok(());
            }
        };
        if let Some(highest) = changes.highest_modseq {
            selected.seen = highest;
        }
        let known = selected.view.largest_uid();
        selected
            .view
            .expunged(changes.expunged.iter().map(|uid| uid.0.get()));
        for message in &changes.changed {
            let told_already = own.get(&message.uid) == Some(&message.modseq);
            if message.uid.0.get() <= known && !told_already {
                self.tell_flags(message, None);
                self.flush_when_full().await?;
            }
        }
        let Some(selected) = self.selected.as_mut() else {
            return Ok(());
        };
        let arrived = changes.changed.iter().map(|message| message.uid.0.get());
        selected.view.arrived(arrived);
        for update in selected.view.announce(expunges) {
            match update {
                Update::Expunge(number) => self.responses().expunged(number),
                Update::Exists(count) => self.responses().exists(count),
            }
            self.flush_when_full().await?;
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
