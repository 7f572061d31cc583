//! `pillarbox send`.

use std::io::{self, IsTerminal, Read};
use std::path::Path;

use pillarbox_client::{Attachment, Draft, Indicator, Letter, SubmissionSession};
use serde_json::json;

use crate::args::SendArguments;
use crate::failure::Failure;
use crate::home::Home;
use crate::output::Output;

pub(crate) async fn send(
    home: &Home,
    arguments: SendArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    let account = home.account(output)?;
    // the sign stands where a message is composed, before it is written (S5-8)
    let demanded = Indicator::demanded(account.level().current());
    output.note(&format!("Sending as {}\n  {demanded}", account.address()));
    let text = match (arguments.body, &arguments.file) {
        (Some(body), _) => body,
        (None, Some(file)) => std::fs::read_to_string(file).map_err(|why| unreadable(file, why))?,
        (None, None) => {
            if io::stdin().is_terminal() {
                output.note(
                    "Write the text; end with Ctrl-D on a line of its own, or stop with Ctrl-C.",
                );
            }
            let mut text = String::new();
            io::stdin()
                .lock()
                .read_to_string(&mut text)
                .map_err(|why| unreadable(Path::new("standard input"), why))?;
            text
        }
    };
    let letter = Letter {
        to: arguments.to,
        cc: arguments.cc,
        bcc: arguments.bcc,
        subject: arguments.subject,
        text,
        attachments: arguments
            .attach
            .iter()
            .map(|path| attachment(path))
            .collect::<Result<_, _>>()?,
    };
    let draft = Draft::new(&account, &letter)?;
    output.busy(&format!("connecting: {}", account.submission()));
    let mut session = SubmissionSession::open(&account, &home.passwords).await?;
    let sign = session.indicator();
    output.busy("sending");
    let sent = session.send(&draft).await;
    session.close().await;
    output.done();
    output.note(&format!("{}\n  {sign}", account.submission()));
    let sent = sent?;
    for (who, said) in &sent.refused {
        output.note(&format!("NOT sent to {who}; the server said: {said}"));
    }
    let refused: Vec<_> = sent
        .refused
        .iter()
        .map(|(who, said)| json!({ "address": who, "said": said }))
        .collect();
    let value = json!({ "confidentiality": sign, "accepted": sent.accepted, "refused": refused, "said": sent.said });
    output.answer(&value, || {
        format!(
            "Sent to {} {}. The server said: {}\n",
            sent.accepted,
            if sent.accepted == 1 {
                "recipient"
            } else {
                "recipients"
            },
            sent.said
        )
    })?;
    if sent.refused.is_empty() {
        Ok(())
    } else {
        Err(Failure::SomeRefused)
    }
}

fn attachment(path: &Path) -> Result<Attachment, Failure> {
    let content = std::fs::read(path).map_err(|why| unreadable(path, why))?;
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    Ok(Attachment {
        name,
        media_type: "application/octet-stream".to_owned(),
        content,
    })
}

fn unreadable(path: &Path, why: io::Error) -> Failure {
    Failure::File {
        path: path.to_owned(),
        why,
    }
}
