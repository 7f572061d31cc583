//! MOVE over TLS and a store that fails.

use pillarbox_store::StoreError;
use pillarbox_testkit::world::World;

#[tokio::test]
async fn a_move_that_fails_in_the_middle_tells_what_it_moved() {
    let world = World::start().await;
    let mut ann = world.select().await;
    for _ in 0..4 {
        ann.append(b"Subject: one\r\n\r\n").await;
    }
    let full = StoreError::TooLarge {
        what: "the disk",
        limit: 0,
    };
    world.faults.fail("Mail::move_messages", 1, full);
    let answer = ann.ask("MOVE 1:4 Trash").await;
    let (copied, end) = answer.split_once("\r\n").unwrap();
    assert!(
        copied.starts_with("* OK [COPYUID ") && copied.contains(" 1:2 1:2] "),
        "{answer}"
    );
    assert_eq!(end, "T NO [LIMIT] That is over a limit\r\n");
    // A command that failed changes no sequence numbers.
    let answer = ann.ask("NOOP").await;
    assert_eq!(
        answer,
        "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\nT OK NOOP completed\r\n"
    );
    // Where none was moved, nobody is told of any.
    let answer = ann.ask("MOVE 1 Trash").await;
    assert_eq!(answer, "T NO [LIMIT] That is over a limit\r\n");
    world.faults.mend("Mail::move_messages");
    let answer = ann.ask("UID MOVE 1:* Trash").await;
    assert!(answer.contains(" 3:4 3:4] "), "{answer}");
}
