//! [`Account`]: a person's account as it has been seen to work, and how it is written down.

use pillarbox_discover::{Approved, Candidate, Source};
use pillarbox_names::{AccountAddress, Domain, Host, Label, Service, TlsStart};
use pillarbox_policy::{AccountLevel, ConsentRecord, Level, StoredLevel, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{NetworkSettings, PasswordPlace};

/// One server of an account (S2-7): name, port and how TLS begins. It was connected to and verified once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountServer {
    label: Label,
    host: Host,
    port: u16,
    source: Source,
}

impl AccountServer {
    /// A server that has been connected to and verified at the account's level.
    pub(crate) fn verified(approved: &Approved) -> Self {
        let candidate = approved.candidate();
        Self {
            label: candidate.label(),
            host: candidate.host().clone(),
            port: candidate.port(),
            source: candidate.source(),
        }
    }

    /// The service and how TLS begins.
    #[must_use]
    pub fn label(&self) -> Label {
        self.label
    }

    /// The host name.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the name came from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// The server again, to be connected to. It was approved when the account was set up, and the host name is
    /// the person's own configuration since (R7673-3).
    pub(crate) fn approved(&self, domain: &Domain) -> Approved {
        Candidate::configured(domain, self.label, self.host.clone(), self.port)
    }
}

impl std::fmt::Display for AccountServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tls = match self.label.start {
            TlsStart::Implicit => "implicit TLS",
            TlsStart::StartTls => "STARTTLS required",
        };
        write!(
            f,
            "{} at {}:{}, {tls}",
            self.label.service, self.host, self.port
        )
    }
}

/// An account whose access and submission servers were both connected to and verified at its level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The mail address.
    pub(crate) address: AccountAddress,
    /// The person's name, for From.
    pub(crate) name: Option<String>,
    /// The login name both servers took.
    pub(crate) login: String,
    pub(crate) level: AccountLevel,
    pub(crate) access: AccountServer,
    pub(crate) submission: AccountServer,
    pub(crate) password: PasswordPlace,
    pub(crate) network: NetworkSettings,
}

impl Account {
    /// The mail address.
    #[must_use]
    pub fn address(&self) -> &AccountAddress {
        &self.address
    }

    /// The person's name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The login name.
    #[must_use]
    pub fn login(&self) -> &str {
        &self.login
    }

    /// The minimum confidentiality level (S5.2-2).
    #[must_use]
    pub fn level(&self) -> &AccountLevel {
        &self.level
    }

    /// The level, to be changed. Lowering asks for a consent by its own types (S5.2-7).
    pub fn level_mut(&mut self) -> &mut AccountLevel {
        &mut self.level
    }

    /// The server mail is read from: IMAP or POP3.
    #[must_use]
    pub fn access(&self) -> &AccountServer {
        &self.access
    }

    /// The server mail is submitted to.
    #[must_use]
    pub fn submission(&self) -> &AccountServer {
        &self.submission
    }

    /// Where its password is kept.
    #[must_use]
    pub fn password_place(&self) -> PasswordPlace {
        self.password
    }

    /// The network it was set up in.
    #[must_use]
    pub fn network(&self) -> &NetworkSettings {
        &self.network
    }

    /// The TOML text it is stored as. Holds no password.
    pub(crate) fn to_text(&self) -> Result<String, AccountError> {
        let stored = Stored {
            address: self.address.to_string(),
            name: self.name.clone(),
            login: self.login.clone(),
            level: self.level.current().as_str().to_owned(),
            lowered: self.level.consent().map(|consent| StoredConsent {
                from: consent.from.as_str().to_owned(),
                to: consent.to.as_str().to_owned(),
                agreed: consent.at.0,
            }),
            password: self.password,
            access: StoredServer::of(&self.access),
            submission: StoredServer::of(&self.submission),
            network: self.network.clone(),
        };
        let text =
            toml::to_string_pretty(&stored).map_err(|why| AccountError::Text(why.to_string()))?;
        Ok(format!("{HEADER}{text}"))
    }

    /// Reads what [`Account::to_text`] wrote, or a person changed.
    ///
    /// # Errors
    /// Something is missing or unknown. Nothing is guessed in its place (S2-7).
    pub(crate) fn from_text(text: &str) -> Result<(Self, Option<LevelNotice>), AccountError> {
        let stored: Stored =
            toml::from_str(text).map_err(|why| AccountError::Text(why.to_string()))?;
        let address = AccountAddress::parse(&stored.address)
            .map_err(|why| AccountError::Text(why.to_string()))?;
        let (level, notice) = stored.level();
        let access = stored.access.server()?;
        let submission = stored.submission.server()?;
        for (section, server, fits) in [
            (
                "access",
                &access,
                access.label.service != Service::Submission,
            ),
            (
                "submission",
                &submission,
                submission.label.service == Service::Submission,
            ),
        ] {
            if !fits {
                let service = server.label.service.as_str();
                return Err(AccountError::Value {
                    section,
                    key: "service",
                    value: service.to_owned(),
                });
            }
        }
        let account = Self {
            address,
            name: stored.name,
            login: stored.login,
            level,
            access,
            submission,
            password: stored.password,
            network: stored.network,
        };
        Ok((account, notice))
    }
}

const HEADER: &str = "# Written by pillarbox. The password is not in here.\n\
    # Change the level with `pillarbox account level`, which explains what it means.\n\n";

/// Something about a stored level that the person has to be told (S5.2-7, S5-3).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LevelNotice {
    /// The file says a lower level than anyone agreed to. It is not followed; the text is the warning.
    LoweredByHand {
        /// What lowering means.
        warning: String,
    },
    /// The file says a level this program does not know. The strictest is used.
    Unknown {
        /// The word, shortened.
        word: String,
    },
}

impl std::fmt::Display for LevelNotice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LoweredByHand { warning } => write!(
                f,
                "the level in the account's file was lowered by hand and is not followed. {warning} To lower it \
                 all the same, use `pillarbox account level`."
            ),
            Self::Unknown { word } => write!(
                f,
                "the account's file asks for the level \"{word}\", which this program does not know; it uses the \
                 strictest, \"{}\"",
                Level::Tls13
            ),
        }
    }
}

/// An account's file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// It is not TOML, or a key is missing or unknown.
    #[error("the account is incomplete or damaged: {0}")]
    Text(String),
    /// A value has no meaning.
    #[error("the account is damaged: [{section}] {key} = \"{value}\" has no meaning")]
    Value {
        /// The table.
        section: &'static str,
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    login: String,
    level: String,
    password: PasswordPlace,
    #[serde(skip_serializing_if = "Option::is_none")]
    lowered: Option<StoredConsent>,
    access: StoredServer,
    submission: StoredServer,
    #[serde(default)]
    network: NetworkSettings,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredConsent {
    from: String,
    to: String,
    agreed: i64,
}

impl Stored {
    fn level(&self) -> (AccountLevel, Option<LevelNotice>) {
        let Some(level) = Level::from_name(&self.level) else {
            let word = crate::text::on_one_line(&self.level, 40);
            let mut strictest = AccountLevel::default();
            strictest.raise(Level::Tls13);
            return (strictest, Some(LevelNotice::Unknown { word }));
        };
        let consent = self.lowered.as_ref().and_then(StoredConsent::record);
        let restored = AccountLevel::restore_from_account_file(StoredLevel { level, consent });
        let notice = restored
            .lowering(level)
            .map(|lowering| LevelNotice::LoweredByHand {
                warning: lowering.warning(),
            });
        (restored, notice)
    }
}

impl StoredConsent {
    /// `None` where it names a level this program does not know.
    fn record(&self) -> Option<ConsentRecord> {
        Some(ConsentRecord {
            from: Level::from_name(&self.from)?,
            to: Level::from_name(&self.to)?,
            at: Timestamp(self.agreed),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredServer {
    service: String,
    host: String,
    port: u16,
    tls: String,
    found: String,
}

impl StoredServer {
    fn of(server: &AccountServer) -> Self {
        Self {
            service: server.label.service.as_str().to_owned(),
            host: server.host.to_string(),
            port: server.port,
            tls: server.label.start.as_str().to_owned(),
            found: found(server.source).to_owned(),
        }
    }

    fn server(&self) -> Result<AccountServer, AccountError> {
        let section = if self.service == Service::Submission.as_str() {
            "submission"
        } else {
            "access"
        };
        let value = |key, value: &str| AccountError::Value {
            section,
            key,
            value: crate::text::on_one_line(value, 100),
        };
        let label = Label::ALL
            .into_iter()
            .filter(|label| label.service.as_str() == self.service)
            .find(|label| label.start.as_str() == self.tls)
            .ok_or_else(|| value("service, tls", &format!("{}, {}", self.service, self.tls)))?;
        let source = [Source::Srv, Source::Convention, Source::Typed]
            .into_iter()
            .find(|source| found(*source) == self.found)
            .ok_or_else(|| value("found", &self.found))?;
        let host = Host::parse(&self.host).map_err(|_| value("host", &self.host))?;
        if self.port == 0 {
            return Err(value("port", "0"));
        }
        Ok(AccountServer {
            label,
            host,
            port: self.port,
            source,
        })
    }
}

/// The word a server's origin is stored as.
fn found(source: Source) -> &'static str {
    match source {
        Source::Srv => "srv",
        Source::Convention => "guess",
        Source::Typed => "typed",
    }
}

#[cfg(test)]
pub(crate) mod tests;
