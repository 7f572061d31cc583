//! The content of messages, on its way in and stored: in pieces, never whole in memory.

use std::any::Any;

use async_trait::async_trait;

use crate::StoreError;

/// Content on its way into the store, written piece by piece. Dropped unfinished, it leaves nothing behind.
///
/// [`Any`], so that an engine knows its own spools and need not copy them.
#[async_trait]
pub trait Spool: Any + Send + std::fmt::Debug {
    /// Adds a piece. Memory use stays bounded whatever the message's size.
    async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError>;

    /// Octets written so far.
    fn len(&self) -> u64;

    /// Whether nothing was written.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads back at most `length` octets from `offset`: fewer only at the end.
    async fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError>;
}

/// Stored content, read piece by piece. Stays readable while it is held, even if the message is expunged.
#[async_trait]
pub trait Body: Send + Sync + std::fmt::Debug {
    /// Octets in all.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads at most `length` octets from `offset`: fewer only at the end.
    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError>;
}
