//! The box a password lives in, and the only way out of it.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{AccountLevel, Level, Refusal, TlsFacts};

/// A secret text: zeroed when dropped, never printed, compared in constant time.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over. The caller's buffer, where there is another, is the caller's to zero.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text. Callers hand it to a hash, a keyring or a sealed channel, nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.to_owned())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

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
