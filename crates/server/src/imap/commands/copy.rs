//! COPY and MOVE.

use std::num::NonZeroU32;

use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{Code, Completion, CopyKind, Naming};
use pillarbox_store::{Appended, StoreError, Uid};

use crate::imap::session::{Session, failed};

impl Session {
    pub(in crate::imap) async fn copy(
        &mut self,
        set: &SequenceSet,
        naming: Naming,
        mailbox: &str,
        kind: CopyKind,
    ) -> Completion {
        let (store, account) = match self.mail() {
            Ok(mail) => mail,
            Err(completion) => return completion,
        };
        let selected = match self.selected() {
            Ok(selected) => selected,
            Err(completion) => return completion,
        };
        let from = selected.id;
        let uids: Vec<Uid> = match selected.view.resolve(set, naming) {
            Ok(named) => named
                .into_iter()
                .filter_map(|(_, uid)| NonZeroU32::new(uid).map(Uid))
                .collect(),
            Err(_) => return Completion::Bad("there is no message with that number"),
        };
        let to = match store.mailbox(account, mailbox).await {
            Ok(mailbox) => mailbox.id,
            Err(StoreError::NotFound { .. }) => {
                return Completion::no(Code::TryCreate, "There is no such mailbox");
            }
            Err(error) => return failed(&error),
        };
        if uids.is_empty() {
            return Completion::DONE;
        }
        let copied = match kind {
            CopyKind::Copy => store.copy(account, from, &uids, to).await,
            CopyKind::Move => store.move_messages(account, from, &uids, to).await,
        };
        match (copied.map(|pairs| code(&pairs)), kind) {
            (Ok(None), _) => Completion::DONE,
            (Ok(code), CopyKind::Copy) => Completion::Ok(code),
            (Ok(Some(code)), CopyKind::Move) => {
                self.conversation.dialogue().moved(&code);
                Completion::DONE
            }
            (Err(error), _) => failed(&error),
        }
    }
}

/// COPYUID for what was copied; nothing, where nothing was.
fn code(pairs: &[(Uid, Appended)]) -> Option<Code> {
    let validity = pairs.first()?.1.uid_validity;
    Some(Code::CopyUid {
        validity,
        from: SequenceSet::of(pairs.iter().map(|(uid, _)| uid.0.get())),
        to: SequenceSet::of(pairs.iter().map(|(_, appended)| appended.uid.0.get())),
    })
}
