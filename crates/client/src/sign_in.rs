//! An account's way to its own servers: by what is stored, without asking DNS who they are (S5.1-12, S2-7).

use pillarbox_policy::Credentials;

use crate::account::Server;
use crate::{Account, ClientError, Passwords, Session};

/// Connects to one of an account's servers at its level, and only then gets the password out of its place.
pub(crate) async fn sign_in(
    account: &Account,
    server: &Server,
    passwords: &Passwords,
) -> Result<(Session, Credentials), ClientError> {
    let level = account.level().current();
    let resolver = account.network().resolver()?;
    let roots = account.network().roots()?;
    let approved = server.approved(account.address().domain());
    let session = Session::open(&approved, level, &resolver, &roots)
        .await
        .map_err(|why| ClientError::Connect {
            server: server.to_string(),
            level,
            why,
        })?;
    let password = passwords
        .find(account.address(), account.password_place())
        .await?;
    Ok((
        session,
        Credentials::new(account.login(), password, account.level()),
    ))
}
