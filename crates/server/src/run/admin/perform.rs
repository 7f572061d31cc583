//! Does what an operator asks for.

use pillarbox_policy::Rung;
use pillarbox_store::{Account, AccountId, Accounts, StoreError, Stores};

use super::{AccountSummary, AdminRequest, Answer, MOST_LOGINS};
use crate::auth::accounts;
use crate::core::clock::{self, Rfc3339};
use crate::core::config::Settings;

/// Accounts read at a time.
const PAGE: u32 = 1_000;

/// Does it, and answers.
pub(super) async fn perform(stores: &Stores, settings: &Settings, request: AdminRequest) -> Answer {
    match attempt(stores, settings, request).await {
        Ok(answer) => answer,
        Err(message) => Answer::Refused { message },
    }
}

async fn attempt(
    stores: &Stores,
    settings: &Settings,
    request: AdminRequest,
) -> Result<Answer, String> {
    match request {
        AdminRequest::AddAccount { address, verifiers } => {
            let address = accounts::address(&address, settings)
                .map_err(|error| error.to_string())?
                .to_string();
            let now = clock::now();
            let account = accounts::new_account(address.clone(), verifiers.into(), now);
            match stores.accounts.create(account, now).await {
                Ok(_) => Ok(Answer::Done { address }),
                Err(StoreError::Exists { .. }) => Err(format!(
                    "there is an account {address} already; \"pillarboxd account passwd {address}\" sets its password"
                )),
                Err(error) => Err(error.to_string()),
            }
        }
        AdminRequest::ListAccounts => {
            let mut accounts: Vec<AccountSummary> = Vec::new();
            loop {
                let after = accounts.last().map(|account| account.address.clone());
                let page = stores.accounts.page(after.as_deref(), PAGE).await;
                let page = page.map_err(|error| error.to_string())?;
                if page.is_empty() {
                    return Ok(Answer::Accounts { accounts });
                }
                accounts.extend(page.iter().map(summary));
            }
        }
        AdminRequest::SetPassword { address, verifiers } => {
            let account = find(&*stores.accounts, &address).await?;
            stores
                .accounts
                .set_verifiers(account.id, verifiers.into())
                .await
                .map_err(|error| error.to_string())?;
            tracing::info!(account = account.address, "password set by the operator");
            Ok(Answer::Done {
                address: account.address,
            })
        }
        AdminRequest::RemoveAccount { address } => {
            let account = find(&*stores.accounts, &address).await?;
            stores
                .accounts
                .delete(account.id)
                .await
                .map_err(|error| error.to_string())?;
            tracing::info!(account = account.address, "account removed by the operator");
            Ok(Answer::Done {
                address: account.address,
            })
        }
        AdminRequest::ListLogins { account, limit } => {
            let account: Option<AccountId> = match account {
                Some(address) => Some(find(&*stores.accounts, &address).await?.id),
                None => None,
            };
            let records = stores
                .logins
                .newest(account, limit.min(MOST_LOGINS))
                .await
                .map_err(|error| error.to_string())?;
            Ok(Answer::Logins {
                logins: records.into_iter().map(Into::into).collect(),
            })
        }
    }
}

async fn find(accounts: &dyn Accounts, address: &str) -> Result<Account, String> {
    accounts
        .find(address)
        .await
        .map_err(|error| error.to_string())?
        .ok_or_else(|| {
            format!(
                "there is no account {address}; \"pillarboxd account list\" shows those there are"
            )
        })
}

fn summary(account: &Account) -> AccountSummary {
    let (least, cleartext_until) = match account.ladder.rung() {
        Rung::Cleartext { until } if clock::now() < until => ("cleartext", Some(until)),
        Rung::Cleartext { .. } | Rung::StartTls => ("starttls", None),
        Rung::ImplicitTls => ("implicit", None),
    };
    let written = |at| Rfc3339(at).to_string();
    AccountSummary {
        address: account.address.clone(),
        created: written(account.created),
        least: least.to_owned(),
        cleartext_until: cleartext_until.map(written),
        least_tls: account.ladder.least_version().to_string(),
        password_exposed: account.password_exposed.map(written),
    }
}
