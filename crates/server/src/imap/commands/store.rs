//! STORE.

use std::collections::HashMap;
use std::num::NonZeroU32;

use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{
    Code, Completion, Extension, FlagOperation, Naming, Store as StoreCommand,
};
use pillarbox_store::{FlagChange, Flags, Message, ModSeq, Uid};

use super::allowed_by;
use super::select::messages_of;
use crate::imap::session::{Ended, NO_SUCH_MESSAGE, Session, failed};
use crate::imap::view::Expunges;

impl Session {
    pub(in crate::imap) async fn store(&mut self, command: &StoreCommand) -> Result<(), Ended> {
        // What others did is told first, so that what is told after is this command's doing.
        self.updates(Expunges::Withheld, &HashMap::new()).await?;
        let (completion, own) = match self.change(command).await {
            Ok((messages, left_alone)) => {
                let own: HashMap<Uid, ModSeq> = messages
                    .iter()
                    .map(|message| (message.uid, message.modseq))
                    .collect();
                if !command.silent || self.dialogue().enabled().has(Extension::Condstore) {
                    for message in &messages {
                        let uid = (command.naming == Naming::Uid).then_some(message.uid);
                        self.tell_flags(message, uid);
                        self.flush_when_full().await?;
                    }
                }
                let completion = match left_alone.is_empty() {
                    true => Completion::DONE,
                    false => Completion::Ok(Some(Code::Modified(SequenceSet::of(left_alone)))),
                };
                (completion, own)
            }
            Err(completion) => (completion, HashMap::new()),
        };
        self.updates(allowed_by(command.naming), &own).await?;
        self.dialogue().complete(completion);
        Ok(())
    }

    /// Changes the flags. Answers the messages as they are now, and the numbers of those that were left
    /// alone because somebody else had changed them (RFC 7162 §3.1.3).
    async fn change(
        &mut self,
        command: &StoreCommand,
    ) -> Result<(Vec<Message>, Vec<u32>), Completion> {
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
        let mut uids: Vec<u32> = named.iter().map(|(_, uid)| *uid).collect();
        let mut left_alone: Vec<u32> = Vec::new();
        if let Some(since) = command.unchanged_since {
            let before = messages_of(&*store, account, selected, &uids)
                .await
                .map_err(|error| failed(&error))?;
            left_alone = before
                .iter()
                .filter(|message| message.modseq.0 > since)
                .map(|message| message.uid.0.get())
                .collect();
            uids.retain(|uid| left_alone.binary_search(uid).is_err());
        }
        let wanted: Vec<Uid> = uids
            .iter()
            .filter_map(|uid| NonZeroU32::new(*uid).map(Uid))
            .collect();
        let mut messages = Vec::new();
        if !wanted.is_empty() {
            let unchanged_since = command.unchanged_since.map(ModSeq);
            messages = store
                .set_flags(account, selected.id, &wanted, &change, unchanged_since)
                .await
                .map_err(|error| failed(&error))?;
        }
        // Somebody may have been quicker since the look above.
        let missed = messages
            .iter()
            .filter(|message| !reflects(message, &change));
        left_alone.extend(missed.map(|message| message.uid.0.get()));
        left_alone.sort_unstable();
        messages.retain(|message| left_alone.binary_search(&message.uid.0.get()).is_err());
        if command.naming == Naming::Sequence {
            let view = &selected.view;
            left_alone = left_alone
                .into_iter()
                .filter_map(|uid| view.number_of(uid))
                .collect();
        }
        Ok((messages, left_alone))
    }
}

/// Whether a message's flags are as the change wanted them.
fn reflects(message: &Message, change: &FlagChange) -> bool {
    match change {
        FlagChange::Replace(flags) => {
            flags.iter().all(|flag| message.flags.contains(flag))
                && message.flags.iter().all(|flag| flags.contains(flag))
        }
        FlagChange::Add(flags) => flags.iter().all(|flag| message.flags.contains(flag)),
        FlagChange::Remove(flags) => !flags.iter().any(|flag| message.flags.contains(flag)),
    }
}
