//! [`Authenticator`]: asks the ladder, checks the proof, puts the attempt on record, answers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use pillarbox_policy::{Admission, Channel, Ladder, Secret, Timestamp};
use pillarbox_proto::sasl::server::ScramOutcome;
use pillarbox_proto::sasl::{ScramKeys, prepare_password};
use pillarbox_store::{Account, Accounts, LadderMove, Logins, StoreError, Stores};

use super::handle::{AccountHandle, Denied, Outcome};
use super::hashing::{HashingPool, Verdict};
use super::remembered::Remembered;
use super::secret::LoginSecret;
use super::throttle::{FAILURE_DELAY, Throttle};
use crate::config::Settings;
use crate::{accounts, clock, login_record};

/// On a cleartext channel every refusal leaves this long after the attempt came in, or at the next whole
/// multiple, whatever was done meanwhile (S4.1-4).
const CLEARTEXT_PACE: Duration = Duration::from_secs(1);

/// How old the note of a weaker login may grow before it is written again: the ratchet counts days.
const WEAKER_USE_GRAIN: i64 = 3600;

/// Where an attempt comes from and how.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// Name of the listener.
    pub listener: &'a str,
    /// The client.
    pub remote: SocketAddr,
    /// What the session runs over.
    pub channel: Channel<'a>,
    /// SASL mechanism or command: `PLAIN`, `SCRAM-SHA-256-PLUS`, `LOGIN`, `USER`.
    pub mechanism: &'a str,
    /// What the client says it is (IMAP ID, EHLO name), where it did.
    pub client: Option<&'a str>,
}

/// The one way to log in. See the module's documentation for the order in which things happen.
#[derive(Debug)]
pub struct Authenticator {
    accounts: Arc<dyn Accounts>,
    logins: Arc<dyn Logins>,
    settings: Arc<ArcSwap<Settings>>,
    secret: LoginSecret,
    /// Checked for names that are no accounts; no password matches it.
    decoy: String,
    pool: HashingPool,
    remembered: Remembered,
    throttle: Throttle,
}

/// An attempt that was looked at: the account, if there is one, and what the ladder says.
struct Found {
    account: Option<Account>,
    admission: Result<Admission, Outcome>,
}

impl Authenticator {
    pub(crate) fn new(
        stores: &Stores,
        secret: LoginSecret,
        settings: Arc<ArcSwap<Settings>>,
    ) -> Result<Self, super::hashing::HashingError> {
        Ok(Self {
            accounts: Arc::clone(&stores.accounts),
            logins: Arc::clone(&stores.logins),
            settings,
            secret,
            decoy: super::hashing::decoy()?,
            pool: HashingPool::new(),
            remembered: Remembered::new()?,
            throttle: Throttle::default(),
        })
    }

    /// Checks a password.
    ///
    /// # Errors
    /// See [`Denied`].
    pub async fn password(
        &self,
        attempt: &Attempt<'_>,
        login: &str,
        password: Secret,
    ) -> Result<AccountHandle, Denied> {
        let begun = Instant::now();
        let found = self.find(attempt, login).await;
        let outcome = match &found.admission {
            // The ladder said no: the password is dropped unread (S4.1-4).
            Err(outcome) => Err(*outcome),
            Ok(admission) => self
                .check(found.account.as_ref(), password)
                .await
                .map(|()| *admission),
        };
        self.conclude(attempt, login, found.account, outcome, begun)
            .await
    }

    /// The SCRAM keys for a login name. Names that are no accounts, or may not log in over this channel,
    /// get keys of the same shape that are always the same for one name and match no password.
    ///
    /// # Errors
    /// [`Denied::TooManyFailures`], [`Denied::Unavailable`], or [`Denied::PrivacyRequired`] for either on a
    /// cleartext channel. The attempt is on record then; the exchange is over.
    pub async fn scram_keys(
        &self,
        attempt: &Attempt<'_>,
        login: &str,
    ) -> Result<ScramKeys, Denied> {
        let begun = Instant::now();
        let found = self.find(attempt, login).await;
        match (found.admission, found.account) {
            (Ok(_), Some(account)) => Ok(accounts::scram_keys(account.verifiers.scram_sha256)),
            (Ok(_), None) | (Err(Outcome::Ladder(_)), _) => {
                Ok(self.secret.decoy(&self.address_of(login)))
            }
            (Err(outcome), account) => {
                match self
                    .conclude(attempt, login, account, Err(outcome), begun)
                    .await
                {
                    Err(denied) => Err(denied),
                    Ok(_) => Err(Denied::Unavailable),
                }
            }
        }
    }

    /// Decides about a SCRAM exchange. To be asked *before* the server's final message is sent: the ladder
    /// may still refuse, and a client that was refused must not hold the server's signature.
    ///
    /// # Errors
    /// See [`Denied`]; always for [`ScramOutcome::Refuted`].
    pub async fn scram_finished(
        &self,
        attempt: &Attempt<'_>,
        login: &str,
        outcome: &ScramOutcome,
    ) -> Result<AccountHandle, Denied> {
        let begun = Instant::now();
        let found = self.find(attempt, login).await;
        let outcome = match (&found.admission, &found.account, outcome) {
            (Err(outcome), _, _) => Err(*outcome),
            (Ok(admission), Some(_), ScramOutcome::Proved(_)) => Ok(*admission),
            (Ok(_), _, _) => Err(Outcome::BadCredentials),
        };
        self.conclude(attempt, login, found.account, outcome, begun)
            .await
    }
}

/// The parts of an attempt.
impl Authenticator {
    /// Finds the account and asks its ladder. A name that is no account gets the ladder of a new one, so
    /// that both are refused, or go on, alike.
    async fn find(&self, attempt: &Attempt<'_>, login: &str) -> Found {
        let refused = |outcome| Found {
            account: None,
            admission: Err(outcome),
        };
        if !self
            .throttle
            .admits(login, attempt.remote.ip(), Instant::now())
        {
            return refused(Outcome::TooManyFailures);
        }
        let account = match self.accounts.find(&self.address_of(login)).await {
            Ok(account) => account,
            Err(error) => {
                tracing::error!(%error, "an account could not be looked up; logins are refused");
                return refused(Outcome::Unavailable);
            }
        };
        let now = clock::now();
        let ladder = account
            .as_ref()
            .map_or_else(|| Ladder::new(now), |account| account.ladder.clone());
        Found {
            account,
            admission: ladder.admits(attempt.channel, now).map_err(Outcome::Ladder),
        }
    }

    /// A login name is the full address, or its local part alone in the first domain (R6186-4).
    fn address_of(&self, login: &str) -> String {
        if login.contains('@') {
            return login.to_owned();
        }
        match self.settings.load().domains.first() {
            Some(domain) => format!("{login}@{domain}"),
            None => login.to_owned(),
        }
    }

    /// Checks a password, or does the same work for nobody.
    async fn check(&self, account: Option<&Account>, password: Secret) -> Result<(), Outcome> {
        let prepared = prepare_password(&password);
        let (Some(account), Ok(password)) = (account, prepared) else {
            return match self.pool.verify(password, self.decoy.clone()).await {
                Ok(_) => Err(Outcome::BadCredentials),
                Err(error) => Err(unavailable(&error)),
            };
        };
        let stored = &account.verifiers.argon2id;
        let digest = self.remembered.digest(account.id, stored, &password);
        if !self.remembered.knows(account.id, digest, Instant::now()) {
            match self.pool.verify(password, stored.clone()).await {
                Ok(Verdict::Right) => {
                    self.remembered.remember(account.id, digest, Instant::now());
                }
                Ok(Verdict::Wrong) => return Err(Outcome::BadCredentials),
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Ok(())
    }

    /// Puts the attempt on record and answers; a refusal at its own pace.
    async fn conclude(
        &self,
        attempt: &Attempt<'_>,
        login: &str,
        account: Option<Account>,
        result: Result<Admission, Outcome>,
        begun: Instant,
    ) -> Result<AccountHandle, Denied> {
        let now = clock::now();
        let (outcome, handle) = match (result, &account) {
            (Ok(admission), Some(account)) => (
                Outcome::Ok,
                Some(AccountHandle::new(
                    account.id,
                    account.address.clone(),
                    admission,
                )),
            ),
            (Ok(_), None) => (Outcome::BadCredentials, None),
            (Err(outcome), _) => (outcome, None),
        };
        let id = account.as_ref().map(|account| account.id);
        let record = login_record::record(attempt, login, id, outcome, now);
        login_record::log(&record);
        if let Err(error) = self.logins.record(record).await {
            tracing::error!(%error, "a login record could not be written");
        }
        if let (Some(handle), Some(account)) = (handle, account) {
            self.note_use(account, attempt.channel, now).await;
            return Ok(handle);
        }
        Err(self.refuse(attempt, login, outcome, begun).await)
    }

    /// Counts a refusal, waits, and says what the peer is told. On a cleartext channel nothing of this
    /// depends on why (S4.1-4, S4.1-5).
    async fn refuse(
        &self,
        attempt: &Attempt<'_>,
        login: &str,
        outcome: Outcome,
        begun: Instant,
    ) -> Denied {
        if !matches!(outcome, Outcome::TooManyFailures | Outcome::Unavailable) {
            self.throttle
                .failed(login, attempt.remote.ip(), Instant::now());
        }
        match (attempt.channel, outcome.denied_inside_tls()) {
            (Channel::Sealed(_), Some(denied)) => {
                tokio::time::sleep(FAILURE_DELAY).await;
                denied
            }
            _ => {
                tokio::time::sleep(until_next_pace(begun.elapsed())).await;
                Denied::PrivacyRequired
            }
        }
    }

    /// Notes on the ladder that something weaker than implicit TLS was used, at most once an hour.
    async fn note_use(&self, account: Account, channel: Channel<'_>, now: Timestamp) {
        if !is_worth_noting(&account.ladder, channel, now) {
            return;
        }
        let noted = async {
            let mut from = account.ladder;
            loop {
                let mut to = from.clone();
                to.used(channel, now);
                match self.accounts.move_ladder(account.id, &from, to).await? {
                    LadderMove::Moved => return Ok::<(), StoreError>(()),
                    // Somebody else moved it since the login began.
                    LadderMove::Changed { now } => from = now,
                }
            }
        };
        if let Err(error) = noted.await {
            tracing::error!(%error, account = account.address, "the use of a weaker channel could not be noted");
        }
    }
}

/// Whether [`Ladder::used`] would change what is stored by more than [`WEAKER_USE_GRAIN`].
fn is_worth_noting(ladder: &Ladder, channel: Channel<'_>, now: Timestamp) -> bool {
    let mut after = ladder.clone();
    after.used(channel, now);
    match (ladder.weaker_use(), after.weaker_use()) {
        (Some(before), Some(after)) => after.0.saturating_sub(before.0) >= WEAKER_USE_GRAIN,
        (before, after) => before != after,
    }
}

fn unavailable(error: &super::hashing::HashingError) -> Outcome {
    tracing::error!(%error, "a password could not be checked; the login is refused");
    Outcome::Unavailable
}

/// What is left until the next whole multiple of [`CLEARTEXT_PACE`].
fn until_next_pace(elapsed: Duration) -> Duration {
    let pace = CLEARTEXT_PACE.as_nanos();
    let left = pace - elapsed.as_nanos() % pace;
    u64::try_from(left).map_or(CLEARTEXT_PACE, Duration::from_nanos)
}
