//! `pillarbox list`, `mailboxes` and `read`.

use std::io::{self, IsTerminal};

use pillarbox_client::{Message, Reader, Summary, for_terminal};
use serde_json::json;

use crate::args::{ReadArguments, Which};
use crate::failure::Failure;
use crate::home::Home;
use crate::output::Output;

/// Connects to the account's access server, and shows the sign of that very connection (S5-8).
async fn open(home: &Home, output: &mut Output) -> Result<Reader, Failure> {
    let account = home.account(output)?;
    output.busy(&format!("connecting: {}", account.access()));
    let reader = Reader::open(&account, &home.passwords).await?;
    output.done();
    output.note(&format!("{}\n  {}", account.address(), reader.indicator()));
    Ok(reader)
}

pub(crate) async fn mailboxes(home: &Home, output: &mut Output) -> Result<(), Failure> {
    let mut reader = open(home, output).await?;
    let names = reader.mailboxes().await;
    let sign = reader.indicator();
    reader.close().await;
    let names = names?;
    Ok(output.answer(
        &json!({ "confidentiality": sign, "mailboxes": names }),
        || names.iter().map(|name| format!("{name}\n")).collect(),
    )?)
}

pub(crate) async fn list(
    home: &Home,
    mailbox: &str,
    limit: u32,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut reader = open(home, output).await?;
    output.busy("listing");
    let list = reader.list(mailbox, limit).await;
    let sign = reader.indicator();
    reader.close().await;
    output.done();
    let list = list?;
    let value = json!({ "confidentiality": sign, "mailbox": mailbox, "messages": list });
    Ok(output.answer(&value, || match list.is_empty() {
        true => format!("{} is empty.\n", for_terminal(mailbox)),
        false => list.iter().map(line).collect(),
    })?)
}

/// `   3  new  2026-01-05  Bob <bob@example.net>  Hello`
fn line(summary: &Summary) -> String {
    let Summary {
        number,
        seen,
        date,
        from,
        subject,
        ..
    } = summary;
    let seen = if *seen == Some(false) { "new" } else { "" };
    let day = date
        .as_deref()
        .and_then(|date| date.get(..10))
        .unwrap_or("");
    let subject = if subject.is_empty() {
        "(no subject)"
    } else {
        subject
    };
    format!("{number:>5}  {seen:<3}  {day:<10}  {from:<28.28}  {subject}\n")
}

pub(crate) async fn read(
    home: &Home,
    arguments: &ReadArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    if arguments.raw && io::stdout().is_terminal() {
        return Err(Failure::RawOnTerminal);
    }
    let mut reader = open(home, output).await?;
    output.busy("fetching");
    let octets = match arguments.which {
        Which::Uid(uid) => reader.message_by_uid(&arguments.mailbox, uid).await,
        Which::Number(number) => reader.message(&arguments.mailbox, number).await,
    };
    let sign = reader.indicator();
    reader.close().await;
    output.done();
    let octets = octets?;
    if arguments.raw {
        return Ok(output.raw(&octets)?);
    }
    let message = Message::parse(&octets);
    let value = json!({ "confidentiality": sign, "message": message });
    Ok(output.answer(&value, || text(&message))?)
}

fn text(message: &Message) -> String {
    let mut text = String::new();
    for (name, value) in &message.header {
        text.push_str(&format!("{name}: {value}\n"));
    }
    for (name, media_type, octets) in &message.attachments {
        text.push_str(&format!(
            "Attachment: {name} ({media_type}, {octets} octets)\n"
        ));
    }
    text.push('\n');
    text.push_str(&message.text);
    if !message.text.ends_with('\n') {
        text.push('\n');
    }
    text
}
