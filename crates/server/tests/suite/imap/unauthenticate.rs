//! UNAUTHENTICATE over TLS.

use pillarbox_testkit::world::World;

#[tokio::test]
async fn the_next_login_is_one_like_any_other() {
    let world = World::start().await;
    let mut ann = world.select().await;
    ann.append(b"Subject: kept\r\n\r\n").await;
    ann.ask("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    let longest = format!("NOOP {}", "x".repeat(20_000));
    let answer = ann.ask(&longest).await;
    assert_eq!(answer, "T BAD expected the end of the line\r\n");
    // Neither account nor mailbox nor limits are those of before.
    ann.dialogue(
        "C: UNAUTHENTICATE
         S: T OK UNAUTHENTICATE completed
         C: FETCH 1 FLAGS
         S: T BAD not now
         C: STATUS INBOX (MESSAGES)
         S: T BAD not now
         C: CAPABILITY
         S: * CAPABILITY .. AUTH=PLAIN ..
         S: T OK CAPABILITY completed
         C: LOGIN ann@example.org wrong-horse
         S: T NO [AUTHENTICATIONFAILED] ..",
    )
    .await;
    ann.log_in().await;
    // What was marked as deleted was not expunged.
    let status = ann.ask("STATUS INBOX (MESSAGES DELETED)").await;
    assert!(status.contains("(MESSAGES 1 DELETED 1)"), "{status}");
    // Each login, right or wrong, is on record.
    assert_eq!(world.logins().await.len(), 3);
}

/// RFC 8437 §2: a client may send the next login without waiting, in one round trip with SASL-IR. ID is not asked
/// for again, and what was enabled is not any more (§3.1).
#[tokio::test]
async fn the_next_login_may_follow_at_once() {
    let world = World::start().await;
    let mut ann = world.select().await;
    ann.ask("ENABLE CONDSTORE").await;
    ann.put(
        b"u UNAUTHENTICATE\r\nv AUTHENTICATE PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl\r\n",
    );
    ann.put(b"w SELECT INBOX\r\n");
    let answers = ann.until("w OK ").await;
    assert!(
        answers.starts_with("u OK UNAUTHENTICATE completed\r\nv OK [CAPABILITY "),
        "{answers}"
    );
    // Neither is there an older mailbox, nor CONDSTORE, which would say so.
    assert!(!answers.contains("[CLOSED]"), "{answers}");
    ann.append(b"Subject: x\r\n\r\n").await;
    let told = ann.ask("STORE 1 +FLAGS (\\Seen)").await;
    assert_eq!(
        told,
        "* 1 FETCH (FLAGS (\\Seen))\r\nT OK STORE completed\r\n"
    );
}
