//! A server from start to stop: opens the store, certificates and listeners, reloads on request without
//! dropping a connection, and ends in order.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pillarbox_store::{StoreError, Stores};
use pillarbox_transport::CertificateStore;
use tokio::task::JoinSet;

use super::certificates;
use crate::auth::{HashingError, LoginSecret};
use crate::core::config::{self, LogLevel, Settings};
use crate::core::shutdown::{Shutdown, ShutdownTrigger};
use crate::core::storage;
use crate::run::admin::AdminSocket;
use crate::run::listeners::{ListenError, Listeners};
use crate::session::context::Context;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store could not be opened.
    #[error("cannot open the store in {path}: {why}")]
    Store {
        /// The data folder.
        path: PathBuf,
        /// Why not.
        why: StoreError,
    },
    /// Another file in the data folder could not be used.
    #[error("cannot use the data folder {path}: {why}")]
    Data {
        /// The data folder.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// The listeners could not be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Authentication is not possible.
    #[error(transparent)]
    Hashing(#[from] HashingError),
}

/// A server that is running.
pub struct RunningServer {
    file: PathBuf,
    cx: Arc<Context>,
    certificates: Arc<CertificateStore>,
    addresses: BTreeMap<&'static str, Vec<SocketAddr>>,
    trigger: ShutdownTrigger,
    running: JoinSet<()>,
    set_log_level: Box<dyn Fn(LogLevel) + Send + Sync>,
}

impl RunningServer {
    /// Starts a server with `settings`, which were read from `file`. `set_log_level` is called when a reload
    /// changes it.
    ///
    /// # Errors
    /// See [`StartError`]. Nothing stays open.
    pub async fn start(
        file: &Path,
        settings: Settings,
        set_log_level: impl Fn(LogLevel) + Send + Sync + 'static,
    ) -> Result<Self, StartError> {
        for warning in settings.warnings() {
            tracing::warn!("{warning}");
        }
        // The certificates first: without one there is nothing to start for.
        let loaded = certificates::load(&settings.certificates, &settings.hostname);
        loaded.log();
        let certificates = CertificateStore::new(loaded.certificates);
        let listeners = Listeners::bind(&settings, &certificates)?;
        let data = settings.data.clone();
        let stores = storage::open(&settings)
            .await
            .map_err(|why| StartError::Store {
                path: data.clone(),
                why,
            })?;
        match Self::assemble(file, settings, certificates, listeners, &stores) {
            Ok(server) => Ok(Self {
                set_log_level: Box::new(set_log_level),
                ..server
            }),
            Err(error) => {
                stores.close().await;
                Err(error)
            }
        }
    }

    fn assemble(
        file: &Path,
        settings: Settings,
        certificates: Arc<CertificateStore>,
        listeners: Listeners,
        stores: &Stores,
    ) -> Result<Self, StartError> {
        let data = settings.data.clone();
        let unusable = |why| StartError::Data {
            path: data.clone(),
            why,
        };
        let secret = LoginSecret::open(&data).map_err(unusable)?;
        let admin = AdminSocket::bind(&data).map_err(unusable)?;
        let cx = Arc::new(Context::new(stores.clone(), secret, settings)?);
        let (trigger, shutdown) = Shutdown::new();
        let addresses = listeners.addresses.clone();
        for (listener, addresses) in &addresses {
            for address in addresses {
                tracing::info!(listener, %address, "listening");
            }
        }
        let mut running = listeners.serve(&cx, &shutdown);
        running.spawn(admin.run(Arc::clone(&cx), shutdown));
        tracing::info!(hostname = %cx.settings().hostname, "ready");
        Ok(Self {
            file: file.to_owned(),
            cx,
            certificates,
            addresses,
            trigger,
            running,
            set_log_level: Box::new(|_| ()),
        })
    }

    /// By listener, the addresses it listens on, with the ports that were chosen.
    #[must_use]
    pub fn addresses(&self) -> &BTreeMap<&'static str, Vec<SocketAddr>> {
        &self.addresses
    }

    /// Reads the configuration and the certificates again and puts in force what can be. What cannot is
    /// said, and stays as it is. No connection is dropped.
    pub fn reload(&self) {
        let old = self.cx.settings();
        let new = match config::load(&self.file) {
            Ok(new) => new,
            Err(error) => {
                tracing::error!(
                    "the configuration stays as it is, since the new one is wrong:\n{error}"
                );
                return;
            }
        };
        for warning in new.warnings() {
            tracing::warn!("{warning}");
        }
        for key in old.needs_restart(&new) {
            tracing::warn!(
                key,
                "this key was changed; restart the server to put it in force"
            );
        }
        self.reload_certificates(&new);
        if old.log.level != new.log.level {
            (self.set_log_level)(new.log.level);
        }
        self.cx.replace_settings(new.until_restart(&old));
        tracing::info!("configuration reloaded");
    }

    /// All or none: one broken file must not take away a certificate that works.
    fn reload_certificates(&self, settings: &Settings) {
        let loaded = certificates::load(&settings.certificates, &settings.hostname);
        loaded.log();
        if loaded.errors.is_empty() && self.certificates.replace(loaded.certificates).is_ok() {
            tracing::info!("certificates reloaded");
        } else {
            tracing::error!(
                "the certificates in force stay in force, since not all of the new ones can be used"
            );
        }
    }

    /// Stops: no new connections, sessions say goodbye and have `limits.shutdown_seconds` for it, then the
    /// store is closed.
    pub async fn stop(mut self) {
        tracing::info!("shutting down");
        self.trigger.request();
        while self.running.join_next().await.is_some() {}
        self.cx.stores.close().await;
        tracing::info!("stopped");
    }
}

impl std::fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningServer")
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}
