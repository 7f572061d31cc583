//! STORE.

use std::collections::HashMap;
use std::num::NonZeroU32;

use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{
    Code, Completion, Extension, FlagOperation, Naming, Store as StoreCommand,
};
use pillarbox_store::{FlagChange, Flags, FlagsChanged, ModSeq, Uid};

use super::allowed_by;
use crate::imap::session::{Ended, NO_SUCH_MESSAGE, Session, failed};
use crate::imap::view::Expunges;

impl Session {
    pub(in crate::imap) async fn store(&mut self, command: &StoreCommand) -> Result<(), Ended> {
        // What others did is told first, so that what is told after is this command's doing.
        self.updates(Expunges::Withheld, &HashMap::new()).await?;
        let mut own = HashMap::new();
        let completion = match self.change(command).await {
            Ok((seen, answers)) => self.tell_changes(command, seen, answers, &mut own).await?,
            Err(completion) => completion,
        };
        self.updates(allowed_by(command.naming), &own).await?;
        self.dialogue().complete(completion);
        Ok(())
    }

    /// Changes the flags. Answers the messages, and up to where the client had been told of the mailbox.
    async fn change(
        &mut self,
        command: &StoreCommand,
    ) -> Result<(ModSeq, Vec<FlagsChanged>), Completion> {
        let (store, account) = self.mail()?;
        let selected = self.selected()?;
        let named = selected
            .view
            .resolve(&command.set, command.naming)
            .map_err(|_| NO_SUCH_MESSAGE)?;
        let flags = Flags::new(command.flags.iter().cloned());
        let change = match command.operation {
            FlagOperation::Replace => FlagChange::Replace(flags),
            FlagOperation::Add => FlagChange::Add(flags),
            FlagOperation::Remove => FlagChange::Remove(flags),
        };
        let wanted: Vec<Uid> = named
            .iter()
            .filter_map(|(_, uid)| NonZeroU32::new(*uid).map(Uid))
            .collect();
        if wanted.is_empty() {
            return Ok((selected.seen, Vec::new()));
        }
        let unchanged_since = command.unchanged_since.map(ModSeq);
        let answers = store
            .set_flags(account, selected.id, &wanted, &change, unchanged_since)
            .await
            .map_err(|error| failed(&error))?;
        Ok((selected.seen, answers))
    }

    /// Tells the messages as they are now; with `.SILENT` those only that somebody else had changed before,
    /// which the client does not know (RFC 3501 §6.4.6). Those that were left alone because of
    /// UNCHANGEDSINCE are listed in the completion (RFC 7162 §3.1.3).
    async fn tell_changes(
        &mut self,
        command: &StoreCommand,
        seen: ModSeq,
        answers: Vec<FlagsChanged>,
        own: &mut HashMap<Uid, ModSeq>,
    ) -> Result<Completion, Ended> {
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
                self.tell_flags(&message, (command.naming == Naming::Uid).then_some(uid));
                self.flush_when_full().await?;
            }
        }
        if left_alone.is_empty() {
            return Ok(Completion::DONE);
        }
        if let (Naming::Sequence, Ok(selected)) = (command.naming, self.selected()) {
            left_alone = left_alone
                .into_iter()
                .filter_map(|uid| selected.view.number_of(uid))
                .collect();
        }
        Ok(Completion::Ok(Some(Code::Modified(SequenceSet::of(
            left_alone,
        )))))
    }
}
