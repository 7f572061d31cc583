//! EXPUNGE and UID EXPUNGE.

use pillarbox_proto::imap::server::{Completion, Expunge};

use super::select::remove_deleted;
use crate::imap::session::{Handled, Session};

impl Session {
    /// What is removed here is told like what others remove, by the updates that follow.
    pub(in crate::imap) async fn expunge(&mut self, expunge: &Expunge) -> Handled {
        let (store, account) = self.mail()?;
        let selected = self.selected()?;
        let among = match &expunge.among {
            Some(named) => Some(
                selected
                    .named(named)?
                    .into_iter()
                    .map(|(_, uid)| uid)
                    .collect::<Vec<_>>(),
            ),
            None => None,
        };
        remove_deleted(&*store, account, selected, among.as_deref()).await?;
        Ok(Completion::DONE)
    }
}
