//! The box a password lives in, and the only way out of it.

use std::fmt;

use crate::{AccountLevel, Level, Refusal, Secret, TlsFacts};

/// A login and its password, with the account's level inside. The password can be read only through
/// [`Credentials::release`].
///
/// ```
/// use pillarbox_policy::{AccountLevel, Credentials, Refusal, Secret, TlsFacts};
/// fn password_over(channel: &TlsFacts, credentials: &Credentials) -> Result<String, Refusal> {
///     Ok(credentials.release(channel)?.password().expose().to_owned())
/// }
/// ```
/// Without the facts of a finished handshake there is no way to it:
/// ```compile_fail,E0061
/// use pillarbox_policy::{Credentials, Refusal};
/// fn password_over_cleartext(credentials: &Credentials) -> Result<String, Refusal> {
///     Ok(credentials.release()?.password().expose().to_owned())
/// }
/// ```
/// ```compile_fail,E0616
/// use pillarbox_policy::{Credentials, Secret};
/// fn peek(credentials: &Credentials) -> &Secret {
///     &credentials.password
/// }
/// ```
#[derive(Clone)]
pub struct Credentials {
    login: String,
    password: Secret,
    level: Level,
}

impl Credentials {
    /// Boxes a login and password under the level of their account.
    #[must_use]
    pub fn new(login: impl Into<String>, password: Secret, level: &AccountLevel) -> Self {
        Self {
            login: login.into(),
            password,
            level: level.current(),
        }
    }

    /// The login name, which is no secret but is still sent only inside TLS.
    #[must_use]
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The level the account demands.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Opens the box for a session with these facts (S5-4, S5.2-8).
    ///
    /// # Errors
    /// The session does not meet the account's level.
    pub fn release<'a>(&'a self, facts: &'a TlsFacts) -> Result<Released<'a>, Refusal> {
        self.level.permits(facts)?;
        Ok(Released {
            credentials: self,
            facts,
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// Proof that policy cleared one channel for one account's password; lives no longer than either.
pub struct Released<'a> {
    credentials: &'a Credentials,
    facts: &'a TlsFacts,
}

impl<'a> Released<'a> {
    /// The login name.
    #[must_use]
    pub fn login(&self) -> &'a str {
        &self.credentials.login
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &'a Secret {
        &self.credentials.password
    }

    /// The channel it was cleared for.
    #[must_use]
    pub fn facts(&self) -> &'a TlsFacts {
        self.facts
    }
}

impl fmt::Debug for Released<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Released(..)")
    }
}
