//! Several sessions in one mailbox, also between the slices in which the store carries out a command.

use pillarbox_testkit::world::{Peer, World};

/// Two sessions that have a mailbox of 4,096 messages selected, which are several slices.
async fn two_sessions() -> (World, Peer, Peer) {
    let world = World::start().await;
    let mut first = world.select().await;
    first.append(b"Subject: one of many\r\n\r\n").await;
    for _ in 0..12 {
        first.ask("COPY 1:* INBOX").await;
        first.ask("NOOP").await;
    }
    let mut second = world.select().await;
    let found = second.ask("UID SEARCH UID 4096").await;
    assert!(found.starts_with("* SEARCH 4096\r\n"), "{found}");
    (world, first, second)
}

/// Who was told that a message is not deleted any more finds it afterwards (RFC 3501 §6.4.3).
#[tokio::test]
async fn expunge_spares_what_another_session_undeletes_meanwhile() {
    let (_world, mut first, mut second) = two_sessions().await;
    first.ask("STORE 1:* +FLAGS.SILENT (\\Deleted)").await;
    let undelete = async {
        let mut spared = Vec::new();
        for uid in [1_500, 2_500, 3_500, 4_096] {
            let answer = second
                .ask(&format!("UID STORE {uid} -FLAGS (\\Deleted)"))
                .await;
            // A message that is gone already has no answer.
            if answer.contains(&format!("FETCH (UID {uid} FLAGS ()")) {
                spared.push(uid.to_string());
            }
        }
        spared
    };
    let (_, spared) = tokio::join!(first.ask("EXPUNGE"), undelete);
    let found = second.ask("UID SEARCH ALL").await;
    let found = found
        .lines()
        .find_map(|line| line.strip_prefix("* SEARCH"))
        .unwrap();
    let found: Vec<&str> = found.split_whitespace().collect();
    assert_eq!(found, spared);
}

/// `.SILENT` is silent about what the command itself did, not about what others did (RFC 3501 §6.4.6).
#[tokio::test]
async fn a_silent_store_does_not_hide_a_change_by_another_session() {
    let (_world, mut first, mut second) = two_sessions().await;
    let (mut told, _) = tokio::join!(
        first.ask("STORE 1:* +FLAGS.SILENT (\\Seen)"),
        second.ask("STORE 4000 +FLAGS (\\Flagged)"),
    );
    told += &first.ask("NOOP").await;
    let last = told.lines().rfind(|line| line.starts_with("* 4000 FETCH"));
    assert!(
        last.is_some_and(|line| line.contains("\\Flagged")),
        "{told}"
    );
}

/// The same where a FETCH sets `\Seen` on some messages, and another one was changed by others.
#[tokio::test]
async fn a_fetch_that_sets_seen_does_not_hide_a_change_by_another_session() {
    let world = World::start().await;
    let mut first = world.select().await;
    first.append(b"Subject: one\r\n\r\n").await;
    first.append(b"Subject: two\r\n\r\n").await;
    first.ask("STORE 2 +FLAGS (\\Seen)").await;
    let mut second = world.select().await;
    second.ask("STORE 2 +FLAGS (\\Flagged)").await;
    let mut told = first.ask("FETCH 1:2 BODY[TEXT]").await;
    told += &first.ask("NOOP").await;
    let changed = "* 2 FETCH (FLAGS (\\Flagged \\Seen))";
    assert!(told.contains(changed), "{told}");
}

/// A conditional STORE is a test-and-set: of several at the same time one succeeds, the others are told that
/// theirs was not carried out (RFC 7162 §3.1.3).
#[tokio::test]
async fn of_simultaneous_conditional_stores_one_succeeds() {
    let world = World::start().await;
    let mut first = world.select().await;
    first.append(b"Subject: one\r\n\r\n").await;
    for round in 0..20 {
        let mut others = [world.select().await, world.select().await];
        let found = first.ask("FETCH 1 (MODSEQ)").await;
        let modseq = found.split(['(', ')']).nth(2).unwrap().to_owned();
        let command = format!("STORE 1 (UNCHANGEDSINCE {modseq}) FLAGS (r{round})");
        let [second, third] = &mut others;
        let answers = tokio::join!(
            first.ask(&command),
            second.ask(&command),
            third.ask(&command)
        );
        let answers = [answers.0, answers.1, answers.2];
        let refused = answers
            .iter()
            .filter(|answer| answer.contains("[MODIFIED 1]"));
        assert_eq!(refused.count(), 2, "{answers:?}");
    }
}

/// A UID that is no longer there is passed over (RFC 3501 §6.4.8).
#[tokio::test]
async fn uid_fetch_passes_over_what_another_session_expunged() {
    let world = World::start().await;
    let mut first = world.select().await;
    for _ in 0..3 {
        first.append(b"Subject: one\r\n\r\n").await;
    }
    let mut second = world.select().await;
    second.ask("STORE 2 +FLAGS (\\Deleted)").await;
    second.ask("EXPUNGE").await;
    let by_number = first.ask("FETCH 1:* (RFC822.SIZE)").await;
    assert!(by_number.contains("T NO [EXPUNGEISSUED]"), "{by_number}");
    let by_uid = first.ask("UID FETCH 1:* (RFC822.SIZE)").await;
    assert!(by_uid.contains("(UID 3 RFC822.SIZE"), "{by_uid}");
    assert!(by_uid.ends_with("T OK FETCH completed\r\n"), "{by_uid}");
}
