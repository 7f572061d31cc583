//! COPY and MOVE.

use std::num::NonZeroU32;

use pillarbox_proto::imap::grammar::SequenceSet;
use pillarbox_proto::imap::server::{Completion, Copy, ResponseCode};
use pillarbox_store::{Appended, Moved, Uid};

use super::append::try_create;
use crate::imap::session::{Failure, Handled, Session};

impl Session {
    pub(in crate::imap) async fn copy(&mut self, copy: &Copy) -> Handled {
        let copied = self.transfer(copy, Originals::Kept).await?;
        Ok(Completion::Ok(code(&copied.pairs)))
    }

    /// MOVE: what is gone is told like what others remove, by the updates that follow. Where only a part could be
    /// moved, COPYUID says which, before the command fails (RFC 6851 section 4.3, RFC 4315 section 3).
    pub(in crate::imap) async fn move_messages(&mut self, copy: &Copy) -> Handled {
        let Moved { pairs, failed } = self.transfer(copy, Originals::Removed).await?;
        if let Some(code) = code(&pairs) {
            self.responses().moved(&code);
        }
        failed.map_or(Ok(Completion::DONE), |error| Err(error.into()))
    }

    /// Copies or moves. A copy is all or nothing.
    async fn transfer(&mut self, copy: &Copy, originals: Originals) -> Result<Moved, Failure> {
        let (store, account) = self.mail()?;
        let selected = self.selected()?;
        let from = selected.id;
        let named = selected.named(&copy.messages)?.into_iter();
        let uids: Vec<Uid> = named
            .filter_map(|(_, uid)| NonZeroU32::new(uid).map(Uid))
            .collect();
        let to = store.mailbox(account, &copy.mailbox).await;
        let to = to.map_err(try_create)?.id;
        let whole = |pairs| Moved {
            pairs,
            failed: None,
        };
        if uids.is_empty() {
            return Ok(whole(Vec::new()));
        }
        Ok(match originals {
            Originals::Kept => whole(store.copy(account, from, &uids, to).await?),
            Originals::Removed => store.move_messages(account, from, &uids, to).await?,
        })
    }
}

/// What becomes of the messages that are copied.
enum Originals {
    Kept,
    Removed,
}

/// COPYUID for what was copied; nothing, where nothing was.
fn code(pairs: &[(Uid, Appended)]) -> Option<ResponseCode> {
    let validity = pairs.first()?.1.uid_validity;
    Some(ResponseCode::CopyUid {
        validity,
        from: SequenceSet::of(pairs.iter().map(|(uid, _)| uid.0.get())),
        to: SequenceSet::of(pairs.iter().map(|(_, appended)| appended.uid.0.get())),
    })
}
