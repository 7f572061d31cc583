//! COPY and MOVE.

use std::num::NonZeroU32;

use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{Code, Completion, Copy};
use pillarbox_store::{Appended, Uid};

use super::append::try_create;
use crate::imap::session::{Failure, Handled, Session};

impl Session {
    pub(in crate::imap) async fn copy(&mut self, copy: &Copy) -> Handled {
        Ok(Completion::Ok(self.transfer(copy, Originals::Kept).await?))
    }

    /// MOVE: what is gone is told like what others remove, by the updates that follow.
    pub(in crate::imap) async fn move_messages(&mut self, copy: &Copy) -> Handled {
        if let Some(code) = self.transfer(copy, Originals::Removed).await? {
            self.responses().moved(&code);
        }
        Ok(Completion::DONE)
    }

    /// Copies or moves. Answers COPYUID; nothing, where nothing was copied.
    async fn transfer(
        &mut self,
        copy: &Copy,
        originals: Originals,
    ) -> Result<Option<Code>, Failure> {
        let (store, account) = self.mail()?;
        let selected = self.selected()?;
        let from = selected.id;
        let named = selected.named(&copy.messages)?.into_iter();
        let uids: Vec<Uid> = named
            .filter_map(|(_, uid)| NonZeroU32::new(uid).map(Uid))
            .collect();
        let to = store.mailbox(account, &copy.mailbox).await;
        let to = to.map_err(try_create)?.id;
        if uids.is_empty() {
            return Ok(None);
        }
        let pairs = match originals {
            Originals::Kept => store.copy(account, from, &uids, to).await?,
            Originals::Removed => store.move_messages(account, from, &uids, to).await?,
        };
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
