//! `pillarboxd logins`.

use anyhow::bail;
use pillarbox_server::Settings;
use pillarbox_server::admin::{AdminRequest, Answer, LoginSummary, Operator};

use crate::cli::Logins;
use crate::output;

/// Shows login records, newest first.
pub(crate) async fn run(settings: Settings, options: Logins) -> anyhow::Result<()> {
    let operator = Operator::open(settings).await?;
    let answer = operator
        .ask(AdminRequest::ListLogins {
            account: options.account,
            limit: options.limit,
        })
        .await;
    operator.close().await;
    let Answer::Logins { logins } = answer? else {
        bail!("the server answered another question");
    };
    if options.json {
        let mut lines = String::new();
        for login in &logins {
            lines.push_str(&serde_json::to_string(login)?);
            lines.push('\n');
        }
        output::write(lines.as_bytes())?;
    } else if logins.is_empty() {
        output::line("no login on record yet")?;
    } else {
        output::write(table(&logins).as_bytes())?;
    }
    Ok(())
}

/// Two lines a record: who and how; then from where, and what protected it. Fits an ordinary terminal.
fn table(logins: &[LoginSummary]) -> String {
    let rows: Vec<Vec<String>> = logins
        .iter()
        .map(|login| {
            vec![
                login.at.clone(),
                login.outcome.clone(),
                login.login.clone(),
                login.listener.clone(),
                login.mechanism.clone(),
            ]
        })
        .collect();
    let head = ["TIME", "OUTCOME", "LOGIN", "LISTENER", "MECHANISM"];
    let table = output::table(&head, &rows);
    let mut lines = table.lines();
    let mut text = lines
        .next()
        .map(|head| format!("{head}\n"))
        .unwrap_or_default();
    for (line, login) in lines.zip(logins) {
        text.push_str(&format!(
            "{line}\n    from {}: {}\n",
            output::printable(&login.remote),
            output::printable(&protection(login))
        ));
    }
    text
}

/// What protected a login, and what its client calls itself.
fn protection(login: &LoginSummary) -> String {
    let mut parts = vec![if login.tls == "none" {
        "without TLS"
    } else {
        &login.tls
    }];
    parts.extend(
        [&login.cipher_suite, &login.group]
            .into_iter()
            .filter_map(|part| part.as_deref()),
    );
    let end = match login.tls_end.as_deref() {
        None | Some("here") => String::new(),
        Some(balancer) => format!(", ended at {balancer}"),
    };
    let client = login
        .client
        .as_ref()
        .map(|client| format!("; client {client}"))
        .unwrap_or_default();
    parts.join(" ") + &end + &client
}
