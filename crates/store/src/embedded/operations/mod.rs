//! What an operation does to an account, decided against the index as it is when the writer comes to it.
//!
//! Nothing here changes anything: the answer is a list of effects and what the caller will be told once
//! they are stored.

mod accounts;
mod mailboxes;
mod messages;
mod queue;

pub(crate) use self::accounts::create_account;
pub(crate) use self::messages::{Originals, Which};
pub(crate) use self::queue::Jobs;
use crate::StoreError;
use crate::embedded::log::entry::Effect;

/// Effects, and what the caller is told once they are stored; or why the operation is refused.
pub(crate) type Planned<T> = Result<(Vec<Effect>, T), StoreError>;

/// Octets of what protocols, or the queue's workers, remember about a message.
const LARGEST_STRUCTURE: u64 = 1 << 20;

fn check_structure(octets: &[u8]) -> Result<(), StoreError> {
    let size = octets.len() as u64;
    StoreError::check(
        "what is remembered about a message",
        size,
        LARGEST_STRUCTURE,
    )
}
