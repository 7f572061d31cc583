//! `pillarboxd logins`.

use anyhow::bail;
use pillarbox_server::Settings;
use pillarbox_server::admin::{Answer, LoginSummary, Operator, Request};

use crate::cli::Logins;
use crate::output;

/// Shows login records, newest first.
pub(crate) async fn run(settings: Settings, options: Logins) -> anyhow::Result<()> {
    let operator = Operator::open(settings).await?;
    let answer = operator
        .ask(Request::ListLogins {
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
    } else {
        output::write(table(&logins).as_bytes())?;
    }
    Ok(())
}

fn table(logins: &[LoginSummary]) -> String {
    let rows: Vec<Vec<String>> = logins
        .iter()
        .map(|login| {
            let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            vec![
                login.at.clone(),
                login.outcome.clone(),
                login.login.clone(),
                login.listener.clone(),
                login.mechanism.clone(),
                login.tls.clone(),
                or_dash(&login.cipher_suite),
                or_dash(&login.group),
                login.remote.clone(),
                or_dash(&login.client),
            ]
        })
        .collect();
    output::table(
        &[
            "TIME",
            "OUTCOME",
            "LOGIN",
            "LISTENER",
            "MECHANISM",
            "TLS",
            "SUITE",
            "GROUP",
            "FROM",
            "CLIENT",
        ],
        &rows,
    )
}
