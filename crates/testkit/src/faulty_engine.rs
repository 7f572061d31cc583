//! A store that fails when a test says so: what a broken disk does cannot be had otherwise. Whatever was not
//! told to fail is a real engine's own work.

use std::collections::HashMap;
use std::ops::RangeFrom;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use pillarbox_store::{EmbeddedOptions, EmbeddedStore, Engine, Spool, StoreError, Stores};
use tokio::sync::Semaphore;

/// A real engine, and what is to go wrong with it. Each call asks [`Faults`] by its trait and method, such as
/// `Mail::append`; pieces of content by `Spool::write`.
#[derive(Debug)]
pub struct FaultyEngine {
    real: Stores,
    faults: Arc<Faults>,
}

impl FaultyEngine {
    /// An engine with which nothing is wrong yet, as the server has it, and the way to make it fail.
    #[must_use]
    pub fn around(real: Stores) -> (Stores, Arc<Faults>) {
        let faults = Arc::new(Faults::default());
        let engine = Self {
            real,
            faults: Arc::clone(&faults),
        };
        (Stores::of(&Arc::new(engine)), faults)
    }

    /// An embedded engine with one shard in `folder`, which is made, and the way to make it fail.
    ///
    /// # Errors
    /// The engine's.
    pub fn embedded(folder: &Path) -> Result<(Stores, Arc<Faults>), StoreError> {
        let options = EmbeddedOptions {
            shards: 1,
            ..EmbeddedOptions::default()
        };
        let real = EmbeddedStore::open(folder, options)?;
        Ok(Self::around(Stores::of(&Arc::new(real))))
    }

    fn faulty_spool(&self, real: Box<dyn Spool>) -> Box<dyn Spool> {
        Box::new(FaultySpool {
            real,
            faults: Arc::clone(&self.faults),
        })
    }
}

/// What is to go wrong.
#[derive(Debug, Default)]
pub struct Faults(Mutex<HashMap<&'static str, Rule>>);

/// What is known of one method, or of all.
#[derive(Debug, Default)]
struct Rule {
    calls: u64,
    fails: Option<(RangeFrom<u64>, StoreError)>,
    gate: Option<Arc<Semaphore>>,
}

/// Stands for every method.
const ALL: &str = "*";

impl Faults {
    /// From now on every method that can fail does so.
    pub fn fail_all(&self, error: StoreError) {
        self.fail(ALL, 1, error);
    }

    /// The `nth` call of a method from now on fails, and so does every later one.
    pub fn fail(&self, method: &'static str, nth: u64, error: StoreError) {
        let mut rules = self.rules();
        let rule = rules.entry(method).or_default();
        rule.fails = Some((rule.calls + nth.., error));
    }

    /// The method fails no more.
    pub fn mend(&self, method: &'static str) {
        self.rules().entry(method).or_default().fails = None;
    }

    /// From now on calls of a method wait for a permit and keep it; closed, they fail with
    /// [`StoreError::Closed`].
    pub fn hold(&self, method: &'static str, permits: usize) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(permits));
        self.rules().entry(method).or_default().gate = Some(Arc::clone(&gate));
        gate
    }

    /// How often a method was called.
    pub fn calls(&self, method: &'static str) -> u64 {
        self.rules().get(method).map_or(0, |rule| rule.calls)
    }

    fn count(&self, method: &'static str) {
        for name in [ALL, method] {
            self.rules().entry(name).or_default().calls += 1;
        }
    }

    async fn check(&self, method: &'static str) -> Result<(), StoreError> {
        self.count(method);
        let gate = self.rules().get(method).and_then(|rule| rule.gate.clone());
        if let Some(gate) = gate {
            gate.acquire()
                .await
                .map_err(|_| StoreError::Closed)?
                .forget();
        }
        for name in [ALL, method] {
            if let Some(rule) = self.rules().get(name)
                && let Some((calls, error)) = &rule.fails
                && calls.contains(&rule.calls)
            {
                return Err(error.clone());
            }
        }
        Ok(())
    }

    fn rules(&self) -> MutexGuard<'_, HashMap<&'static str, Rule>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct FaultySpool {
    real: Box<dyn Spool>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Spool for FaultySpool {
    async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.faults.check("Spool::write").await?;
        self.real.write(piece).await
    }

    fn len(&self) -> u64 {
        self.real.len()
    }

    async fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, StoreError> {
        self.faults.check("Spool::read_at").await?;
        self.real.read_at(offset, length).await
    }
}

#[async_trait]
impl Engine for FaultyEngine {
    async fn close(&self) {
        self.real.close().await;
    }
}

mod generated {
    use std::time::Duration;

    use pillarbox_policy::{CleartextGrant, Grants, Ladder, Timestamp};
    use pillarbox_store::*;

    use super::FaultyEngine;

    include!(concat!(env!("OUT_DIR"), "/faulty_engine.rs"));
}
