//! Listing, reading and sending from outside: what is shown, what travels, and what a cut-off connection comes
//! to.

use std::sync::Arc;

use crate::support::{LOGGED_IN, World, exit, imap, stderr, stdout, submission};
use pillarbox_testkit::{Act, EvilServer, Signing, TestCertificate};
use serde_json::Value;

/// What follows a login in every session that opens INBOX with two messages.
fn inbox() -> Vec<Act> {
    vec![
        Act::Hear,
        Act::say("* 2 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n{tag} OK [READ-ONLY] done\r\n"),
        Act::Hear,
        Act::say("* SEARCH 41 40\r\n{tag} OK\r\n"),
    ]
}

/// An IMAP session up to the login, and then these acts.
fn session(certificate: &Arc<TestCertificate>, acts: Vec<Act>) -> Vec<Act> {
    let mut all = imap(certificate, LOGGED_IN);
    all.truncate(6);
    all.extend(acts);
    all.extend([Act::Hear, Act::say("* BYE\r\n{tag} OK\r\n")]);
    all
}

/// A world with an account whose access server then plays these scripts, one a connection.
async fn world(
    scripts: impl Fn(&Arc<TestCertificate>) -> Vec<Vec<Act>>,
    sending: Option<Vec<Act>>,
) -> (World, [EvilServer; 2]) {
    let mut world = World::new();
    let good = world.good();
    let mut all = vec![imap(&good, LOGGED_IN), imap(&good, LOGGED_IN)];
    all.extend(scripts(&good));
    let access = EvilServer::start_each(all).await.unwrap();
    let mut all = vec![submission(&good), submission(&good)];
    all.extend(sending.map(|acts| {
        let mut script = submission(&good);
        script.truncate(6);
        script.extend(acts);
        script
    }));
    let sending = EvilServer::start_each(all).await.unwrap();
    let records = format!(
        "_imaps._tcp SRV 0 1 {} mail\n_submissions._tcp SRV 0 1 {} mail",
        access.address().port(),
        sending.address().port()
    );
    world.serve(Signing::Signed, &records).await;
    exit(&world.add(&["--name", "Alice"]).await, 0);
    (world, [access, sending])
}

const MESSAGE: &str = "From: =?utf-8?q?Bob=1B=5B2J?= <bob@example.net>\r\nSubject: hi\r\n\r\nline\x1b]0;x\x07 one\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_what_strangers_wrote_without_obeying_it() {
    let fetched = "* 2 FETCH (UID 41 FLAGS () RFC822.SIZE 77 ENVELOPE (\"Mon, 5 Jan 2026 10:00:00 +0100\" \
        \"=?utf-8?q?=1B=5B31mred=E2=80=AE?=\" ((\"Eve\" NIL \"eve\" \"example.net\")) NIL NIL NIL NIL NIL NIL NIL))\r\n\
        * 1 FETCH (UID 40 FLAGS (\\Seen) RFC822.SIZE 99 ENVELOPE (NIL \"one\" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n\
        {tag} OK\r\n";
    let scripts = |good: &Arc<TestCertificate>| {
        let mut acts = inbox();
        acts.extend([Act::Hear, Act::say(fetched)]);
        vec![session(good, acts)]
    };
    let (world, [access, _]) = world(scripts, None).await;
    let output = world.run(&["list"]).await;
    exit(&output, 0);
    assert!(
        stderr(&output).contains("[locked] TLSv1.3"),
        "{}",
        stderr(&output)
    );
    let lines: Vec<String> = stdout(&output).lines().map(str::to_owned).collect();
    assert!(
        lines[0].starts_with("    1 ") && lines[0].ends_with("one"),
        "{lines:?}"
    );
    assert!(
        lines[1].contains("new") && lines[1].contains("2026-01-05"),
        "{lines:?}"
    );
    assert!(
        lines[1].ends_with("Eve <eve@example.net>         [31mred"),
        "{lines:?}"
    );
    let said = access.received().text();
    assert!(
        said.contains("EXAMINE") && !said.contains("SELECT"),
        "reading changes nothing: {said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_shown_only_when_it_is_whole() {
    let body = |size: usize, then: Vec<Act>| {
        move |good: &Arc<TestCertificate>| {
            let mut acts = inbox();
            acts.push(Act::Hear);
            acts.push(Act::Say(format!(
                "* 1 FETCH (UID 40 BODY[] {{{size}}}\r\n{MESSAGE}"
            )));
            acts.extend(then.clone());
            vec![session(good, acts)]
        }
    };
    let (one, _servers) = world(
        body(MESSAGE.len(), vec![Act::say(")\r\n{tag} OK\r\n")]),
        None,
    )
    .await;
    let output = one.run(&["read", "1"]).await;
    exit(&output, 0);
    assert!(
        stdout(&output).contains("line]0;x one"),
        "{}",
        stdout(&output)
    );
    assert!(!stdout(&output).contains('\u{1b}'));

    // C19: TLS ends, or TCP without TLS ending, in the middle of the message
    let (two, _servers) = world(body(MESSAGE.len() + 1, vec![Act::HangUp]), None).await;
    let output = two.run(&["read", "1", "--json"]).await;
    exit(&output, 1);
    assert_eq!(stdout(&output), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_message_and_no_such_mailbox() {
    let scripts = |good: &Arc<TestCertificate>| {
        let refused = vec![
            Act::Hear,
            Act::say("{tag} NO [NONEXISTENT] no such mailbox\r\n"),
        ];
        vec![session(good, inbox()), session(good, refused)]
    };
    let (world, _servers) = world(scripts, None).await;
    let output = world.run(&["read", "3"]).await;
    exit(&output, 1);
    assert!(
        stderr(&output).contains("no message 3"),
        "{}",
        stderr(&output)
    );
    let output = world.run(&["list", "Nowhere"]).await;
    exit(&output, 1);
    assert!(
        stderr(&output).contains("it said: \"no such mailbox\""),
        "{}",
        stderr(&output)
    );
}

/// A submission server's answers to one message for two recipients, up to its end.
fn takes_a_message(last: Vec<Act>) -> Vec<Act> {
    let mut acts = vec![
        Act::Hear,
        Act::say("250 sender ok\r\n"),
        Act::Hear,
        Act::say("250 ok\r\n"),
        Act::Hear,
        Act::say("550 5.1.1 no \x1b[31msuch user\r\n"),
        Act::Hear,
        Act::say("354 go\r\n"),
    ];
    acts.extend(last);
    acts
}

const SEND: [&str; 8] = [
    "send",
    "--to",
    "bob@example.net",
    "--bcc",
    "nobody@example.net",
    "--subject",
    "x",
    "--json",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_is_told_and_the_rest_is_sent() {
    let last = vec![
        Act::HearUntil(".".to_owned()),
        Act::say("250 2.0.0 queued\r\n"),
        Act::Hear,
        Act::say("221 bye\r\n"),
    ];
    let (world, [_, sending]) = world(|_| vec![], Some(takes_a_message(last))).await;
    let output = world.run_with_input(&SEND, ".dot\nend\n").await;
    exit(&output, 1);
    let said = sending.received().text();
    let message = said.split("DATA\r\n").nth(1).unwrap_or(said.as_str());
    assert!(message.contains("\r\n..dot\r\nend\r\n.\r\n"), "{message}");
    assert!(
        message.contains("From: \"Alice\" <alice@example.org>\r\n"),
        "{message}"
    );
    assert!(
        !message.contains("nobody@example.net"),
        "Bcc stays out of the message: {message}"
    );
    let answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(answer["accepted"], 1);
    assert_eq!(answer["refused"][0]["address"], "nobody@example.net");
    assert!(!stderr(&output).contains('\u{1b}'), "{:?}", stderr(&output));
}

/// C19: without the final 250 nothing is called sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_cut_off_is_not_called_sent() {
    let last = vec![Act::HearUntil(".".to_owned()), Act::HangUp];
    let (world, _servers) = world(|_| vec![], Some(takes_a_message(last))).await;
    let output = world.run_with_input(&SEND, "text\nend\n").await;
    exit(&output, 1);
    assert_eq!(stdout(&output), "");
    assert!(
        stderr(&output).contains("lost each other"),
        "{}",
        stderr(&output)
    );
}
