//! The client's side: the minimum confidentiality level of an account, and how it may be lowered.

use std::fmt;

use crate::{Timestamp, TlsVersion};

/// The minimum confidentiality of an account (S5-3, S5.2-*). Ordered: a later variant asks for more.
///
/// A level is stored by its name, never as a copy of what it meant that day, so that raising what
/// [`Level::Default`] means raises every account that has it (S5.2-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// No minimum. Named for what it is; TLS is still used, since no Pillarbox client has a way to send a
    /// password without it.
    Unprotected,
    /// A validated server certificate (PKIX or DANE) and TLS 1.2 or newer (S5.2-3, R8997-5).
    Default,
    /// A validated server certificate and TLS 1.3.
    Tls13,
}

impl Level {
    /// Every level, weakest first.
    pub const ALL: [Self; 3] = [Self::Unprotected, Self::Default, Self::Tls13];

    /// The name that is stored and typed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unprotected => "unprotected",
            Self::Default => "default",
            Self::Tls13 => "tls13",
        }
    }

    /// The level with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }

    /// The oldest TLS version that meets this level.
    #[must_use]
    pub fn least_version(self) -> TlsVersion {
        match self {
            Self::Unprotected | Self::Default => TlsVersion::Tls12,
            Self::Tls13 => TlsVersion::Tls13,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A lowering that has been asked for and not yet agreed to. Holds the warning that must be shown first
/// (S5.2-7).
#[derive(Debug)]
#[must_use = "show the warning, then call `agreed`"]
pub struct Lowering {
    from: Level,
    to: Level,
}

impl Lowering {
    /// What the person has to read before agreeing. Names both passwords and messages (S5.2-7).
    #[must_use]
    pub fn warning(&self) -> String {
        let Self { from, to } = self;
        match to {
            Level::Unprotected => format!(
                "Lowering the level from \"{from}\" to \"{to}\" gives no privacy for passwords or messages: \
                 somebody on the way can pretend to be your mail server, learn your password and read your mail."
            ),
            Level::Default | Level::Tls13 => format!(
                "Lowering the level from \"{from}\" to \"{to}\" lets your password and messages travel over \
                 older encryption (TLS 1.2) than you had asked for."
            ),
        }
    }

    /// The person read the warning and agreed, at this time.
    #[must_use]
    pub fn agreed(self, at: Timestamp) -> Consent {
        Consent(ConsentRecord {
            from: self.from,
            to: self.to,
            at,
        })
    }
}

/// A person's dated agreement to one lowering, given after the warning. It is stored with the account.
///
/// It comes from [`Lowering::agreed`] and nowhere else:
/// ```
/// use pillarbox_policy::{AccountLevel, Level, Timestamp};
/// let mut account = AccountLevel::default();
/// let lowering = account.lowering(Level::Unprotected).expect("it is lower");
/// eprintln!("{}", lowering.warning());
/// account.lower(lowering.agreed(Timestamp(1_800_000_000)));
/// assert_eq!(account.current(), Level::Unprotected);
/// ```
/// ```compile_fail,E0423
/// use pillarbox_policy::{Consent, ConsentRecord};
/// fn forge(loose: ConsentRecord) -> Consent {
///     Consent(loose)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Consent(ConsentRecord);

/// What a [`Consent`] was to. A copy for files and screens: nothing is lowered with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsentRecord {
    /// The level that was left.
    pub from: Level,
    /// The level that was agreed to.
    pub to: Level,
    /// When.
    pub at: Timestamp,
}

/// What an account's file says about its level. Loose values: only
/// [`AccountLevel::restore_from_account_file`] makes more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredLevel {
    /// The level in force.
    pub level: Level,
    /// The consent that lowered it, if one did.
    pub consent: Option<ConsentRecord>,
}

/// The level of one account with the consent that lowered it, if any (S5.2-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLevel(StoredLevel);

impl Default for AccountLevel {
    /// A minimum is required unless someone says otherwise (S5.2-1).
    fn default() -> Self {
        Self(StoredLevel {
            level: Level::Default,
            consent: None,
        })
    }
}

impl AccountLevel {
    /// Reads back what the account's own file holds. To be called by its reader alone; a house test holds that.
    ///
    /// A consent counts only whole: for a lowering, and to the very level that is stored. A level below the default
    /// without one was not written by us, and is put back to the default.
    #[must_use]
    pub fn restore_from_account_file(stored: StoredLevel) -> Self {
        let StoredLevel { level, consent } = stored;
        let consent = consent.filter(|consent| consent.to == level && level < consent.from);
        Self(StoredLevel {
            level: match consent {
                Some(_) => level,
                None => level.max(Level::Default),
            },
            consent,
        })
    }

    /// What has to be stored, whole, so that [`AccountLevel::restore_from_account_file`] answers the same again.
    #[must_use]
    pub fn to_store(&self) -> StoredLevel {
        self.0
    }

    /// The level in force.
    #[must_use]
    pub fn current(&self) -> Level {
        self.0.level
    }

    /// The consent that lowered it.
    #[must_use]
    pub fn consent(&self) -> Option<ConsentRecord> {
        self.0.consent
    }

    /// Raises the level; raising is free. A lower level than the current one changes nothing.
    pub fn raise(&mut self, to: Level) {
        if to > self.0.level {
            self.0 = StoredLevel {
                level: to,
                consent: None,
            };
        }
    }

    /// Asks to lower the level. `None` where `to` is not lower than the current level.
    pub fn lowering(&self, to: Level) -> Option<Lowering> {
        (to < self.0.level).then_some(Lowering {
            from: self.0.level,
            to,
        })
    }

    /// Lowers the level with a consent that was given for exactly this step. A consent for another step
    /// changes nothing.
    pub fn lower(&mut self, Consent(consent): Consent) {
        if consent.from == self.0.level {
            self.0 = StoredLevel {
                level: consent.to,
                consent: Some(consent),
            };
        }
    }
}
