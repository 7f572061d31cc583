//! REPLACE over TLS and a store on disk.

use pillarbox_store::StoreError;
use pillarbox_testkit::world::World;

#[tokio::test]
async fn a_draft_takes_the_place_of_the_one_before() {
    let world = World::start().await;
    let mut ann = world.select().await;
    ann.append(b"Subject: first\r\n\r\n").await;
    ann.append(b"Subject: other\r\n\r\n").await;
    let mut other = world.select().await;
    let answer = ann
        .ask("REPLACE 1 INBOX (\\Draft) {19+}\r\nSubject: second\r\n\r\n")
        .await;
    assert!(answer.starts_with("* OK [APPENDUID "), "{answer}");
    assert!(
        answer.ends_with(" 3] Replaced\r\n* 3 EXISTS\r\n* 1 EXPUNGE\r\nT OK REPLACE completed\r\n"),
        "{answer}"
    );
    let fetch = "FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])";
    let found = ann.ask(fetch).await;
    assert!(
        found.contains("1 FETCH (UID 2 ") && found.contains("2 FETCH (UID 3 FLAGS (\\Draft) "),
        "{found}"
    );
    assert!(found.contains("Subject: second") && !found.contains("Subject: first"));
    // The flags are those that were given, not those of the old message.
    ann.ask("STORE 2 FLAGS.SILENT (\\Flagged)").await;
    let answer = ann.ask("REPLACE * INBOX (\\Seen) {3+}\r\nabc").await;
    assert!(
        answer.ends_with(" 4] Replaced\r\n* 3 EXISTS\r\n* 2 EXPUNGE\r\nT OK REPLACE completed\r\n"),
        "{answer}"
    );
    let found = ann.ask("FETCH 2 (UID FLAGS)").await;
    assert!(found.contains("2 FETCH (UID 4 FLAGS (\\Seen))"), "{found}");
    // Others are told of both as of one change.
    let told = other.ask("NOOP").await;
    assert_eq!(told, "* 1 EXPUNGE\r\n* 2 EXISTS\r\nT OK NOOP completed\r\n");
    // Into another mailbox, by UID.
    let answer = ann.ask("UID REPLACE 4 Sent {4+}\r\nsent").await;
    assert!(
        answer.contains(" 1] Replaced\r\n* 2 EXPUNGE\r\n"),
        "{answer}"
    );
    let status = ann.ask("STATUS Sent (MESSAGES)").await;
    assert!(status.contains("(MESSAGES 1)"), "{status}");
}

#[tokio::test]
async fn a_refused_replace_leaves_both_mailboxes_alone() {
    let world = World::start().await;
    let mut ann = world.select().await;
    ann.append(b"Subject: first\r\n\r\n").await;
    let no_message = "T NO [NONEXISTENT] The message to be replaced is not there\r\n";
    for (command, answer) in [
        (
            "REPLACE 1 Nowhere {3+}\r\nabc",
            "T NO [TRYCREATE] There is no such mailbox\r\n",
        ),
        ("REPLACE 2 INBOX {3+}\r\nabc", no_message),
        ("UID REPLACE 9 INBOX {3+}\r\nabc", no_message),
        (
            "REPLACE 1 INBOX {3+}\r\nabc trailing",
            "T BAD expected the end of the line\r\n",
        ),
        (
            "REPLACE 1 INBOX {99999999999}",
            "T NO [TOOBIG] The message is larger than the limit\r\n",
        ),
    ] {
        assert_eq!(ann.ask(command).await, answer, "{command}");
    }
    // Expunged by another session, which this one has not been told: nothing is stored either.
    let mut other = world.select().await;
    other.ask("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    other.ask("EXPUNGE").await;
    let answer = ann.ask("REPLACE 1 INBOX {3+}\r\nabc").await;
    assert!(answer.ends_with(no_message), "{answer}");
    let status = ann.ask("STATUS INBOX (MESSAGES UIDNEXT)").await;
    assert!(status.contains("(MESSAGES 0 UIDNEXT 2)"), "{status}");
}

#[tokio::test]
async fn a_replace_that_the_store_refuses_changes_nothing() {
    let world = World::start().await;
    let mut ann = world.select().await;
    ann.append(b"Subject: first\r\n\r\n").await;
    let full = StoreError::Disk {
        path: "log".into(),
        why: "no space".to_owned(),
    };
    world.faults.fail("Mail::replace", 1, full);
    let answer = ann.ask("REPLACE 1 INBOX {3+}\r\nabc").await;
    assert!(answer.starts_with("T NO ["), "{answer}");
    let status = ann.ask("STATUS INBOX (MESSAGES UIDNEXT)").await;
    assert!(status.contains("(MESSAGES 1 UIDNEXT 2)"), "{status}");
    world.faults.mend("Mail::replace");
    let answer = ann.ask("REPLACE 1 INBOX {3+}\r\nabc").await;
    assert!(answer.ends_with("T OK REPLACE completed\r\n"), "{answer}");
}
