//! UNAUTHENTICATE over TLS.

use pillarbox_names::TlsStart;

use super::harness::server;

const LOGGED_OUT: &str = "T OK UNAUTHENTICATE completed\r\n";

#[tokio::test]
async fn the_next_login_is_one_like_any_other() {
    let server = server(TlsStart::Implicit).await;
    let mut ann = server.select().await;
    ann.append(b"Subject: kept\r\n\r\n").await;
    ann.ask("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    let longest = format!("NOOP {}", "x".repeat(20_000));
    assert_eq!(
        ann.ask(&longest).await,
        "T BAD expected the end of the line\r\n"
    );
    assert_eq!(ann.ask("UNAUTHENTICATE").await, LOGGED_OUT);
    // Neither account nor mailbox nor limits are those of before.
    assert_eq!(ann.ask("FETCH 1 FLAGS").await, "T BAD not now\r\n");
    assert_eq!(
        ann.ask("STATUS INBOX (MESSAGES)").await,
        "T BAD not now\r\n"
    );
    assert!(ann.ask("CAPABILITY").await.contains(" AUTH=PLAIN "));
    let wrong = ann.ask("LOGIN ann@example.org wrong-horse").await;
    assert!(wrong.starts_with("T NO [AUTHENTICATIONFAILED] "), "{wrong}");
    let answer = ann.ask(super::harness::LOGIN).await;
    assert!(answer.contains(" OK [CAPABILITY "), "{answer}");
    // What was marked as deleted was not expunged.
    let status = ann.ask("STATUS INBOX (MESSAGES DELETED)").await;
    assert!(status.contains("(MESSAGES 1 DELETED 1)"), "{status}");
    // Each login, right or wrong, is on record.
    assert_eq!(server.house.logins().await.len(), 3);
}
