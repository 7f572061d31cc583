//! The ladder: how little confidentiality each account may still use on the server, and how it climbs.
//!
//! A pure function of the account's state, the session's channel and the time. It only climbs: by the
//! operator's date, or by itself (the ratchet). Going down needs an operator's dated [`Grant`].

use std::fmt;

use pillarbox_names::TlsStart;

use crate::{Channel, RefusalCode, Timestamp, TlsVersion};

/// The weakest way in that an account may still use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rung {
    /// Cleartext until this moment; STARTTLS from then on.
    Cleartext {
        /// The operator's date.
        until: Timestamp,
    },
    /// STARTTLS or better.
    StartTls,
    /// Implicit TLS only (S3-1).
    ImplicitTls,
}

impl Rung {
    fn height(self, now: Timestamp) -> u8 {
        match self {
            Self::Cleartext { until } if now < until => 0,
            Self::Cleartext { .. } | Self::StartTls => 1,
            Self::ImplicitTls => 2,
        }
    }
}

/// How the ladder climbs by itself: after `days` without any weaker use (S4.1-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratchet {
    /// Days without a weaker login after which the account moves up.
    pub days: u32,
}

/// An operator's dated permission to stand lower, with the reason (S4.1-12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The rung granted.
    pub rung: Rung,
    /// The least TLS version granted.
    pub least_version: TlsVersion,
    /// Why, in the operator's words. Kept on record.
    pub reason: String,
    /// When it was given.
    pub at: Timestamp,
}

/// Where one account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    rung: Rung,
    least_version: TlsVersion,
    /// When something weaker than implicit TLS on `least_version` last carried a login.
    weaker_use: Option<Timestamp>,
    since: Timestamp,
}

/// Proof that the ladder admits an account's login on a channel; asked for before a password is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission(());

/// The ladder does not admit this channel any more.
///
/// On a cleartext channel every refusal must have the same bytes and timing, so this never reaches the wire
/// there (S4.1-4, S4.1-5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LadderRefusal {
    /// The account may not use cleartext any more.
    NeedsTls,
    /// The account may not use STARTTLS any more.
    NeedsImplicitTls,
    /// The account needs a newer TLS version.
    NeedsVersion(TlsVersion),
}

impl LadderRefusal {
    /// The stable machine code.
    #[must_use]
    pub fn code(self) -> RefusalCode {
        match self {
            Self::NeedsTls => RefusalCode::PrivacyRequired,
            Self::NeedsImplicitTls => RefusalCode::LadderRung,
            Self::NeedsVersion(_) => RefusalCode::LevelTlsVersion,
        }
    }
}

impl fmt::Display for LadderRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsTls => f.write_str("this account may not log in without encryption"),
            Self::NeedsImplicitTls => {
                f.write_str("this account logs in on the TLS-only ports: 993, 995 and 465")
            }
            Self::NeedsVersion(version) => write!(f, "this account needs {version} or newer"),
        }
    }
}

impl Ladder {
    /// A new account: TLS from the first day, on either kind of port (S4.1-11, R8997-2).
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            rung: Rung::StartTls,
            least_version: TlsVersion::Tls12,
            weaker_use: None,
            since: now,
        }
    }

    /// Reads back what the store holds.
    #[must_use]
    pub fn restore(
        rung: Rung,
        least_version: TlsVersion,
        weaker_use: Option<Timestamp>,
        since: Timestamp,
    ) -> Self {
        Self {
            rung,
            least_version,
            weaker_use,
            since,
        }
    }

    /// The weakest way in.
    #[must_use]
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// The least TLS version.
    #[must_use]
    pub fn least_version(&self) -> TlsVersion {
        self.least_version
    }

    /// When something weaker than implicit TLS last carried a login.
    #[must_use]
    pub fn weaker_use(&self) -> Option<Timestamp> {
        self.weaker_use
    }

    /// Since when the account stands here.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Whether the account may log in over this channel now.
    ///
    /// # Errors
    /// What the account needs instead.
    pub fn admits(&self, channel: Channel<'_>, now: Timestamp) -> Result<Admission, LadderRefusal> {
        let height = self.rung.height(now);
        match channel {
            Channel::Clear(_) if height == 0 => Ok(Admission(())),
            Channel::Clear(_) => Err(LadderRefusal::NeedsTls),
            Channel::Sealed(facts) if facts.version() < self.least_version => {
                Err(LadderRefusal::NeedsVersion(self.least_version))
            }
            Channel::Sealed(facts) if height == 2 && facts.tls_start() == TlsStart::StartTls => {
                Err(LadderRefusal::NeedsImplicitTls)
            }
            Channel::Sealed(_) => Ok(Admission(())),
        }
    }

    /// Notes a successful login over `channel`.
    pub fn used(&mut self, channel: Channel<'_>, now: Timestamp) {
        let weaker = channel
            .facts()
            .is_none_or(|facts| facts.tls_start() == TlsStart::StartTls);
        if weaker {
            self.weaker_use = Some(now);
        }
    }

    /// Climbs by itself where nothing weaker was used for the ratchet's days. True when it moved.
    pub fn ratchet(&mut self, ratchet: Ratchet, now: Timestamp) -> bool {
        let quiet_since = self
            .weaker_use
            .map_or(self.since, |used| used.max(self.since));
        self.rung != Rung::ImplicitTls
            && now >= quiet_since.plus_days(ratchet.days)
            && self.climb(Rung::ImplicitTls, self.least_version, now)
    }

    /// Climbs to what the operator asks for; never down. True when it moved.
    pub fn climb(&mut self, rung: Rung, least_version: TlsVersion, now: Timestamp) -> bool {
        let higher_rung = rung.height(now) > self.rung.height(now)
            || matches!((rung, self.rung), (Rung::Cleartext { until }, Rung::Cleartext { until: current }) if until < current);
        let higher_version = least_version > self.least_version;
        if higher_rung {
            self.rung = rung;
        }
        if higher_version {
            self.least_version = least_version;
        }
        if higher_rung || higher_version {
            self.since = now;
        }
        higher_rung || higher_version
    }

    /// Stands where the operator's grant says, even if lower. The caller keeps the grant on record.
    pub fn grant(&mut self, grant: &Grant) {
        self.rung = grant.rung;
        self.least_version = grant.least_version;
        self.since = grant.at;
        self.weaker_use = None;
    }
}
