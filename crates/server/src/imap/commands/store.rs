//! STORE.

use std::num::NonZeroU32;

use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{
    Completion, Extension, FlagOperation, Naming, ResponseCode, Store,
};
use pillarbox_store::{FlagChange, Flags, FlagsChanged, ModSeq, Uid};

use crate::imap::session::{Failure, Handled, Session};
use crate::imap::updates::Own;
use crate::imap::view::Expunges;

impl Session {
    /// Changes flags, and tells the messages as they are now; with `.SILENT` those only that somebody else had changed
    /// before, which the client does not know (RFC 3501 §6.4.6). Those that were left alone because of UNCHANGEDSINCE
    /// are listed in the completion (RFC 7162 §3.1.3). What was changed is in `own`.
    pub(in crate::imap) async fn store(&mut self, command: &Store, own: &mut Own) -> Handled {
        // What others did is told first, so that what is told after is this command's doing.
        self.updates(Expunges::Withheld, &Own::new()).await?;
        let (seen, answers) = self.change(command).await?;
        let naming = command.messages.naming;
        let tells_all = !command.silent || self.dialogue().enabled().has(Extension::Condstore);
        let mut left_alone: Vec<u32> = Vec::new();
        for FlagsChanged { message, before } in answers {
            let uid = message.uid;
            if command
                .unchanged_since
                .is_some_and(|since| before.0 > since)
            {
                left_alone.push(uid.0.get());
                continue;
            }
            own.insert(uid, message.modseq);
            if tells_all || before > seen {
                self.tell_flags(&message, (naming == Naming::Uid).then_some(uid));
                self.flush_when_full().await?;
            }
        }
        if left_alone.is_empty() {
            return Ok(Completion::DONE);
        }
        if naming == Naming::Sequence {
            let view = &self.selected()?.view;
            left_alone = left_alone
                .into_iter()
                .filter_map(|uid| view.number_of(uid))
                .collect();
        }
        let left_alone = SequenceSet::of(left_alone);
        Ok(Completion::Ok(Some(ResponseCode::Modified(left_alone))))
    }

    /// Changes the flags. Answers the messages, and up to where the client had been told of the mailbox.
    async fn change(&mut self, command: &Store) -> Result<(ModSeq, Vec<FlagsChanged>), Failure> {
        let (store, account) = self.mail()?;
        let selected = self.selected()?;
        let named = selected.named(&command.messages)?;
        let flags = Flags::new(command.flags.iter().cloned());
        let change = match command.operation {
            FlagOperation::Replace => FlagChange::Replace(flags),
            FlagOperation::Add => FlagChange::Add(flags),
            FlagOperation::Remove => FlagChange::Remove(flags),
        };
        let uids: Vec<Uid> = named
            .into_iter()
            .filter_map(|(_, uid)| NonZeroU32::new(uid).map(Uid))
            .collect();
        if uids.is_empty() {
            return Ok((selected.seen, Vec::new()));
        }
        let since = command.unchanged_since.map(ModSeq);
        let answers = store
            .set_flags(account, selected.id, &uids, &change, since)
            .await?;
        Ok((selected.seen, answers))
    }
}
