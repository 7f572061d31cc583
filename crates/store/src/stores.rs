//! [`Stores`]: what an engine offers, one handle for each trait.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Accounts, CleartextGrants, Leases, Logins, Mail, Queue, Wakeups};

/// What is the same for all traits of an engine.
#[async_trait]
pub trait Engine: Send + Sync + std::fmt::Debug + 'static {
    /// Ends the engine in order: waits for what is under way, then refuses with
    /// [`StoreError::Closed`](crate::StoreError::Closed).
    async fn close(&self);
}

/// An engine as the server has it. The handles may belong to different engines, as long as all know the same
/// accounts.
#[derive(Debug, Clone)]
pub struct Stores {
    /// Who has mail here.
    pub accounts: Arc<dyn Accounts>,
    /// The operator's exceptions for passwords in the clear.
    pub grants: Arc<dyn CleartextGrants>,
    /// Mailboxes and messages.
    pub mail: Arc<dyn Mail>,
    /// Authentication attempts on record.
    pub logins: Arc<dyn Logins>,
    /// Messages that wait to be brought to their recipients.
    pub queue: Arc<dyn Queue>,
    /// Maildrops in use.
    pub leases: Arc<dyn Leases>,
    /// Wake-ups for changes.
    pub wakeups: Arc<dyn Wakeups>,
    /// The engine as a whole.
    pub engine: Arc<dyn Engine>,
}

impl Stores {
    /// All handles to one engine.
    #[must_use]
    pub fn of<E>(engine: &Arc<E>) -> Self
    where
        E: Accounts + CleartextGrants + Mail + Logins + Queue + Leases + Wakeups + Engine,
    {
        Self {
            accounts: Arc::clone(engine) as _,
            grants: Arc::clone(engine) as _,
            mail: Arc::clone(engine) as _,
            logins: Arc::clone(engine) as _,
            queue: Arc::clone(engine) as _,
            leases: Arc::clone(engine) as _,
            wakeups: Arc::clone(engine) as _,
            engine: Arc::clone(engine) as _,
        }
    }

    /// Ends the engine in order.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}
