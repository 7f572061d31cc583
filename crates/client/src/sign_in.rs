//! An account's way to its own servers: by what is stored, without asking DNS who they are (S5.1-12, S2-7).

use pillarbox_policy::Credentials;

use crate::account::AccountServer;
use crate::session::{LoggedIn, Protocol, Session};
use crate::{Account, ClientError, Passwords};

/// Connects to one of an account's servers at its level, only then gets the password out of its place, and logs in.
pub(crate) async fn sign_in<P: Protocol>(
    account: &Account,
    server: &AccountServer,
    passwords: &Passwords,
) -> Result<LoggedIn<P>, ClientError> {
    let level = account.level().current();
    let resolver = account.network().resolver()?;
    let roots = account.network().roots()?;
    let approved = server.approved(account.address().domain());
    let session = Session::<P>::open(&approved, level, &resolver, &roots)
        .await
        .map_err(|why| ClientError::Connect {
            server: server.to_string(),
            level,
            why,
        })?;
    let password = passwords
        .find(account.address(), account.password_place())
        .await?;
    let credentials = Credentials::new(account.login(), password, account.level());
    session
        .log_in(credentials)
        .await
        .map_err(|why| ClientError::Login {
            server: server.to_string(),
            why,
        })
}
