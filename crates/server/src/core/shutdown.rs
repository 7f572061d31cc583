//! [`Shutdown`]: the signal on which sessions say goodbye and close.

use tokio::sync::watch;

/// Where the server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunState {
    Serving,
    ShuttingDown,
}

/// Tells a session when the server is shutting down. Clones see the same signal.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<RunState>);

/// Gives the signal.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<RunState>);

impl Shutdown {
    /// A signal and what gives it.
    #[must_use]
    pub fn new() -> (ShutdownTrigger, Self) {
        let (sender, receiver) = watch::channel(RunState::Serving);
        (ShutdownTrigger(sender), Self(receiver))
    }

    /// Whether the signal was given.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() == RunState::ShuttingDown
    }

    /// Waits until the signal is given; at once if it was. Cancel-safe. A trigger that was dropped counts as
    /// the signal, so that no session outlives the server by accident.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        let _dropped = receiver
            .wait_for(|state| *state == RunState::ShuttingDown)
            .await;
    }
}

impl ShutdownTrigger {
    /// Gives the signal, once and for all.
    pub fn request(&self) {
        self.0.send_replace(RunState::ShuttingDown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_hears_it_and_late_ones_too() {
        let (trigger, shutdown) = Shutdown::new();
        let early = shutdown.clone();
        assert!(!early.is_requested());
        trigger.request();
        early.requested().await;
        shutdown.clone().requested().await;
        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn a_dropped_trigger_ends_the_wait() {
        let (trigger, shutdown) = Shutdown::new();
        drop(trigger);
        shutdown.requested().await;
    }
}
