//! IMAP sessions over real sockets and real TLS.

use pillarbox_names::{Service, TlsStart};
use pillarbox_store::StoreError;
use pillarbox_testkit::world::{ANN, BOB, LOGIN, World};
use pillarbox_testkit::{corpus, needs};
use pillarbox_transport::ConnectionError;

const MESSAGE: &[u8] =
    b"From: Fred <fred@example.org>\r\nTo: ann@example.org\r\nSubject: lunch\r\n\
    Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n\r\nAt one?\r\n";

#[tokio::test]
async fn a_message_goes_in_and_comes_out() {
    let world = World::start().await;
    let mut ann = world.select().await;
    let answer = ann.append(MESSAGE).await;
    assert!(
        answer.starts_with("* 1 EXISTS\r\nT OK [APPENDUID "),
        "{answer}"
    );
    let answer = ann.ask("FETCH 1 (FLAGS RFC822.SIZE ENVELOPE BODY[])").await;
    let text = String::from_utf8_lossy(MESSAGE);
    let fred = "((\"Fred\" NIL \"fred\" \"example.org\"))";
    assert_eq!(
        answer,
        format!(
            "* 1 FETCH (FLAGS (\\Seen) RFC822.SIZE {len} ENVELOPE (\"Mon, 23 Nov 2026 12:00:00 +0000\" \"lunch\" \
             {fred} {fred} {fred} ((NIL NIL \"ann\" \"example.org\")) NIL NIL NIL NIL) BODY[] {{{len}}}\r\n{text})\r\n\
             T OK FETCH completed\r\n",
            len = MESSAGE.len()
        )
    );
    ann.dialogue(
        "C: UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Subject)]<0.7> BODY.PEEK[TEXT])
         S: * 1 FETCH (UID 1 BODY[HEADER.FIELDS (Subject)]<0> {7}
         S: Subject BODY[TEXT] {9}
         S: At one?
         S: )
         S: T OK FETCH completed
         C: LOGOUT
         S: * BYE Goodbye
         S: T OK LOGOUT completed",
    )
    .await;
    assert!(matches!(ann.ends().await, ConnectionError::PeerClosed));
}

#[tokio::test]
async fn wrong_passwords_and_unknown_names_get_the_same_answer() {
    let world = World::start().await;
    let mut peer = world.imap().await;
    peer.dialogue(
        "C: LOGIN ann@example.org wrong-horse
         S: T NO [AUTHENTICATIONFAILED] Wrong login or password
         C: LOGIN nobody@example.org wrong-horse
         S: T NO [AUTHENTICATIONFAILED] Wrong login or password",
    )
    .await;
}

/// The client's words about itself stand in the login record (S4-17).
#[tokio::test]
async fn id_goes_on_record() {
    let world = World::start().await;
    let mut peer = world.imap().await;
    peer.dialogue(
        r#"C: ID ("name" "mutt" "version" "2.2")
           S: * ID ("name" "Pillarbox")
           S: T OK ID completed"#,
    )
    .await;
    peer.log_in().await;
    let records = world.logins().await;
    assert_eq!(records[0].client.as_deref(), Some("mutt 2.2"));
    assert_eq!(
        (records[0].mechanism.as_str(), records[0].listener.as_str()),
        ("LOGIN", "imaps")
    );
}

/// S4: no credential is looked at in the clear, and none is on record.
#[tokio::test]
async fn the_cleartext_port_takes_no_password() {
    let world = World::start().await;
    let mut peer = world.greeted_clear(Service::Imap).await;
    let right = peer.ask(LOGIN).await;
    assert!(right.starts_with("T NO [PRIVACYREQUIRED] "), "{right}");
    assert_eq!(peer.ask("LOGIN ann@example.org x").await, right);
    assert_eq!(peer.ask("AUTHENTICATE PLAIN AGFubgB4").await, right);
    assert_eq!(peer.ask("LOGIN {3}").await, right);
    assert!(world.logins().await.is_empty());
}

#[tokio::test]
async fn starttls_then_login() {
    let world = World::start().await;
    let mut peer = world.greeted_clear(Service::Imap).await;
    assert_eq!(peer.ask("STARTTLS").await, "T OK Begin TLS now\r\n");
    let mut peer = world.start_tls(peer).await;
    let answer = peer.ask("CAPABILITY").await;
    assert!(
        answer.contains(" AUTH=SCRAM-SHA-256-PLUS ") && !answer.contains("STARTTLS"),
        "{answer}"
    );
    assert_eq!(peer.ask("STARTTLS").await, "T BAD not now\r\n");
    assert!(peer.ask(LOGIN).await.contains("T OK [CAPABILITY "));
    let records = world.logins().await;
    let tls = records[0].tls.as_ref().unwrap();
    assert_eq!(tls.start, TlsStart::StartTls);
}

/// S1, on a real socket: a command in the segment of STARTTLS ends the connection.
#[tokio::test]
async fn injected_bytes_end_the_connection() {
    let world = World::start().await;
    let mut peer = world.greeted_clear(Service::Imap).await;
    peer.put(b"x STARTTLS\r\ny LOGIN ann@example.org \"correct horse\"\r\n");
    assert_eq!(
        peer.until("x ").await,
        "x BAD Nothing may follow STARTTLS\r\n"
    );
    peer.ends().await;
    assert_eq!(peer.left(), "");
    assert!(world.logins().await.is_empty());
}

/// S1 in the time-split variant: a command after the answer to STARTTLS is no handshake, and no command.
#[tokio::test]
async fn a_command_in_place_of_the_handshake_ends_the_connection() {
    let world = World::start().await;
    let mut peer = world.greeted_clear(Service::Imap).await;
    assert_eq!(peer.ask("STARTTLS").await, "T OK Begin TLS now\r\n");
    peer.put(b"y LOGIN ann@example.org \"correct horse\"\r\nz NOOP\r\n");
    peer.ends().await;
    let left = peer.left();
    assert!(!left.contains("OK") && !left.contains("NO"), "{left}");
    assert!(world.logins().await.is_empty());
}

/// S4.1-5: with an operator's window, an account that may not use cleartext gets for the right password what it
/// gets for a wrong one, what a name gets that is no account, and what everybody gets without a window.
#[tokio::test]
async fn refusals_in_the_clear_are_all_alike() {
    let without = World::start().await;
    let refusal = without.greeted_clear(Service::Imap).await.ask(LOGIN).await;
    assert!(refusal.starts_with("T NO [PRIVACYREQUIRED] "), "{refusal}");
    let with = World::start().await;
    with.grant(ANN).await;
    for login in [
        LOGIN,
        "LOGIN ann@example.org wrong-horse",
        "LOGIN nobody@example.org wrong-horse",
        "AUTHENTICATE PLAIN AGFubkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl",
    ] {
        let mut peer = with.greeted_clear(Service::Imap).await;
        assert_eq!(peer.ask(login).await, refusal, "{login}");
    }
}

/// S6: nothing is answered to HTTP inside TLS.
#[tokio::test]
async fn http_is_not_answered() {
    let world = World::start().await;
    let mut peer = world.imap().await;
    peer.put(b"GET /<script> HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(matches!(peer.ends().await, ConnectionError::PeerClosed));
    assert_eq!(peer.left(), "");
}

#[tokio::test]
async fn idle_tells_of_new_mail_flags_and_expunges_at_once() {
    let world = World::start().await;
    let (mut idler, mut other) = (world.select().await, world.select().await);
    idler.put(b"i IDLE\r\n");
    idler.until("+ Idling").await;
    other.append(MESSAGE).await;
    assert_eq!(idler.until("EXISTS").await, "* 1 EXISTS\r\n");
    other.ask("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    assert_eq!(
        idler.until("FETCH").await,
        "* 1 FETCH (FLAGS (\\Deleted))\r\n"
    );
    assert_eq!(
        other.ask("EXPUNGE").await,
        "* 1 EXPUNGE\r\nT OK EXPUNGE completed\r\n"
    );
    assert_eq!(idler.until("EXPUNGE").await, "* 1 EXPUNGE\r\n");
    idler.put(b"DONE\r\n");
    assert_eq!(idler.until("i ").await, "i OK IDLE completed\r\n");
}

/// RFC 3501 §7.4.1: sequence numbers stay while commands use them, and the expunged message is missed.
#[tokio::test]
async fn expunges_of_others_are_told_only_where_they_may_be() {
    let world = World::start().await;
    let (mut ann, mut other) = (world.log_in(Service::Imap).await, world.select().await);
    for _ in 0..3 {
        other.append(MESSAGE).await;
    }
    ann.ask("SELECT INBOX").await;
    other.ask("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    other.ask("EXPUNGE").await;
    ann.dialogue(
        "C: FETCH 1:3 (UID)
         S: * 1 FETCH (UID 1)
         S: * 3 FETCH (UID 3)
         S: T NO [EXPUNGEISSUED] Some of the messages are gone
         C: STORE 3 +FLAGS (\\Flagged)
         S: * 3 FETCH (FLAGS (\\Flagged))
         S: T OK STORE completed
         C: SEARCH FLAGGED
         S: * SEARCH 3
         S: T OK SEARCH completed
         C: NOOP
         S: * 2 EXPUNGE
         S: T OK NOOP completed
         C: FETCH 2 (UID)
         S: * 2 FETCH (UID 3)
         S: T OK FETCH completed",
    )
    .await;
    let told = other.ask("NOOP").await;
    assert_eq!(
        told,
        "* 2 FETCH (FLAGS (\\Flagged))\r\nT OK NOOP completed\r\n"
    );
}

#[tokio::test]
async fn condstore_protects_what_others_changed() {
    let world = World::start().await;
    let mut ann = world.select().await;
    ann.append(MESSAGE).await;
    ann.append(MESSAGE).await;
    let answer = ann.ask("FETCH 1:2 (MODSEQ)").await;
    let modseq = answer.split("MODSEQ (").nth(2).unwrap();
    let modseq: u64 = modseq.split(')').next().unwrap().parse().unwrap();
    ann.dialogue(&format!(
        "C: STORE 1 (UNCHANGEDSINCE {modseq}) +FLAGS (\\Flagged)
         S: * 1 FETCH (FLAGS (\\Flagged) MODSEQ (..
         S: T OK STORE completed
         C: STORE 1:2 (UNCHANGEDSINCE {modseq}) +FLAGS.SILENT (\\Seen)
         S: * 2 FETCH (FLAGS (\\Seen) MODSEQ (..
         S: T OK [MODIFIED 1] STORE completed
         C: FETCH 1:2 (FLAGS) (CHANGEDSINCE {next})
         S: * 2 FETCH (FLAGS (\\Seen) MODSEQ (..
         S: T OK FETCH completed
         C: SEARCH MODSEQ {next}
         S: * SEARCH 1 2 (MODSEQ ..
         S: T OK SEARCH completed",
        next = modseq + 1
    ))
    .await;
}

#[tokio::test]
async fn search_keys() {
    let world = World::start().await;
    let mut ann = world.select().await;
    ann.append(MESSAGE).await;
    ann.append(b"From: x@y\r\nSubject: Two\r\n folded =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nlunch is in the body\r\n")
        .await;
    ann.ask("STORE 2 FLAGS (\\Answered $Work)").await;
    for (keys, found) in [
        ("ALL", " 1 2"),
        ("SUBJECT LUNCH", " 1"),
        ("SUBJECT \"two folded\"", " 2"),
        ("SUBJECT \"GR\u{dc}\u{df}E\"", " 2"),
        ("BODY lunch", " 2"),
        ("TEXT lunch", " 1 2"),
        ("NOT TEXT supper", " 1 2"),
        ("OR FROM fred ANSWERED", " 1 2"),
        ("FROM fred ANSWERED", ""),
        ("KEYWORD $work UNSEEN", " 2"),
        ("UNKEYWORD $Work", " 1"),
        ("SENTON 23-Nov-2026", " 1"),
        ("SENTBEFORE 23-Nov-2026", ""),
        ("SINCE 1-Jan-2020 BEFORE 1-Jan-2999", " 1 2"),
        ("LARGER 110", " 1"),
        ("SMALLER 110", " 2"),
        ("UID 2:*", " 2"),
        ("1 HEADER Date \"\"", " 1"),
        ("NEW", ""),
        ("OLD", " 1 2"),
        ("(SEEN)", ""),
    ] {
        let answer = ann.ask(&format!("SEARCH {keys}")).await;
        assert_eq!(
            answer,
            format!("* SEARCH{found}\r\nT OK SEARCH completed\r\n"),
            "{keys}"
        );
    }
    let answer = ann.ask("UID SEARCH RETURN (COUNT MAX) ALL").await;
    assert!(
        answer.contains(" UID MAX 2 COUNT 2\r\nunlikely"),
        "{answer}"
    );
}

#[tokio::test]
async fn mailboxes_copies_and_moves() {
    let world = World::start().await;
    let mut ann = world.select().await;
    ann.append(MESSAGE).await;
    ann.append(MESSAGE).await;
    ann.dialogue(
        "C: CREATE Entw&APw-rfe
         S: T OK CREATE completed
         C: CREATE Entw&APw-rfe
         S: T NO [ALREADYEXISTS] There is such a mailbox already
         C: LIST \"\" E*
         S: * LIST (\\HasNoChildren) \"/\" Entw&APw-rfe
         S: T OK LIST completed
         C: COPY 1 missing
         S: T NO [TRYCREATE] There is no such mailbox
         C: COPY 1:2 Entw&APw-rfe
         S: T OK [COPYUID .. 1:2 1:2] COPY completed
         C: UID MOVE 1 Trash
         S: * OK [COPYUID ..
         S: * 1 EXPUNGE
         S: T OK ..",
    )
    .await;
    ann.dialogue(&format!(
        "C: STATUS Trash (MESSAGES UNSEEN SIZE)
         S: * STATUS Trash (MESSAGES 1 UNSEEN 1 SIZE {})
         S: T OK STATUS completed
         C: DELETE INBOX
         S: T NO [CANNOT] INBOX cannot be deleted",
        MESSAGE.len()
    ))
    .await;
    assert_eq!(
        ann.ask("EXAMINE Trash").await.lines().last(),
        Some("T OK [READ-ONLY] EXAMINE completed")
    );
    let answer = ann.ask("FETCH 1 BODY[TEXT]").await;
    assert!(!answer.contains("Seen"), "{answer}");
    ann.ask("CLOSE").await;
    assert_eq!(ann.ask("FETCH 1 FLAGS").await, "T BAD not now\r\n");
}

#[tokio::test]
async fn shutdown_says_bye() {
    let world = World::start().await;
    let (waiting, mut idling) = (world.select().await, world.select().await);
    idling.put(b"i IDLE\r\n");
    idling.until("+ Idling").await;
    world.trigger.request();
    for mut peer in [waiting, idling] {
        let (last, end) = peer.end().await;
        assert_eq!(last, "* BYE The server is shutting down\r\n");
        assert!(matches!(end, ConnectionError::PeerClosed));
    }
}

/// A message of 20 MiB goes through both ways in pieces.
#[tokio::test]
async fn a_large_message_is_the_same_afterwards() {
    let world = World::start().await;
    let mut ann = world.select().await;
    let mut message = b"Subject: large\r\n\r\n".to_vec();
    for line in 0..400_000 {
        message.extend(format!("line {line} of a message that is not small at all\n").bytes());
    }
    ann.append(&message).await;
    let answer = ann.ask_octets(b"FETCH 1 BODY.PEEK[]").await;
    let start = format!("* 1 FETCH (BODY[] {{{}}}\r\n", message.len());
    assert!(answer.starts_with(start.as_bytes()));
    assert!(answer[start.len()..start.len() + message.len()] == message[..]);
}

/// A client that asks for much and reads nothing holds up nobody else, in the same mailbox either.
#[tokio::test]
async fn a_slow_reader_holds_up_nobody() {
    let world = World::start().await;
    let (mut slow, mut quick) = (world.log_in(Service::Imap).await, world.select().await);
    let message = [b"Subject: large\r\n\r\n".to_vec(), vec![b'x'; 8 << 20]].concat();
    quick.append(&message).await;
    slow.ask("SELECT INBOX").await;
    slow.put(b"s FETCH 1 (BODY[] BODY[] BODY.PEEK[TEXT])\r\n");
    // The response has begun; from here on nothing is read.
    slow.until("* 1 FETCH").await;
    assert!(quick.append(MESSAGE).await.contains("* 2 EXISTS\r\n"));
    let answer = quick.ask("STORE 1 +FLAGS.SILENT (\\Deleted)").await;
    assert!(answer.ends_with("T OK STORE completed\r\n"), "{answer}");
    assert_eq!(
        quick.ask("EXPUNGE").await,
        "* 1 EXPUNGE\r\nT OK EXPUNGE completed\r\n"
    );
    // What was expunged meanwhile is still sent to its end.
    let rest = slow.octets_until("s OK ").await.unwrap();
    assert!(rest.len() > 2 * (8 << 20), "{}", rest.len());
}

/// Every message of the corpus comes back as it went in, and every item answers.
#[tokio::test]
async fn the_corpus_is_the_same_afterwards() {
    let world = World::start().await;
    let mut ann = world.select().await;
    for (at, sample) in corpus().into_iter().enumerate() {
        let (name, message) = (sample.name, sample.content);
        let number = at + 1;
        let answer = ann.append(&message).await;
        assert!(answer.contains("T OK [APPENDUID "), "{}: {answer}", name);
        let answer = ann
            .ask_octets(format!("FETCH {number} BODY.PEEK[]").as_bytes())
            .await;
        let start = format!("* {number} FETCH (BODY[] {{{}}}\r\n", message.len());
        assert!(answer.starts_with(start.as_bytes()), "{}", name);
        assert!(
            answer[start.len()..start.len() + message.len()] == message[..],
            "{}",
            name
        );
        // Header and text make the whole.
        let whole = ann
            .ask_octets(format!("FETCH {number} (BODY.PEEK[HEADER] BODY.PEEK[TEXT])").as_bytes())
            .await;
        let mut rest = whole.as_slice();
        let mut parts = Vec::new();
        for name in ["HEADER", "TEXT"] {
            let mark = format!("BODY[{name}] {{");
            let found = rest
                .windows(mark.len())
                .position(|at| at == mark.as_bytes());
            let from = found.unwrap() + mark.len();
            let digits = rest[from..].split(|octet| *octet == b'}').next().unwrap();
            let size: usize = std::str::from_utf8(digits).unwrap().parse().unwrap();
            let digits = digits.len();
            parts.extend_from_slice(&rest[from + digits + 3..from + digits + 3 + size]);
            rest = &rest[from + digits + 3 + size..];
        }
        assert!(parts == message, "{}", name);
        for items in [
            "FULL",
            "(UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ BODYSTRUCTURE)",
            "(BODY.PEEK[1] BODY.PEEK[1.MIME] BODY.PEEK[2.1] BODY.PEEK[1.HEADER] BODY.PEEK[2.TEXT])",
            "(BODY.PEEK[HEADER.FIELDS (From Subject)] BODY.PEEK[HEADER.FIELDS.NOT (From)]<10.100>)",
            "(RFC822.HEADER RFC822.TEXT RFC822)",
        ] {
            let answer = ann
                .ask_octets(format!("FETCH {number} {items}").as_bytes())
                .await;
            assert!(
                answer.ends_with(b"\r\nT OK FETCH completed\r\n"),
                "{} {items}",
                name
            );
        }
    }
    let answer = ann.ask("SEARCH TEXT boundary SUBJECT e").await;
    assert!(answer.ends_with("T OK SEARCH completed\r\n"), "{answer}");
}

/// A client nobody here wrote, on both ports.
#[tokio::test]
async fn python_imaplib() {
    let Some(python) = needs::PYTHON.path() else {
        return;
    };
    for (kind, tls_start) in [("imaps", TlsStart::Implicit), ("imap", TlsStart::StartTls)] {
        let world = World::start().await;
        let port = world.door(Service::Imap, tls_start).address.port();
        let run = tokio::process::Command::new(&python)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/suite/imap/imaplib_session.py"
            ))
            .args([kind, &port.to_string()])
            .arg(world.root_file())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert_eq!(
            said,
            "imaplib is content\n",
            "{kind}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
}

/// A session that nobody woke knows all there is to know, and SELECT reads counters and the shared list of
/// UIDs, never the messages.
#[tokio::test]
async fn the_store_is_asked_only_after_a_wake_up() {
    let world = World::start().await;
    let asked = || {
        ["Mail::messages", "Mail::snapshot", "Mail::changes_since"]
            .map(|method| world.faults.calls(method))
    };
    let mut ann = world.log_in(Service::Imap).await;
    for number in 0..3 {
        world.deliver(ANN, &[number]).await;
    }
    let answer = ann.ask("SELECT INBOX").await;
    assert!(
        answer.contains("* 3 EXISTS\r\n") && answer.contains("[UNSEEN 1]"),
        "{answer}"
    );
    assert_eq!(asked(), [0, 0, 0]);
    world.deliver(BOB, b"of no concern to her").await;
    ann.ask("CREATE Elsewhere").await;
    ann.ask("APPEND Elsewhere {1+}\r\nx").await;
    for _ in 0..3 {
        assert_eq!(ann.ask("NOOP").await, "T OK NOOP completed\r\n");
    }
    assert_eq!(asked(), [0, 0, 0]);
    world.deliver(ANN, b"news").await;
    let told = "* 4 EXISTS\r\nT OK NOOP completed\r\n";
    assert_eq!(ann.ask("NOOP").await, told);
    assert_eq!(asked(), [0, 1, 1]);
    // What could not be asked is asked again.
    world.deliver(ANN, b"more").await;
    world.faults.fail("Mail::snapshot", 1, StoreError::Closed);
    assert_eq!(ann.ask("NOOP").await, "T OK NOOP completed\r\n");
    world.faults.mend("Mail::snapshot");
    assert_eq!(ann.ask("NOOP").await, told.replace('4', "5"));
}
