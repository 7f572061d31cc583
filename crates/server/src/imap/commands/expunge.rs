//! EXPUNGE and UID EXPUNGE.

use pillarbox_proto::imap::server::{Completion, Expunge, Naming};

use super::select::remove_deleted;
use crate::imap::session::{Session, failed};

impl Session {
    /// What is removed here is told like what others remove, by the updates that follow.
    pub(in crate::imap) async fn expunge(&mut self, expunge: &Expunge) -> Completion {
        let (store, account) = match self.mail() {
            Ok(mail) => mail,
            Err(completion) => return completion,
        };
        let selected = match self.selected() {
            Ok(selected) => selected,
            Err(completion) => return completion,
        };
        let among = match expunge
            .among
            .as_ref()
            .map(|set| selected.view.resolve(set, Naming::Uid))
        {
            Some(Ok(named)) => Some(named.into_iter().map(|(_, uid)| uid).collect::<Vec<_>>()),
            Some(Err(_)) => Some(Vec::new()),
            None => None,
        };
        match remove_deleted(&*store, account, selected, among.as_deref()).await {
            Ok(()) => Completion::DONE,
            Err(error) => failed(&error),
        }
    }
}
