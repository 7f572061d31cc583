//! [`Authenticator`]: asks the ladder, checks the proof, puts the attempt on record, answers.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pillarbox_policy::{
    Admission, Channel, Ladder, LoginAbort, LoginOutcome, LoginRefusal, Secret, Timestamp,
};
use pillarbox_proto::sasl::server::ScramOutcome;
use pillarbox_proto::sasl::{
    LoginAnswer, LoginEvent, LoginMethod, LoginQuestion, Nonce, prepare_password,
};
use pillarbox_store::{Account, Accounts, LadderMove, Logins, StoreError, Stores};
use pillarbox_transport::random;
use tokio::time::Instant;

use super::handle::AccountHandle;
use super::hashing::{HashingPool, Verdict};
use super::origin::Origin;
use super::record;
use super::remembered::Remembered;
use super::scram::scram_keys;
use super::secret::LoginSecret;
use super::throttle::{FAILURE_DELAY, Throttle};
use crate::core::clock;
use crate::core::config::Settings;

/// On a cleartext channel every refusal leaves this long after the attempt came in, or at the next whole
/// multiple, whatever was done meanwhile (S4.1-4).
const CLEARTEXT_PACE: Duration = Duration::from_secs(1);

/// How old the note of a weaker login may grow before it is written again: the ratchet counts days.
const WEAKER_USE_GRAIN: i64 = 3600;

/// The logins of one session: what is known of the attempt under way, and who is logged in.
#[derive(Debug, Default)]
pub struct SessionLogins {
    /// When the question came whose answer is a refusal.
    begun: Option<Instant>,
    /// The salt of the keys that an exchange under way was begun with.
    salt: Option<Vec<u8>>,
    /// Accepted, and not yet at the end of the exchange.
    accepted: Option<(Account, Admission)>,
    account: Option<AccountHandle>,
}

impl SessionLogins {
    /// Who is logged in.
    #[must_use]
    pub fn account(&self) -> Option<&AccountHandle> {
        self.account.as_ref()
    }

    /// Who is logged in, to be kept by the caller.
    pub(crate) fn take_account(&mut self) -> Option<AccountHandle> {
        self.account.take()
    }

    fn asked(&mut self) {
        self.begun = Some(Instant::now());
        self.accepted = None;
    }

    /// The answer to a password or a proof that was looked at.
    fn decided(&mut self, found: Found, verdict: Result<(), LoginRefusal>) -> LoginAnswer {
        match (found.admission, verdict, found.account) {
            (Err(refusal), _, _) | (Ok(_), Err(refusal), _) => LoginAnswer::Refuse(refusal),
            (Ok(admission), Ok(()), Some(account)) => {
                self.accepted = Some((account, admission));
                LoginAnswer::Accept
            }
            (Ok(_), Ok(()), None) => LoginAnswer::Refuse(LoginRefusal::Credentials),
        }
    }
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

/// A login that was looked at: the account, if there is one, and what the ladder says.
struct Found {
    account: Option<Account>,
    admission: Result<Admission, LoginRefusal>,
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

    /// Answers everything a machine asks about a login, for every protocol. The end of an attempt is on record
    /// when this returns, and a refusal leaves at its own pace.
    pub async fn answer(
        &self,
        logins: &mut SessionLogins,
        origin: &Origin<'_>,
        event: LoginEvent,
    ) -> LoginAnswer {
        match event.question {
            LoginQuestion::Nonce => match random::bytes() {
                Ok(random) => LoginAnswer::Nonce(Nonce::from_random(*random)),
                Err(error) => {
                    tracing::error!(%error, "logins are refused");
                    LoginAnswer::Refuse(LoginRefusal::Unavailable)
                }
            },
            LoginQuestion::ScramKeys { login } => {
                logins.asked();
                self.scram_keys(logins, origin, &login).await
            }
            LoginQuestion::Password { login, password } => {
                logins.asked();
                let found = self.find(origin, &login).await;
                let verdict = match found.admission {
                    // The ladder said no: the password is dropped unread (S4.1-4).
                    Err(refusal) => Err(refusal),
                    Ok(_) => self.check(found.account.as_ref(), password).await,
                };
                logins.decided(found, verdict)
            }
            LoginQuestion::Proof { login, outcome } => {
                logins.asked();
                let found = self.find(origin, &login).await;
                let salt = logins.salt.take();
                let verdict = match (outcome, &found.account) {
                    // A password that was changed since has another salt.
                    (ScramOutcome::Proved(_), Some(account))
                        if salt.as_ref() == Some(&account.verifiers.scram_sha256.salt) =>
                    {
                        Ok(())
                    }
                    _ => Err(LoginRefusal::Credentials),
                };
                logins.decided(found, verdict)
            }
            LoginQuestion::Ended { login, outcome } => {
                let end = End {
                    method: event.method,
                    login: login.unwrap_or_default(),
                    outcome,
                };
                self.conclude(logins, origin, end).await;
                LoginAnswer::Recorded
            }
        }
    }
}

/// How an attempt ended.
struct End {
    method: LoginMethod,
    /// Empty where the client did not come to say it.
    login: String,
    outcome: LoginOutcome,
}

/// The parts of an attempt.
impl Authenticator {
    /// Finds the account and asks its ladder. A name that is no account gets the ladder of a new one, so
    /// that both are refused, or go on, alike.
    async fn find(&self, origin: &Origin<'_>, login: &str) -> Found {
        let refused = |refusal| Found {
            account: None,
            admission: Err(refusal),
        };
        let address = self.address_of(login);
        if !self
            .throttle
            .admits(&address, origin.remote.ip(), Instant::now().into_std())
        {
            return refused(LoginRefusal::TooManyFailures);
        }
        let account = match self.accounts.find(&address).await {
            Ok(account) => account,
            Err(error) => {
                tracing::error!(%error, "an account could not be looked up; logins are refused");
                return refused(LoginRefusal::Unavailable);
            }
        };
        let now = clock::now();
        let ladder = account
            .as_ref()
            .map_or_else(|| Ladder::new(now), |account| account.ladder.clone());
        Found {
            account,
            admission: ladder
                .admits(origin.channel, now)
                .map_err(LoginRefusal::Ladder),
        }
    }

    /// The SCRAM keys of a login. Names that are no accounts, or may not log in over this channel, get keys of the
    /// same shape that are always the same for one name and match no password.
    async fn scram_keys(
        &self,
        logins: &mut SessionLogins,
        origin: &Origin<'_>,
        login: &str,
    ) -> LoginAnswer {
        let found = self.find(origin, login).await;
        match (found.admission, found.account) {
            (Ok(_), Some(account)) => {
                let keys = account.verifiers.scram_sha256;
                logins.salt = Some(keys.salt.clone());
                LoginAnswer::Keys(scram_keys(keys))
            }
            (Ok(_), None) | (Err(LoginRefusal::Ladder(_)), _) => {
                LoginAnswer::Keys(self.secret.decoy(&self.address_of(login)))
            }
            (Err(refusal), _) => LoginAnswer::Refuse(refusal),
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
    async fn check(&self, account: Option<&Account>, password: Secret) -> Result<(), LoginRefusal> {
        let prepared = prepare_password(&password);
        let (Some(account), Ok(password)) = (account, prepared) else {
            return match self.pool.verify(password, self.decoy.clone()).await {
                Ok(_) => Err(LoginRefusal::Credentials),
                Err(error) => Err(unavailable(&error)),
            };
        };
        let stored = &account.verifiers.argon2id;
        let digest = self.remembered.digest(account.id, stored, &password);
        if !self
            .remembered
            .knows(account.id, digest, Instant::now().into_std())
        {
            match self.pool.verify(password, stored.clone()).await {
                Ok(Verdict::Right) => {
                    self.remembered
                        .remember(account.id, digest, Instant::now().into_std());
                }
                Ok(Verdict::Wrong) => return Err(LoginRefusal::Credentials),
                Err(error) => return Err(unavailable(&error)),
            }
        }
        Ok(())
    }

    /// Puts the end of an attempt on record, and its cost on whoever fails.
    async fn conclude(&self, logins: &mut SessionLogins, origin: &Origin<'_>, end: End) {
        let now = clock::now();
        // What was refused before anything was asked, such as an empty password, begins here: the account is looked up
        // below, and that must not be heard either.
        let begun = logins.begun.take().unwrap_or_else(Instant::now);
        let (account, handle) = match (end.outcome, logins.accepted.take()) {
            (LoginOutcome::Succeeded, Some((account, admission))) => {
                let address = account.address.clone();
                let handle = AccountHandle::new(account.id, address, admission);
                (Some(account), Some(handle))
            }
            (outcome, _) => (self.concerned(&end.login, outcome).await, None),
        };
        let id = account.as_ref().map(|account| account.id);
        let record = record::of(origin, end.method, &end.login, id, end.outcome, now);
        record::log(&record);
        if let Err(error) = self.logins.record(record).await {
            tracing::error!(%error, "a login record could not be written");
        }
        match (handle, account) {
            (Some(handle), Some(account)) => {
                self.note_use(account, origin.channel, now).await;
                logins.account = Some(handle);
            }
            _ => self.slow_down(origin, &end, begun).await,
        }
    }

    /// The account that somebody failed to log in to, for the record. Nothing is looked at for those who fail too
    /// often.
    async fn concerned(&self, login: &str, outcome: LoginOutcome) -> Option<Account> {
        match outcome {
            LoginOutcome::Refused(LoginRefusal::TooManyFailures | LoginRefusal::Unavailable) => {
                None
            }
            _ if login.is_empty() => None,
            _ => self.accounts.find(&self.address_of(login)).await.ok()?,
        }
    }

    /// Counts a failure, and lets a refusal wait. On a cleartext channel nothing of this depends on why (S4.1-4,
    /// S4.1-5). What the client broke off itself is counted and not waited for.
    async fn slow_down(&self, origin: &Origin<'_>, end: &End, begun: Instant) {
        let ours = matches!(
            end.outcome,
            LoginOutcome::Refused(LoginRefusal::TooManyFailures | LoginRefusal::Unavailable)
                | LoginOutcome::Aborted(LoginAbort::ShutDown)
        );
        if !ours {
            self.throttle.failed(
                &self.address_of(&end.login),
                origin.remote.ip(),
                Instant::now().into_std(),
            );
        }
        let wait = match (origin.channel, end.outcome) {
            (_, LoginOutcome::Aborted(_)) => return,
            (Channel::Sealed(_), _) => FAILURE_DELAY,
            (Channel::Clear(_), _) => until_next_pace(begun.elapsed()),
        };
        tokio::time::sleep(wait).await;
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

fn unavailable(error: &super::hashing::HashingError) -> LoginRefusal {
    tracing::error!(%error, "a password could not be checked; the login is refused");
    LoginRefusal::Unavailable
}

/// What is left until the next whole multiple of [`CLEARTEXT_PACE`].
fn until_next_pace(elapsed: Duration) -> Duration {
    let pace = CLEARTEXT_PACE.as_nanos();
    let left = pace - elapsed.as_nanos() % pace;
    u64::try_from(left).map_or(CLEARTEXT_PACE, Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use pillarbox_policy::{Rung, TlsVersion};
    use pillarbox_testkit::{facts, starttls_facts};

    use super::*;

    /// S4.1-2: the ratchet needs to know the day of the last weaker use, not each use.
    #[test]
    fn which_uses_are_worth_noting() {
        const NOW: i64 = 1_800_000_000;
        let (weaker, implicit) = (starttls_facts(), facts());
        for (before, facts, is_worth) in [
            (None, &weaker, true),
            (None, &implicit, false),
            (Some(NOW), &implicit, false),
            (Some(NOW), &weaker, false),
            (Some(NOW - WEAKER_USE_GRAIN + 1), &weaker, false),
            (Some(NOW - WEAKER_USE_GRAIN), &weaker, true),
            (Some(NOW - WEAKER_USE_GRAIN - 1), &weaker, true),
        ] {
            let since = Timestamp(0);
            let weaker_use = before.map(Timestamp);
            let ladder = Ladder::restore(Rung::StartTls, TlsVersion::Tls12, weaker_use, since);
            let answer = is_worth_noting(&ladder, Channel::Sealed(facts), Timestamp(NOW));
            assert_eq!(answer, is_worth, "{before:?} {:?}", facts.tls_start());
        }
    }
}
