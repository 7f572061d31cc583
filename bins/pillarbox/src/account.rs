//! `pillarbox account`: add, list, show, remove, level.

use std::path::Path;

use pillarbox_client::{Account, Entered, Indicator, NetworkSettings, set_up};
use pillarbox_names::Service;
use pillarbox_policy::{AccountLevel, Level};
use serde_json::{Value, json};

use crate::args::{AccountCommand, AddArguments, AnswerToWarning};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::Output;
use crate::person::{AtSetUp, PasswordFrom, agreed};

pub(crate) async fn run(
    command: AccountCommand,
    home: &Home,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        AccountCommand::Add(arguments) => add(*arguments, home, output).await,
        AccountCommand::List => list(home, output),
        AccountCommand::Show => show(home, output),
        AccountCommand::Remove => remove(home, output).await,
        AccountCommand::Level { level, answer } => change_level(level, answer, home, output),
    }
}

async fn add(arguments: AddArguments, home: &Home, output: &mut Output) -> Result<(), Failure> {
    let mut level = AccountLevel::default();
    set_level(&mut level, arguments.level, arguments.answer, output)?;
    let domain = arguments.address.domain().clone();
    let typed = |server: &Option<crate::args::TypedServer>, service| {
        server
            .as_ref()
            .map(|server| server.candidate(&domain, service))
    };
    let entered = Entered {
        name: arguments.name,
        login: arguments.login,
        level,
        access: typed(&arguments.imap, Service::Imap)
            .or_else(|| typed(&arguments.pop3, Service::Pop3)),
        submission: typed(&arguments.submission, Service::Submission),
        password_place: arguments.password_store.map(Into::into),
        network: NetworkSettings {
            name_server: arguments.resolver,
            trust_anchor: arguments.trust_anchor.as_deref().map(text_of).transpose()?,
            ca_file: arguments.ca_file.as_deref().map(absolute).transpose()?,
        },
        address: arguments.address,
    };
    let mut person = AtSetUp {
        output,
        yes_hosts: arguments.yes_host,
        password: if arguments.password_stdin {
            PasswordFrom::StandardInput
        } else {
            PasswordFrom::Terminal
        },
        passed_over: Vec::new(),
    };
    let account = set_up(&entered, &home.accounts, &home.passwords, &mut person).await?;
    output.done();
    Ok(output.answer(&described(&account), || {
        format!(
            "Account {} is set up.\n{}",
            account.address(),
            text(&account)
        )
    })?)
}

fn list(home: &Home, output: &Output) -> Result<(), Failure> {
    let all = home.accounts.all()?;
    for (account, notice) in &all {
        if let Some(notice) = notice {
            output.note(&format!("{}: {notice}", account.address()));
        }
    }
    let values: Vec<Value> = all.iter().map(|(account, _)| described(account)).collect();
    Ok(output.answer(&json!(values), || match all.is_empty() {
        true => "No account is set up yet; begin with `pillarbox account add you@example.org`.\n"
            .to_owned(),
        false => all
            .iter()
            .map(|(account, _)| format!("{}\n  {}\n", account.address(), demanded(account)))
            .collect(),
    })?)
}

fn show(home: &Home, output: &Output) -> Result<(), Failure> {
    let account = home.account(output)?;
    Ok(output.answer(&described(&account), || {
        format!("{}\n{}", account.address(), text(&account))
    })?)
}

async fn remove(home: &Home, output: &Output) -> Result<(), Failure> {
    let account = home.account(output)?;
    home.passwords
        .forget(account.address(), account.password_place())
        .await?;
    home.accounts.remove(account.address())?;
    let address = account.address().to_string();
    Ok(output.answer(&json!({ "removed": address }), || {
        format!(
            "{address} and its password are forgotten here. Nothing was changed on the server.\n"
        )
    })?)
}

fn change_level(
    level: Option<Level>,
    answer: AnswerToWarning,
    home: &Home,
    output: &Output,
) -> Result<(), Failure> {
    let mut account = home.account(output)?;
    if let Some(level) = level {
        set_level(account.level_mut(), level, answer, output)?;
        home.accounts.save(&account)?;
    }
    Ok(output.answer(&described(&account), || {
        format!(
            "{}: level \"{}\"\n  {}\n",
            account.address(),
            account.level().current(),
            demanded(&account)
        )
    })?)
}

/// Raises a level freely, or lowers it once the warning was accepted.
fn set_level(
    level: &mut AccountLevel,
    to: Level,
    answer: AnswerToWarning,
    output: &Output,
) -> Result<(), Failure> {
    match level.lowering(to) {
        None => level.raise(to),
        Some(lowering) => {
            level.lower(agreed(lowering, answer, output).ok_or(Failure::NotAccepted)?)
        }
    }
    Ok(())
}

fn demanded(account: &Account) -> Indicator {
    Indicator::demanded(account.level().current())
}

fn text(account: &Account) -> String {
    let mut text = format!(
        "  {}\n  reads:    {}\n  sends:    {}\n  login:    {}\n  level:    {}\n  password: {}\n",
        demanded(account),
        account.access(),
        account.submission(),
        account.login(),
        account.level().current(),
        place(account),
    );
    if let Some(consent) = account.level().consent() {
        text.push_str(&format!(
            "  lowered from \"{}\", as you agreed on {}\n",
            consent.from,
            jiff::Timestamp::from_second(consent.at.0)
                .map_or_else(|_| "an unknown day".to_owned(), |at| at.to_string())
        ));
    }
    text
}

fn place(account: &Account) -> &'static str {
    match account.password_place() {
        pillarbox_client::PasswordPlace::Keyring => "in the system's keyring",
        pillarbox_client::PasswordPlace::File => "in a file that only you can read",
    }
}

fn described(account: &Account) -> Value {
    let server = |server: &pillarbox_client::AccountServer| {
        json!({
            "service": server.label().service.as_str(),
            "host": server.host().as_str(),
            "port": server.port(),
            "tls": server.label().start.as_str(),
        })
    };
    json!({
        "address": account.address().to_string(),
        "login": account.login(),
        "level": account.level().current().as_str(),
        "lowered": account.level().consent().map(|consent| consent.at.0),
        "confidentiality": demanded(account),
        "access": server(account.access()),
        "submission": server(account.submission()),
    })
}

fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|why| Failure::File {
        path: path.to_owned(),
        why,
    })
}

fn absolute(path: &Path) -> Result<std::path::PathBuf, Failure> {
    std::fs::canonicalize(path).map_err(|why| Failure::File {
        path: path.to_owned(),
        why,
    })
}
