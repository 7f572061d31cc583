//! COPY and MOVE.

use std::num::NonZeroU32;

use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{Code, Completion, Copy};
use pillarbox_store::{Appended, StoreError, Uid};

use crate::imap::session::{NO_SUCH_MESSAGE, Session, TRY_CREATE, failed};

impl Session {
    pub(in crate::imap) async fn copy(&mut self, copy: &Copy) -> Completion {
        match self.transfer(copy, Originals::Kept).await {
            Ok(code) => Completion::Ok(code),
            Err(completion) => completion,
        }
    }

    /// MOVE: what is gone is told like what others remove, by the updates that follow.
    pub(in crate::imap) async fn move_messages(&mut self, copy: &Copy) -> Completion {
        match self.transfer(copy, Originals::Removed).await {
            Ok(code) => {
                if let Some(code) = code {
                    self.responses().moved(&code);
                }
                Completion::DONE
            }
            Err(completion) => completion,
        }
    }

    /// Copies or moves. Answers COPYUID; nothing, where nothing was copied.
    async fn transfer(
        &mut self,
        copy: &Copy,
        originals: Originals,
    ) -> Result<Option<Code>, Completion> {
        let (store, account) = self.mail()?;
        let selected = self.selected()?;
        let from = selected.id;
        let uids: Vec<Uid> = selected
            .view
            .resolve(&copy.set, copy.naming)
            .map_err(|_| NO_SUCH_MESSAGE)?
            .into_iter()
            .filter_map(|(_, uid)| NonZeroU32::new(uid).map(Uid))
            .collect();
        let to = match store.mailbox(account, &copy.mailbox).await {
            Ok(mailbox) => mailbox.id,
            Err(StoreError::NotFound { .. }) => return Err(TRY_CREATE),
            Err(error) => return Err(failed(&error)),
        };
        if uids.is_empty() {
            return Ok(None);
        }
        let copied = match originals {
            Originals::Kept => store.copy(account, from, &uids, to).await,
            Originals::Removed => store.move_messages(account, from, &uids, to).await,
        };
        let pairs = copied.map_err(|error| failed(&error))?;
        Ok(code(&pairs))
    }
}

/// What becomes of the messages that are copied.
enum Originals {
    Kept,
    Removed,
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
