//! Listing, reading and sending from outside: what is shown, what travels, and what a cut-off connection comes
//! to.

use std::sync::Arc;

use crate::support::World;
use pillarbox_testkit::{Act, LOGGED_IN, Site, TestCertificate};
use serde_json::Value;

/// What an IMAP server says up to the login.
pub(crate) const LOGIN: [&str; 3] = [
    "* OK ready",
    "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n{tag} OK",
    LOGGED_IN,
];
/// What it says to who opens INBOX, which has two messages.
pub(crate) const INBOX: [&str; 2] = [
    "* 2 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n{tag} OK [READ-ONLY] done",
    "* SEARCH 41 40\r\n{tag} OK",
];
const BYE: &str = "* BYE\r\n{tag} OK";

/// An IMAP session with these answers behind the login.
fn session(certificate: &Arc<TestCertificate>, answers: &[&str]) -> Vec<Act> {
    let texts = LOGIN.iter().chain(answers).chain([&BYE]);
    Act::inside_tls(certificate, texts.copied())
}

/// A world with an account whose servers then play these scripts, one a connection.
pub(crate) async fn world(
    access: impl Fn(&Arc<TestCertificate>) -> Vec<Vec<Act>>,
    sending: impl Fn(&Arc<TestCertificate>) -> Vec<Vec<Act>>,
) -> World {
    let site = Site::new();
    let good = site.good();
    let (imap, submission) = (Act::imap(&good, LOGGED_IN), Act::submission(&good));
    let access = [vec![imap.clone(), imap], access(&good)].concat();
    let sending = [vec![submission.clone(), submission], sending(&good)].concat();
    let world = World::playing(site, access, sending).await;
    world.add(&["--name", "Alice"], 0);
    world
}

fn nothing(_: &Arc<TestCertificate>) -> Vec<Vec<Act>> {
    Vec::new()
}

const MESSAGE: &str = "From: =?utf-8?q?Bob=1B=5B2J?= <bob@example.net>\r\nSubject: hi\r\n\r\nline\x1b]0;x\x07 one\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_list_shows_what_strangers_wrote_without_obeying_it() {
    let fetched = "* 2 FETCH (UID 41 FLAGS () RFC822.SIZE 77 ENVELOPE (\"Mon, 5 Jan 2026 10:00:00 +0100\" \
        \"=?utf-8?q?=1B=5B31mred=E2=80=AE?=\" ((\"Eve\" NIL \"eve\" \"example.net\")) NIL NIL NIL NIL NIL NIL NIL))\r\n\
        * 1 FETCH (UID 40 FLAGS (\\Seen) RFC822.SIZE 99 ENVELOPE (NIL \"one\" NIL NIL NIL NIL NIL NIL NIL NIL))\r\n\
        {tag} OK";
    let answers = [&INBOX[..], &[fetched]].concat();
    let world = world(|good| vec![session(good, &answers)], nothing).await;
    let output = world.alice.run(&["list"], 0);
    assert!(output.stderr.contains("[locked] TLSv1.3"), "{output:?}");
    let lines: Vec<_> = output.stdout.lines().collect();
    let [one, two] = lines[..] else {
        panic!("{lines:?}")
    };
    assert!(one.starts_with("    1 ") && one.ends_with("one"), "{one}");
    assert!(two.contains("new") && two.contains("2026-01-05"), "{two}");
    let from = "Eve <eve@example.net>         [31mred";
    assert!(two.ends_with(from), "{two}");
    let said = world.access.received().text();
    let changes_nothing = said.contains("EXAMINE") && !said.contains("SELECT");
    assert!(changes_nothing, "reading changes nothing: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_shown_only_when_it_is_whole() {
    let body = |size: usize, then: Vec<Act>| {
        move |good: &Arc<TestCertificate>| {
            let mut acts = session(good, &INBOX);
            // instead of the goodbye
            acts.pop();
            let fetched = format!("* 1 FETCH (UID 40 BODY[] {{{size}}}\r\n{MESSAGE}");
            acts.push(Act::Say(fetched));
            acts.extend(then.clone());
            vec![acts]
        }
    };
    let rest = vec![
        Act::say(")\r\n{tag} OK\r\n"),
        Act::Hear,
        Act::Say(format!("{BYE}\r\n")),
    ];
    let one = world(body(MESSAGE.len(), rest), nothing).await;
    let shown = one.alice.run(&["read", "1"], 0).stdout;
    assert!(shown.contains("line]0;x one"), "{shown}");
    assert!(!shown.contains('\u{1b}'));

    // C19: TLS ends, or TCP without TLS ending, in the middle of the message
    let two = world(body(MESSAGE.len() + 1, vec![Act::HangUp]), nothing).await;
    assert_eq!(two.alice.run(&["read", "1", "--json"], 1).stdout, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_message_and_no_such_mailbox() {
    let refused = ["{tag} NO [NONEXISTENT] no such mailbox"];
    let scripts = |good: &_| vec![session(good, &INBOX), session(good, &refused)];
    let world = world(scripts, nothing).await;
    let said = world.alice.run(&["read", "3"], 1).stderr;
    assert!(said.contains("no message 3"), "{said}");
    let said = world.alice.run(&["list", "Nowhere"], 1).stderr;
    assert!(said.contains("it said: \"no such mailbox\""), "{said}");
}

/// A submission server that takes a message for two recipients, and then does this.
pub(crate) fn takes_a_message(certificate: &Arc<TestCertificate>, last: &[Act]) -> Vec<Vec<Act>> {
    let texts = [
        "220 mail",
        "250-mail\r\n250 AUTH PLAIN",
        "235 2.7.0 ok",
        "250 sender ok",
        "250 ok",
        "550 5.1.1 no \x1b[31msuch user",
        "354 go",
    ];
    let mut acts = Act::inside_tls(certificate, texts);
    acts.push(Act::HearUntil(".".to_owned()));
    acts.extend_from_slice(last);
    vec![acts]
}

pub(crate) const SEND: [&str; 8] = [
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
    let mut last = vec![Act::say("250 2.0.0 queued\r\n"), Act::Hear];
    last.push(Act::say("221 bye\r\n"));
    let world = world(nothing, |good| takes_a_message(good, &last)).await;
    let output = world.alice.run_with_input(&SEND, ".dot\nend\n", 1);
    let said = world.sending.received().text();
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
    let answer: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(answer["accepted"], 1);
    assert_eq!(answer["refused"][0]["address"], "nobody@example.net");
    assert!(!output.stderr.contains('\u{1b}'), "{output:?}");
}

/// C19: without the final 250 nothing is called sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_cut_off_is_not_called_sent() {
    let world = world(nothing, |good| takes_a_message(good, &[Act::HangUp])).await;
    let output = world.alice.run_with_input(&SEND, "text\nend\n", 1);
    assert_eq!(output.stdout, "");
    assert!(output.stderr.contains("lost each other"), "{output:?}");
}
