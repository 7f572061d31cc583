//! `pillarboxd account`.

use std::io::{self, IsTerminal};

use anyhow::bail;
use pillarbox_server::Settings;
use pillarbox_server::accounts::{self, NewPassword};
use pillarbox_server::admin::{AccountSummary, AdminRequest, Answer, Operator};

use crate::cli::Account;
use crate::{output, password};

/// Runs one of the commands.
pub(crate) async fn run(settings: Settings, command: Account) -> anyhow::Result<()> {
    let (request, json) = match command {
        Account::Add(account) => {
            // Said before a password is asked for.
            let address = accounts::address(&account.address, &settings)?.to_string();
            let verifiers = verifiers(&account.password_file, &address)?;
            (AdminRequest::AddAccount { address, verifiers }, false)
        }
        Account::Passwd(account) => {
            let verifiers = verifiers(&account.password_file, &account.address)?;
            let address = account.address;
            (AdminRequest::SetPassword { address, verifiers }, false)
        }
        Account::List { json } => (AdminRequest::ListAccounts, json),
        Account::Remove { address, yes } => {
            if !yes && !confirmed(&address)? {
                bail!("nothing was removed");
            }
            (AdminRequest::RemoveAccount { address }, false)
        }
    };
    let done = match request {
        AdminRequest::AddAccount { .. } => "account made",
        AdminRequest::SetPassword { .. } => "password set",
        _ => "account removed, with all its mail",
    };
    let operator = Operator::open(settings).await?;
    let answer = operator.ask(request).await;
    operator.close().await;
    match answer? {
        Answer::Done { address } => output::line(&format!("{address}: {done}"))?,
        Answer::Accounts { accounts } if json => {
            output::line(&serde_json::to_string(&accounts)?)?;
        }
        Answer::Accounts { accounts } if accounts.is_empty() => {
            output::line("no account yet; \"pillarboxd account add\" makes one")?;
        }
        Answer::Accounts { accounts } => output::write(table(&accounts).as_bytes())?,
        Answer::Logins { .. } | Answer::Refused { .. } => {
            bail!("the server answered another question")
        }
    }
    Ok(())
}

fn verifiers(
    file: &Option<std::path::PathBuf>,
    address: &str,
) -> anyhow::Result<pillarbox_server::admin::StoredVerifiers> {
    let typed = password::get(file.as_deref(), address)?;
    Ok(NewPassword::new(&typed)?.verifiers()?.into())
}

fn confirmed(address: &str) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!(
            "nothing was removed: add --yes to remove {address} and all its mail without being asked"
        );
    }
    Ok(
        inquire::Confirm::new(&format!("Remove {address} and all its mail for ever?"))
            .with_default(false)
            .prompt()
            // Ctrl-C and Esc are a no.
            .unwrap_or(false),
    )
}

fn table(accounts: &[AccountSummary]) -> String {
    let rows: Vec<Vec<String>> = accounts
        .iter()
        .map(|account| {
            let least = match &account.cleartext_until {
                Some(until) => format!("cleartext until {until}"),
                None => account.least.clone(),
            };
            let exposed = account.password_exposed.as_deref().unwrap_or("-");
            vec![
                account.address.clone(),
                least,
                account.least_tls.clone(),
                account.created.clone(),
                exposed.to_owned(),
            ]
        })
        .collect();
    output::table(
        &["ACCOUNT", "WEAKEST WAY IN", "LEAST TLS", "MADE", "EXPOSED"],
        &rows,
    )
}
