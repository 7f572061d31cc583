//! What every session is given: [`Context`], the same for all, and [`ListenerInfo`], where it came in.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pillarbox_names::{Label, Service, TlsStart};
use pillarbox_policy::LegacyWindow;
use pillarbox_store::Stores;
use pillarbox_transport::Acceptor;
use tokio::time::Instant;

use crate::auth::{Authenticator, HashingError, LoginSecret};
use crate::core::config::Settings;

/// How long a client has from its connection to its login, however lively it is meanwhile.
const LOGIN_WITHIN: Duration = Duration::from_secs(3 * 60);

/// What all sessions share.
#[derive(Debug)]
pub struct Context {
    /// Accounts, their mail, and what else is kept.
    pub stores: Stores,
    /// The one way to log in.
    pub authenticator: Authenticator,
    settings: Arc<ArcSwap<Settings>>,
    login_within: Duration,
}

impl Context {
    /// Puts a context together.
    ///
    /// # Errors
    /// The system has no randomness, which authentication needs.
    pub fn new(
        stores: Stores,
        secret: LoginSecret,
        settings: Settings,
    ) -> Result<Self, HashingError> {
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        Ok(Self {
            authenticator: Authenticator::new(&stores, secret, Arc::clone(&settings))?,
            stores,
            settings,
            login_within: LOGIN_WITHIN,
        })
    }

    /// The same with another time from connection to login; three minutes otherwise.
    #[must_use]
    pub fn with_login_within(mut self, time: Duration) -> Self {
        self.login_within = time;
        self
    }

    /// When a session that begins now, and has not logged in by then, is ended. An idle timeout alone would
    /// let strangers who send an octet now and then keep their places for ever.
    pub(crate) fn login_deadline(&self) -> Instant {
        Instant::now() + self.login_within
    }

    /// The configuration in force now. A session holds on to what it got for one command, not for ever: it
    /// changes on reload.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// The window for a login of `peer` in the clear, if an operator's grant is open to it at this moment (S4.1-12).
    /// To be asked at every login: a window serves one.
    pub(crate) async fn legacy_window(&self, peer: IpAddr) -> Option<LegacyWindow> {
        match self.stores.grants.grants().await {
            Ok(grants) => grants.window(peer),
            Err(error) => {
                tracing::error!(%error, "the grants cannot be read; logins in the clear are refused");
                None
            }
        }
    }

    /// Puts a new configuration in force, for every session from its next look on.
    pub fn replace_settings(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }
}

/// The listener a connection came in by.
#[derive(Debug, Clone)]
pub struct ListenerInfo {
    /// `imaps`, `pop3s`, `submissions`, `imap`, `pop3` or `submission`: its name in the configuration, logs
    /// and login records.
    pub name: &'static str,
    /// What it speaks.
    pub service: Service,
    /// How TLS begins on it.
    pub tls_start: TlsStart,
    /// Does the handshake, after STARTTLS where that is how TLS begins. To hold it is proof that there is a
    /// certificate, so STARTTLS may be offered (S4-6).
    pub acceptor: Acceptor,
}

impl ListenerInfo {
    /// Its name in types, for login records.
    #[must_use]
    pub fn label(&self) -> Label {
        Label::new(self.service, self.tls_start)
    }
}
