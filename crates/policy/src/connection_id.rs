//! [`ConnectionId`]: which connection facts, channels and permits belong to.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// One connection of this process. Numbers are never used twice, so what carries one belongs to that
/// connection and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The identity of a connection that has just been made.
    #[must_use]
    pub fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
