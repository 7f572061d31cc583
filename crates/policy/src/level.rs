//! The client's side: the minimum confidentiality level of an account, and how it may be lowered.

use std::fmt;

use crate::{PeerProof, Refusal, Timestamp, TlsFacts, TlsVersion};

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

    /// Whether a session with these facts meets the level.
    ///
    /// # Errors
    /// The first way in which it falls short.
    pub fn permits(self, facts: &TlsFacts) -> Result<(), Refusal> {
        if facts.version() < self.least_version() {
            return Err(Refusal::Version {
                needed: self.least_version(),
                offered: facts.version(),
            });
        }
        if self == Self::Unprotected || facts.peer().authenticates_server() {
            return Ok(());
        }
        match facts.peer() {
            PeerProof::Pinned { .. } => Err(Refusal::PinOnly { level: self }),
            _ => Err(Refusal::Unauthenticated { level: self }),
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
        Consent {
            from: self.from,
            to: self.to,
            at,
        }
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
/// ```compile_fail,E0451
/// use pillarbox_policy::{Consent, Level, Timestamp};
/// let forged = Consent { from: Level::Default, to: Level::Unprotected, at: Timestamp(0) };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    from: Level,
    to: Level,
    at: Timestamp,
}

impl Consent {
    /// The level that was left.
    #[must_use]
    pub fn from(&self) -> Level {
        self.from
    }

    /// The level that was agreed to.
    #[must_use]
    pub fn to(&self) -> Level {
        self.to
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }
}

/// The level of one account with the consent that lowered it, if any (S5.2-2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLevel {
    current: Level,
    consent: Option<Consent>,
}

impl Default for AccountLevel {
    /// A minimum is required unless someone says otherwise (S5.2-1).
    fn default() -> Self {
        Self {
            current: Level::Default,
            consent: None,
        }
    }
}

impl AccountLevel {
    /// Reads back what was stored. A level below the default without the consent that goes with it was not
    /// written by us: it is put back to the default.
    #[must_use]
    pub fn restore(level: Level, consented_at: Option<Timestamp>) -> Self {
        match consented_at {
            Some(at) if level < Level::Default => Self {
                current: level,
                consent: Some(Consent {
                    from: Level::Default,
                    to: level,
                    at,
                }),
            },
            _ => Self {
                current: level.max(Level::Default),
                consent: None,
            },
        }
    }

    /// The level in force.
    #[must_use]
    pub fn current(&self) -> Level {
        self.current
    }

    /// The consent that lowered it, to be stored beside it.
    #[must_use]
    pub fn consent(&self) -> Option<&Consent> {
        self.consent.as_ref()
    }

    /// Raises the level; raising is free. A lower level than the current one changes nothing.
    pub fn raise(&mut self, to: Level) {
        if to > self.current {
            self.current = to;
            self.consent = self.consent.take().filter(|_| to < Level::Default);
        }
    }

    /// Asks to lower the level. `None` where `to` is not lower than the current level.
    pub fn lowering(&self, to: Level) -> Option<Lowering> {
        (to < self.current).then_some(Lowering {
            from: self.current,
            to,
        })
    }

    /// Lowers the level with a consent that was given for exactly this step. A consent for another step
    /// changes nothing.
    pub fn lower(&mut self, consent: Consent) {
        if consent.from == self.current && consent.to < self.current {
            self.current = consent.to;
            self.consent = Some(consent);
        }
    }
}
