//! Who wants to be woken when something in an account, or in the queue, changes.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::sync::{broadcast, watch};

use crate::embedded::disk::held;
use crate::embedded::log::entry::{Effect, Entry};
use crate::{AccountId, Outcome, QueueWatch, Wake, Watch};

/// Wake-ups kept for a watcher that does not look; beyond that it is told that it lags.
const KEPT: usize = 16;
/// Channels below which looking for unused ones is not worth it.
const FEW: usize = 64;

/// A channel for each account that is watched. Unused ones are dropped when something happens in their
/// account, and now and then all at once.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    channels: HashMap<AccountId, broadcast::Sender<Wake>>,
    /// How many channels there were after the last look for unused ones.
    used: usize,
    queue: watch::Sender<()>,
    closed: bool,
}

impl Watchers {
    pub(crate) fn watch_queue(&self) -> QueueWatch {
        let watched = held(&self.0);
        if watched.closed {
            return QueueWatch::new(watch::channel(()).1);
        }
        QueueWatch::new(watched.queue.subscribe())
    }

    pub(crate) fn watch(&self, account: AccountId) -> Watch {
        let mut watched = held(&self.0);
        if watched.closed {
            // Its sender is gone at once: the watch ends.
            return Watch::new(broadcast::channel(1).1);
        }
        if watched.channels.len() >= FEW.max(watched.used * 2) {
            watched
                .channels
                .retain(|_, channel| channel.receiver_count() > 0);
            watched.used = watched.channels.len();
        }
        let channel = watched
            .channels
            .entry(account)
            .or_insert_with(|| broadcast::channel(KEPT).0);
        Watch::new(channel.subscribe())
    }

    /// Wakes those who watch the accounts, or the queue, of an operation that was stored.
    pub(crate) fn tell(&self, entry: &Entry) {
        let mut watched = held(&self.0);
        for (account, wake) in wakes(entry) {
            let channel = watched.channels.get(&account);
            // The last who listened has gone.
            if channel.is_some_and(|channel| channel.send(wake).is_err()) {
                watched.channels.remove(&account);
            }
        }
        if entry.effects.iter().any(is_due) {
            watched.queue.send_replace(());
        }
    }

    /// Ends every watch, and those that begin later.
    pub(crate) fn close(&self) {
        let mut watched = held(&self.0);
        watched.closed = true;
        watched.channels.clear();
        // The sender that others listen to is gone.
        watched.queue = watch::Sender::default();
    }
}

/// Whether something in the queue may be due earlier than anybody knows.
fn is_due(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Queued(_) | Effect::QueueSettled(_, Outcome::Retry { .. }, _)
    )
}

/// Each wake-up once, in the order in which the effects call for them.
fn wakes(entry: &Entry) -> Vec<(AccountId, Wake)> {
    let mut wakes = Vec::new();
    for effect in &entry.effects {
        let changes = effect.changes(entry.account).into_iter().map(|change| {
            let (mailbox, modseq) = (change.mailbox, change.modseq);
            (change.account, Wake::Mailbox { mailbox, modseq })
        });
        let list = match effect {
            Effect::AccountCreated(..)
            | Effect::AccountDeleted
            | Effect::MailboxCreated(_)
            | Effect::MailboxRenamed(..)
            | Effect::MailboxDeleted(_)
            | Effect::Subscribed(..) => Some((entry.account, Wake::MailboxList)),
            _ => None,
        };
        for wake in changes.chain(list) {
            if !wakes.contains(&wake) {
                wakes.push(wake);
            }
        }
    }
    wakes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::log::entry::Expunged;
    use crate::{MailboxId, ModSeq};

    fn expunged(account: i64, mailboxes: &[i64]) -> Entry {
        Entry {
            account: AccountId(account),
            effects: mailboxes
                .iter()
                .map(|mailbox| {
                    Effect::Expunged(Expunged {
                        mailbox: MailboxId(*mailbox),
                        modseq: ModSeq(1),
                        uids: Vec::new(),
                    })
                })
                .collect(),
        }
    }

    #[tokio::test]
    async fn a_mailbox_is_told_once_an_operation_and_only_to_its_account() {
        let watchers = Watchers::default();
        let mut mine = watchers.watch(AccountId(1));
        let mut other = watchers.watch(AccountId(2));
        watchers.tell(&expunged(1, &[5, 5, 6]));
        watchers.close();
        for number in [5, 6] {
            let mailbox = MailboxId(number);
            let modseq = ModSeq(1);
            assert_eq!(mine.next().await, Some(Wake::Mailbox { mailbox, modseq }));
        }
        assert_eq!(mine.next().await, None);
        assert_eq!(other.next().await, None);
    }

    #[tokio::test]
    async fn a_watch_that_begins_after_the_end_has_ended() {
        let watchers = Watchers::default();
        watchers.close();
        assert_eq!(watchers.watch(AccountId(1)).next().await, None);
    }

    #[test]
    fn channels_that_nobody_listens_to_are_dropped() {
        let watchers = Watchers::default();
        for account in 0..10_000 {
            drop(watchers.watch(AccountId(account)));
        }
        assert!(held(&watchers.0).channels.len() <= FEW);
        let kept = watchers.watch(AccountId(20_000));
        watchers.tell(&expunged(20_000, &[1]));
        assert!(held(&watchers.0).channels.contains_key(&AccountId(20_000)));
        drop(kept);
        watchers.tell(&expunged(20_000, &[1]));
        assert!(!held(&watchers.0).channels.contains_key(&AccountId(20_000)));
    }
}
