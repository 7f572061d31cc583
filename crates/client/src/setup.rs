//! Set-up: from an address to an account that works.
//!
//! In this order, and none of it can be skipped: candidates (typed, SRV, guesses); the person's answer where
//! nothing else speaks for a host (S5.1-11); a connection in TLS at the level (S5.1-8); the password; a login
//! on the access server and one on the submission server; and only then the account is written (S5.4-1).
//! Failure stops and explains. Nothing falls back to less (C23).

use std::collections::VecDeque;

use pillarbox_discover::rank::{may_follow, rank};
use pillarbox_discover::{
    Approved, Candidate, Confirmation, DiscoverError, Entry, Found, NotConfirmed, Resolver,
    Verdict, conventional, search,
};
use pillarbox_names::{AccountAddress, Domain, Family, Host, Service};
use pillarbox_policy::{AccountLevel, Credentials, Level, RefusalCode, Secret};
use pillarbox_transport::Roots;

use crate::account::AccountServer;
use crate::session::{LoginError, Protocol, Session};
use crate::{
    Account, Accounts, AccountsError, ConnectError, Imap, Indicator, NetworkSettings,
    NetworkSettingsError, PasswordError, PasswordPlace, Passwords, Pop3, Submission, random,
};

/// What a person typed. Holes are filled by discovery.
#[derive(Debug, Clone)]
pub struct Entered {
    /// The mail address.
    pub address: AccountAddress,
    /// The person's name.
    pub name: Option<String>,
    /// The login name, where it is not the address or its local part (R6186-4).
    pub login: Option<String>,
    /// The level; the default unless the person chose another (S5.2-1).
    pub level: AccountLevel,
    /// The access server, where the person names it.
    pub access: Option<Candidate>,
    /// The submission server, where the person names it.
    pub submission: Option<Candidate>,
    /// Where the password is to be kept; the keyring if there is one.
    pub password_place: Option<PasswordPlace>,
    /// The person's own network.
    pub network: NetworkSettings,
}

/// What set-up is doing, to be shown.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stage<'a> {
    /// Asking DNS about a domain.
    Searching(&'a Domain),
    /// A host outside of the domain that signed DNS names; to be shown, not asked (S5.1-10).
    SignedElsewhere(&'a Candidate),
    /// Connecting to a server.
    Connecting(&'a Candidate),
    /// A server was verified at the level.
    Verified(&'a Candidate, &'a Indicator),
    /// A server is passed over.
    PassedOver(&'a Candidate, &'a ConnectError),
    /// Logging in.
    LoggingIn(&'a Candidate, &'a str),
    /// The server does not take this form of the login name; another is tried (R6186-4).
    OtherLogin(&'a str),
    /// The password is kept here.
    PasswordKept(PasswordPlace),
}

/// The person set-up talks to.
pub trait Person {
    /// Shows what is going on.
    fn tell(&mut self, stage: &Stage<'_>);

    /// Asks whether a host is right. Nothing has been connected to. `None` means no, or nobody to ask.
    fn confirm(&mut self, question: &NotConfirmed) -> Option<Confirmation>;

    /// Asks for the password, showing the sign of each server it will be sent to (S5-8). `None` means that the
    /// person does not want to go on.
    fn password(
        &mut self,
        address: &AccountAddress,
        servers: &[(Candidate, Indicator)],
    ) -> Option<Secret>;
}

/// Why there is no account. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The account exists.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// Looking for servers.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// The person's own network.
    #[error(transparent)]
    Network(#[from] NetworkSettingsError),
    /// The domain says that it has no such service (R6186-1).
    #[error("{domain} says that it offers no {}", family_name(*family))]
    NotOffered {
        /// The domain.
        domain: Domain,
        /// What it does not offer.
        family: Family,
    },
    /// The domain says nothing, and no customary name exists either.
    #[error(
        "nothing says where {domain} has its {}; ask your provider, and name the server with {}",
        family_name(*family), family_option(*family)
    )]
    Nothing {
        /// The domain.
        domain: Domain,
        /// What was looked for.
        family: Family,
    },
    /// A host was not confirmed. It was not connected to.
    #[error("{0}. It was not connected to")]
    NotConfirmed(#[from] NotConfirmed),
    /// No server could be reached in TLS at the level.
    #[error("no {} of {domain} can be used at level \"{level}\":{}\nNo password was asked for or sent", family_name(*family), explained(tried))]
    NoServer {
        /// The domain.
        domain: Domain,
        /// What was looked for.
        family: Family,
        /// The level.
        level: Level,
        /// Every server that was tried, with what stood against it.
        tried: Vec<(Candidate, ConnectError)>,
    },
    /// A verified server could not be connected to again for the login.
    #[error("{server}: {why}")]
    Connect {
        /// The server.
        server: Box<Candidate>,
        /// Why not.
        why: ConnectError,
    },
    /// A server does not take the login and password.
    #[error("{server}: {why}\nNo account was set up")]
    Login {
        /// The server.
        server: Box<Candidate>,
        /// Why not.
        why: LoginError,
    },
    /// The person stopped.
    #[error("stopped; no account was set up and no password was sent")]
    Stopped,
    /// The password could not be kept.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl SetupError {
    /// The stable machine code, where security is what it is about: of several servers, the first's.
    #[must_use]
    pub fn code(&self) -> Option<RefusalCode> {
        match self {
            Self::Discover(why) => why.code(),
            Self::NotConfirmed(why) => Some(why.code()),
            Self::NoServer { tried, .. } => tried.iter().find_map(|(_, why)| why.code()),
            Self::Connect { why, .. } => why.code(),
            Self::Login { why, .. } => why.code(),
            _ => None,
        }
    }
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Access => "mail access (IMAP or POP3)",
        Family::Submission => "mail submission",
    }
}

fn family_option(family: Family) -> &'static str {
    match family {
        Family::Access => "--imap HOST[:PORT] or --pop3 HOST[:PORT]",
        Family::Submission => "--submission HOST[:PORT]",
    }
}

fn explained(tried: &[(Candidate, ConnectError)]) -> String {
    tried
        .iter()
        .map(|(server, why)| format!("\n  {server}: {why}"))
        .chain(
            tried
                .iter()
                .any(|(_, why)| why.code() == Some(RefusalCode::CertChain))
                .then(|| {
                    "\nIf your provider has a certificate authority of its own, ask for its file and add --ca-file FILE"
                        .to_owned()
                }),
        )
        .collect()
}

/// Sets an account up, and stores it once both its servers were verified and took the login.
///
/// # Errors
/// See [`SetupError`]. Nothing was written.
pub async fn set_up(
    entered: &Entered,
    accounts: &Accounts,
    passwords: &Passwords,
    person: &mut dyn Person,
) -> Result<Account, SetupError> {
    let address = &entered.address;
    if accounts.has(address) {
        return Err(AccountsError::Exists(address.clone()).into());
    }
    let mut setup = Setup {
        entered,
        resolver: entered.network.resolver()?,
        roots: entered.network.roots()?,
        confirmations: Vec::new(),
        declined: Vec::new(),
        person,
    };
    let (access, submission) = setup.servers().await?;
    let servers =
        [&access, &submission].map(|(server, sign)| (server.candidate().clone(), sign.clone()));
    let password = setup
        .person
        .password(address, &servers)
        .ok_or(SetupError::Stopped)?;
    let login = setup.log_in_to_access(&access.0, &password).await?;
    setup.log_in(&submission.0, &login, &password).await?;
    let place = passwords
        .store(address, &password, entered.password_place)
        .await?;
    setup.person.tell(&Stage::PasswordKept(place));
    let account = Account {
        address: address.clone(),
        name: entered.name.clone(),
        login,
        level: entered.level.clone(),
        access: AccountServer::verified(&access.0),
        submission: AccountServer::verified(&submission.0),
        password: place,
        network: entered.network.clone(),
    };
    accounts.save(&account)?;
    Ok(account)
}

struct Setup<'a> {
    entered: &'a Entered,
    resolver: Resolver,
    roots: Roots,
    confirmations: Vec<Confirmation>,
    /// Hosts that were said no to; nobody is asked twice.
    declined: Vec<Host>,
    person: &'a mut dyn Person,
}

/// A server that was connected to and verified at the level, with the sign of that connection.
type Verified = (Approved, Indicator);

/// Where the next candidate comes from.
enum Choices {
    /// SRV records, ranked anew each time.
    Advertised(Vec<Entry>),
    /// A list in order.
    Listed(VecDeque<Candidate>),
}

impl Choices {
    /// The next one. It does not come again: whoever takes it uses it, or it is out.
    fn next(&mut self, domain: &Domain, family: Family) -> Option<Candidate> {
        match self {
            Self::Listed(list) => list.pop_front(),
            Self::Advertised(entries) => {
                let next = rank(domain, family, entries, &mut random::below)
                    .into_iter()
                    .next()?;
                let is_next = |entry: &&mut Entry| {
                    (entry.label, &entry.target, entry.port)
                        == (next.label(), next.host(), next.port())
                };
                entries
                    .iter_mut()
                    .filter(is_next)
                    .for_each(|entry| entry.verdict = Verdict::Out);
                Some(next)
            }
        }
    }
}

impl Setup<'_> {
    fn domain(&self) -> &Domain {
        self.entered.address.domain()
    }

    fn level(&self) -> Level {
        self.entered.level.current()
    }

    /// One verified server of each family.
    async fn servers(&mut self) -> Result<(Verified, Verified), SetupError> {
        let Entered {
            access, submission, ..
        } = self.entered;
        let (found_access, found_submission) = match (access, submission) {
            (Some(_), Some(_)) => (Found::Nothing, Found::Nothing),
            _ => {
                self.person
                    .tell(&Stage::Searching(self.entered.address.domain()));
                search(&self.resolver, self.domain()).await?
            }
        };
        let access = self
            .server(Family::Access, access.as_ref(), found_access)
            .await?;
        let submission = self
            .server(Family::Submission, submission.as_ref(), found_submission)
            .await?;
        Ok((access, submission))
    }

    async fn server(
        &mut self,
        family: Family,
        typed: Option<&Candidate>,
        found: Found,
    ) -> Result<Verified, SetupError> {
        let domain = self.domain().clone();
        let choices = match (typed, found) {
            (Some(typed), _) => Choices::Listed(vec![typed.clone()].into()),
            (None, Found::Advertised(entries)) => Choices::Advertised(entries),
            (None, Found::NotOffered) => return Err(SetupError::NotOffered { domain, family }),
            (None, Found::Nothing) => {
                let mut guesses = VecDeque::new();
                for guess in conventional(&domain, family) {
                    if !self
                        .resolver
                        .addresses(guess.host())
                        .await?
                        .addresses
                        .is_empty()
                    {
                        guesses.push_back(guess);
                    }
                }
                if guesses.is_empty() {
                    return Err(SetupError::Nothing { domain, family });
                }
                Choices::Listed(guesses)
            }
        };
        self.first_that_works(family, choices).await
    }

    /// The first candidate that may be connected to, can be, and is at the level. One that is below the level
    /// or cannot be reached is out, and the rest is ranked anew without it (S5.1-3, S5.1-4); after implicit
    /// TLS failed, STARTTLS is not tried (C23).
    async fn first_that_works(
        &mut self,
        family: Family,
        mut choices: Choices,
    ) -> Result<Verified, SetupError> {
        let domain = self.domain().clone();
        let mut tried: Vec<(Candidate, ConnectError)> = Vec::new();
        let mut unconfirmed = None;
        while let Some(candidate) = choices.next(&domain, family) {
            if !tried
                .iter()
                .all(|(failed, _)| may_follow(failed, &candidate))
            {
                continue;
            }
            let approved = match self.approved(&candidate) {
                Ok(approved) => approved,
                Err(question) => {
                    unconfirmed.get_or_insert(question);
                    continue;
                }
            };
            self.person.tell(&Stage::Connecting(&candidate));
            let sign = match candidate.service() {
                Service::Imap => self.sign::<Imap>(&approved).await,
                Service::Pop3 => self.sign::<Pop3>(&approved).await,
                Service::Submission => self.sign::<Submission>(&approved).await,
            };
            match sign {
                Ok(sign) => {
                    self.person.tell(&Stage::Verified(&candidate, &sign));
                    return Ok((approved, sign));
                }
                Err(why) => {
                    self.person.tell(&Stage::PassedOver(&candidate, &why));
                    tried.push((candidate, why));
                }
            }
        }
        match unconfirmed {
            Some(question) if tried.is_empty() => Err(question.into()),
            _ => Err(SetupError::NoServer {
                domain,
                family,
                level: self.level(),
                tried,
            }),
        }
    }

    fn approved(&mut self, candidate: &Candidate) -> Result<Approved, NotConfirmed> {
        match candidate.approve(&self.confirmations) {
            Ok(approved) => {
                if matches!(candidate.trust(), pillarbox_discover::Trust::Signed) {
                    self.person.tell(&Stage::SignedElsewhere(candidate));
                }
                Ok(approved)
            }
            Err(question) => {
                if self.declined.contains(&question.host) {
                    return Err(question);
                }
                let Some(answer) = self.person.confirm(&question) else {
                    self.declined.push(question.host.clone());
                    return Err(question);
                };
                self.confirmations.push(answer);
                candidate.approve(&self.confirmations)
            }
        }
    }

    /// Logs in with the full address first, then its local part (R6186-4); answers which was taken.
    async fn log_in_to_access(
        &mut self,
        server: &Approved,
        password: &Secret,
    ) -> Result<String, SetupError> {
        let forms = match &self.entered.login {
            Some(login) => vec![login.clone()],
            None => vec![
                self.entered.address.to_string(),
                self.entered.address.local_part().to_owned(),
            ],
        };
        let mut refusal = None;
        for login in forms {
            if refusal.is_some() {
                self.person.tell(&Stage::OtherLogin(&login));
            }
            match self.log_in(server, &login, password).await {
                Err(SetupError::Login {
                    server,
                    why: why @ LoginError::Refused { .. },
                }) => {
                    refusal.get_or_insert(SetupError::Login { server, why });
                }
                Ok(()) => return Ok(login),
                Err(why) => return Err(why),
            }
        }
        Err(refusal.unwrap_or(SetupError::Stopped))
    }

    async fn log_in(
        &mut self,
        server: &Approved,
        login: &str,
        password: &Secret,
    ) -> Result<(), SetupError> {
        let candidate = server.candidate();
        self.person.tell(&Stage::LoggingIn(candidate, login));
        let credentials = Credentials::new(login, password.clone(), &self.entered.level);
        match candidate.service() {
            Service::Imap => self.log_in_by::<Imap>(server, credentials).await,
            Service::Pop3 => self.log_in_by::<Pop3>(server, credentials).await,
            Service::Submission => self.log_in_by::<Submission>(server, credentials).await,
        }
    }

    /// The sign of a connection to this server, which has then been verified.
    async fn sign<P: Protocol>(&self, server: &Approved) -> Result<Indicator, ConnectError> {
        let session = self.connect::<P>(server).await?;
        let sign = session.indicator();
        session.close().await;
        Ok(sign)
    }

    async fn log_in_by<P: Protocol>(
        &self,
        server: &Approved,
        credentials: Credentials,
    ) -> Result<(), SetupError> {
        let named = || Box::new(server.candidate().clone());
        let session = self.connect::<P>(server).await;
        let session = session.map_err(|why| SetupError::Connect {
            server: named(),
            why,
        })?;
        let session = session.log_in(credentials).await;
        let session = session.map_err(|why| SetupError::Login {
            server: named(),
            why,
        })?;
        session.close().await;
        Ok(())
    }

    async fn connect<P: Protocol>(&self, server: &Approved) -> Result<Session<P>, ConnectError> {
        Session::open(server, self.level(), &self.resolver, &self.roots).await
    }
}
