//! Submission sessions over real sockets and real TLS.

use std::time::Duration;

use pillarbox_names::{Service, TlsStart};
use pillarbox_policy::{
    AccountLevel, Credentials, Ladder, LoginOutcome, Rung, Timestamp, TlsVersion,
};
use pillarbox_proto::Sealed;
use pillarbox_proto::message::Index;
use pillarbox_proto::message::trace::{Received, parse_received};
use pillarbox_proto::sasl::{Mechanism, Nonce};
use pillarbox_proto::smtp::LineEnds;
use pillarbox_proto::smtp::submission::client::{Client, Envelope, Event};
use pillarbox_proto::smtp::{Body, ReversePath};
use pillarbox_store::{LadderMove, StoreError};
use pillarbox_testkit::world::{ANN, BOB, PASSWORD, PLAIN_OF_ANN, Peer, World};
use pillarbox_testkit::{Sample, corpus};
use pillarbox_transport::{ConnectionError, Driven};

fn login() -> String {
    format!("AUTH PLAIN {PLAIN_OF_ANN}\r\n")
}

/// Whose INBOX has what.
async fn messages(world: &World) -> Vec<(&'static str, String)> {
    let mut messages = Vec::new();
    for address in [ANN, BOB] {
        for stored in world.mail(address).await {
            messages.push((address, String::from_utf8(stored.content).unwrap()));
        }
    }
    messages
}

/// A server, and a client that has logged in.
async fn logged_in() -> (World, Peer) {
    let world = World::start().await;
    let peer = world.log_in(Service::Submission).await;
    (world, peer)
}

/// Takes the Return-Path and Received fields off a stored message; answers them and the rest.
fn unstamp(content: &str) -> (String, Received, String) {
    let (return_path, rest) = content.split_once("\r\n").unwrap();
    let end = rest.find("+0000\r\n").unwrap() + "+0000\r\n".len();
    let (field, message) = rest.split_at(end);
    for line in field.lines() {
        assert!(line.replace('\t', "        ").len() <= 78, "{line}");
    }
    let body = field.strip_prefix("Received:").unwrap();
    (
        return_path.to_owned(),
        parse_received(body).unwrap(),
        message.to_owned(),
    )
}

const MESSAGE: &str = "Date: Mon, 23 Nov 2026 18:30:05 +0000\r\nMessage-ID: <1@client.example>\r\nFrom: ann@example.org\r\nSubject: dots\r\n\r\n..\r\n..x\r\n";
const ARRIVED: &str = "Date: Mon, 23 Nov 2026 18:30:05 +0000\r\nMessage-ID: <1@client.example>\r\nFrom: ann@example.org\r\nSubject: dots\r\n\r\n.\r\n.x\r\n";

#[tokio::test]
async fn a_message_over_implicit_tls_is_stored_with_its_trace() {
    let (world, mut peer) = logged_in().await;
    assert_eq!(
        peer.submit(&["bob@example.org"], MESSAGE).await,
        "250 2.0.0 Message accepted and stored\r\n"
    );
    let [(account, content)] = messages(&world).await.try_into().unwrap();
    assert_eq!(account, BOB);
    let (return_path, received, message) = unstamp(&content);
    assert_eq!(return_path, "Return-Path: <ann@example.org>");
    assert_eq!(message, ARRIVED, "nothing is missing, so nothing is added");
    assert_eq!(received.from.name, "client.example");
    assert_eq!(received.from.tcp_info.as_deref(), Some("[127.0.0.1]"));
    assert_eq!(received.by.name, "mail.example.org");
    assert_eq!(received.with.as_deref(), Some("ESMTPSA"));
    assert_eq!(received.recipient.as_deref(), Some("bob@example.org"));
    let facts = peer.connection.channel().facts().unwrap();
    let tls = received.tls.unwrap();
    assert_eq!(tls.cipher, facts.suite().to_string());
    assert_eq!(tls.group, facts.group().map(|group| group.to_string()));
    assert_eq!(tls.group.as_deref(), Some("X25519MLKEM768"));
    let stored = world.mail(BOB).await.remove(0).index;
    let index = Index::from_bytes(&stored).unwrap();
    assert_eq!(index.envelope().subject.as_deref(), Some(&b"dots"[..]));
    assert_eq!(peer.replies("QUIT\r\n", 1).await, "221 2.0.0 Goodbye\r\n");
    let end = peer.ends().await;
    assert!(
        matches!(end, ConnectionError::PeerClosed),
        "close_notify before FIN (S3.4-1): {end}"
    );
}

#[tokio::test]
async fn everyone_gets_one_copy_and_missing_fields_are_added() {
    let (world, mut peer) = logged_in().await;
    let to = ["bob@example.org", "ann@example.org", "BOB@EXAMPLE.ORG"];
    peer.submit(&to, "Subject: x\r\n\r\nx\r\n").await;
    let messages = messages(&world).await;
    assert_eq!(messages.len(), 2);
    assert_eq!([messages[0].0, messages[1].0], [ANN, BOB]);
    assert_eq!(messages[0].1, messages[1].1);
    let (_, received, message) = unstamp(&messages[0].1);
    assert_eq!(
        received.recipient, None,
        "no recipient is told of the others"
    );
    let id = received.id.unwrap();
    let (head, rest) = message.split_once("Date: ").unwrap();
    assert_eq!(head, "Subject: x\r\n");
    let (_, rest) = rest.split_once("\r\n").unwrap();
    assert_eq!(
        rest,
        format!("Message-ID: <{id}@mail.example.org>\r\n\r\nx\r\n")
    );
}

#[tokio::test]
async fn starttls_comes_first_and_takes_nothing_along() {
    let world = World::start().await;
    let mut peer = world.greeted_clear(Service::Submission).await;
    let ehlo = peer.replies("EHLO evil.example\r\n", 1).await;
    assert!(
        ehlo.contains("250-STARTTLS\r\n") && !ehlo.contains("AUTH"),
        "{ehlo}"
    );
    let login = login();
    for command in [
        &login,
        "AUTH PLAIN AAAA\r\n",
        "MAIL FROM:<ann@example.org>\r\n",
        "RCPT TO:<bob@example.org>\r\n",
    ] {
        assert_eq!(
            peer.replies(command, 1).await,
            "530 5.7.0 Must issue a STARTTLS command first\r\n"
        );
    }
    assert_eq!(world.logins().await.len(), 0, "no password was looked at");
    peer.replies("STARTTLS\r\n", 1).await;
    let mut peer = world.start_tls(peer).await;
    assert_eq!(
        peer.replies("RCPT TO:<bob@example.org>\r\n", 1).await,
        "503 5.5.1 Send EHLO first\r\n"
    );
    peer.log_in().await;
    peer.submit(&["bob@example.org"], MESSAGE).await;
    let [(_, content)] = messages(&world).await.try_into().unwrap();
    let (_, received, message) = unstamp(&content);
    assert_eq!(received.from.name, "client.example");
    assert_eq!(received.with.as_deref(), Some("ESMTPSA"));
    assert!(received.tls.is_some());
    assert_eq!(message, ARRIVED);
    let logins = world.logins().await;
    let tls = logins[0].tls.as_ref().unwrap();
    assert_eq!(tls.start, TlsStart::StartTls);
    assert_eq!(logins[0].client.as_deref(), Some("client.example"));
}

#[tokio::test]
async fn commands_behind_starttls_close_the_connection() {
    let world = World::start().await;
    let mut peer = world.greeted_clear(Service::Submission).await;
    let replies = peer.replies("STARTTLS\r\nEHLO x\r\n", 1).await;
    assert_eq!(
        replies,
        "554 5.7.0 Data stood behind STARTTLS; this connection is not safe\r\n"
    );
    let end = peer.ends().await;
    assert!(matches!(end, ConnectionError::PeerClosed), "{end}");
}

#[tokio::test]
async fn senders_and_recipients_are_checked() {
    let world = World::start().await;
    let mut peer = world.greeted(Service::Submission).await;
    peer.replies("EHLO client.example\r\n", 1).await;
    let login = login();
    for (command, reply) in [
        ("MAIL FROM:<ann@example.org>\r\n", "530 5.7.0 "),
        ("RCPT TO:<bob@example.org>\r\n", "530 5.7.0 "),
        (
            "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwB3cm9uZw==\r\n",
            "535 5.7.8 ",
        ),
        ("MAIL FROM:<ann@example.org>\r\n", "530 5.7.0 "),
        (&login, "235 2.7.0 "),
        ("MAIL FROM:<bob@example.org>\r\n", "550 5.7.1 "),
        ("MAIL FROM:<ann@localhost>\r\n", "554 5.1.8 "),
        ("MAIL FROM:<>\r\n", "250 2.1.0 "),
        ("RSET\r\n", "250 2.0.0 "),
        ("MAIL FROM:<Ann@Example.org>\r\n", "250 2.1.0 "),
        ("RCPT TO:<nobody@example.org>\r\n", "550 5.1.1 "),
        ("RCPT TO:<bob@elsewhere.example>\r\n", "550 5.7.1 "),
        ("RCPT TO:<bob@[127.0.0.1]>\r\n", "554 5.1.2 "),
        ("RCPT TO:<bob@host>\r\n", "554 5.1.2 "),
        ("RCPT TO:<Postmaster>\r\n", "550 5.1.1 "),
        ("DATA\r\n", "554 5.5.1 "),
    ] {
        let said = peer.replies(command, 1).await;
        assert!(said.starts_with(reply), "{command}: {said}");
    }
    assert_eq!(messages(&world).await, []);
}

#[tokio::test]
async fn chunks_and_smtputf8() {
    let (world, mut peer) = logged_in().await;
    let replies = peer.replies("MAIL FROM:<ann@example.org> SMTPUTF8\r\nRCPT TO:<bob@example.org>\r\nBDAT 6\r\na: \u{e9}\rBDAT 3 LAST\r\n\n\r\n", 4)
        .await;
    assert!(
        replies.ends_with("250 2.0.0 Message accepted and stored\r\n"),
        "{replies}"
    );
    let [(_, content)] = messages(&world).await.try_into().unwrap();
    let (_, received, message) = unstamp(&content);
    assert_eq!(received.with.as_deref(), Some("UTF8SMTPSA"));
    assert!(received.tls.is_some());
    assert!(message.starts_with("a: \u{e9}\r\nDate: "), "{message}");
}

#[tokio::test]
async fn a_message_cut_off_is_not_stored() {
    let (world, mut peer) = logged_in().await;
    peer.replies(
        "MAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n",
        3,
    )
    .await;
    peer.send(b"Subject: half\r\n\r\nhal").await;
    drop(peer);
    let mut peer = world.log_in(Service::Submission).await;
    peer.submit(&["bob@example.org"], MESSAGE).await;
    assert_eq!(messages(&world).await.len(), 1);
}

#[tokio::test]
async fn the_250_waits_for_every_copy_to_be_stored() {
    let (world, mut peer) = logged_in().await;
    let deliveries = world.faults.hold("Mail::deliver", 0);
    let submitted = peer.submit(&["ann@example.org", "bob@example.org"], MESSAGE);
    let mut submitted = std::pin::pin!(submitted);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut submitted).await;
    assert!(early.is_err(), "{early:?}");
    assert_eq!(messages(&world).await.len(), 0);
    deliveries.add_permits(1);
    assert!(submitted.await.starts_with("250 "));
    assert_eq!(messages(&world).await.len(), 2);
}

#[tokio::test]
async fn a_full_disk_and_a_broken_store_are_temporary() {
    let (world, mut peer) = logged_in().await;
    let full = StoreError::Disk {
        path: "spool".into(),
        why: "No space left on device".to_owned(),
    };
    // The fields that we add go in; of the message only a beginning does.
    world.faults.fail("Spool::write", 4, full);
    let long = format!("Subject: x\r\n\r\n{}", "x\r\n".repeat(1000));
    let reply = peer.submit(&["bob@example.org"], &long).await;
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    world.faults.mend("Spool::write");
    world.faults.hold("Mail::deliver", 0).close();
    let reply = peer.submit(&["bob@example.org"], MESSAGE).await;
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
    assert_eq!(messages(&world).await, []);
}

#[tokio::test]
async fn a_shutdown_is_said() {
    let (world, mut peer) = logged_in().await;
    world.trigger.request();
    assert_eq!(
        peer.replies("", 1).await,
        "421 4.3.2 Service is shutting down; try again soon\r\n"
    );
    let end = peer.ends().await;
    assert!(matches!(end, ConnectionError::PeerClosed), "{end}");
}

/// What was put into `original` to make `stored`, if nothing else was done to it.
fn added(original: &[u8], stored: &[u8]) -> Option<String> {
    let length = stored.len().checked_sub(original.len())?;
    let same = original
        .iter()
        .zip(stored)
        .take_while(|(a, b)| a == b)
        .count();
    (0..=same)
        .rev()
        .take(300)
        .filter(|&at| stored[at + length..] == original[at..])
        .map(|at| String::from_utf8_lossy(&stored[at..at + length]).into_owned())
        .find(|added| {
            added.trim_start_matches("\r\n").lines().all(|line| {
                line.starts_with("Date: ")
                    || line.starts_with("Message-ID: <") && line.ends_with("@mail.example.org>")
            })
        })
}

#[tokio::test]
async fn every_message_of_the_corpus_arrives_unchanged_or_is_refused() {
    let (world, mut peer) = logged_in().await;
    let (mut accepted, mut refused) = (0, 0);
    for Sample {
        name,
        content: original,
    } in corpus()
    {
        // A client turns the line ends of its platform into CRLF.
        let has_crlf = original.windows(2).any(|pair| pair == b"\r\n");
        let message = if has_crlf {
            original
        } else {
            original
                .split(|octet| *octet == b'\n')
                .collect::<Vec<_>>()
                .join(&b"\r\n"[..])
        };
        let ends = message.windows(2).filter(|pair| pair == b"\r\n").count();
        let count = |octet: u8| message.iter().filter(|have| **have == octet).count();
        let is_clean = count(b'\r') == ends && count(b'\n') == ends && count(0) == 0;
        let mut command = format!(
            "MAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<bob@example.org>\r\nBDAT {} LAST\r\n",
            message.len()
        )
        .into_bytes();
        command.extend_from_slice(&message);
        let replies = peer.replies(&command, 3).await;
        let Some(stored) = world.mail(BOB).await.pop() else {
            assert!(!is_clean, "{}: {replies}", name);
            assert!(replies.contains("\r\n554 5.6.0 "), "{}: {replies}", name);
            refused += 1;
            continue;
        };
        assert!(is_clean, "{}", name);
        let end = stored
            .content
            .windows(7)
            .position(|at| at == b"+0000\r\n")
            .unwrap()
            + 7;
        assert!(
            stored
                .content
                .starts_with(b"Return-Path: <>\r\nReceived: from client.example ")
        );
        assert!(
            added(&message, &stored.content[end..]).is_some(),
            "{}",
            name
        );
        let uid = stored.message.uid.0.get();
        world.expunge(BOB, &[uid]).await;
        accepted += 1;
    }
    assert!(accepted >= 10 && refused >= 2, "{accepted} and {refused}");
}

#[tokio::test]
async fn our_client_logs_in_bound_to_the_connection_and_sends() {
    let world = World::start().await;
    let connection = world
        .door(Service::Submission, TlsStart::Implicit)
        .connect_implicit()
        .await;
    let mut conversation = connection.start::<Client<Sealed>>(());
    let credentials = Credentials::new(ANN, PASSWORD.into(), &AccountLevel::default());
    let mut pieces = ["Subject: x\n\n", ".\nend"].into_iter();
    let mut told = Vec::new();
    loop {
        let event = match conversation.drive().await.unwrap() {
            Driven::Event(event) => event,
            Driven::Closed => break,
            other => panic!("{other:?}"),
        };
        let client = conversation.machine();
        match &event {
            Event::Ready(_) => {
                let mechanism = client.authenticate(&credentials, Nonce::from_random([3; 18]));
                assert_eq!(mechanism, Ok(Mechanism::ScramSha256Plus));
            }
            Event::Authenticated(_) => client
                .send(Envelope {
                    sender: ReversePath::Address("ann@example.org".parse().unwrap()),
                    recipients: vec![
                        "bob@example.org".parse().unwrap(),
                        "x@example.org".parse().unwrap(),
                    ],
                    size: 20,
                    body: Body::SevenBit,
                    utf8_header: false,
                })
                .unwrap(),
            Event::RecipientsAnswered { accepted, refused } => {
                assert_eq!(*accepted, 1);
                assert_eq!(
                    refused[0].reply.to_string(),
                    "550 5.1.1 \"No such mailbox here\""
                );
                client.go_ahead(LineEnds::Lf);
            }
            Event::NeedContent => match pieces.next() {
                Some(piece) => client.content(piece.as_bytes()).unwrap(),
                None => client.end_content().unwrap(),
            },
            Event::Sent(_) => client.quit(),
            other => panic!("{other:?}"),
        }
        told.push(event);
    }
    assert!(matches!(told.last(), Some(Event::Sent(_))));
    let [(account, content)] = messages(&world).await.try_into().unwrap();
    assert_eq!(account, BOB);
    let (_, received, message) = unstamp(&content);
    assert_eq!(received.from.name, "[127.0.0.1]");
    assert!(message.ends_with("\r\n\r\n.\r\nend\r\n"), "{message}");
    let logins = world.logins().await;
    assert_eq!(logins[0].mechanism.as_str(), "SCRAM-SHA-256-PLUS");
    assert_eq!(logins[0].outcome, LoginOutcome::Succeeded);
}

#[tokio::test]
async fn in_a_window_only_named_accounts_log_in_and_all_others_hear_the_same() {
    let far = Timestamp(i64::MAX / 2);
    let world = World::start().await;
    world.grant(ANN).await;
    let rung = Rung::Cleartext { until: far };
    let ladder = Ladder::restore(rung, TlsVersion::Tls12, None, Timestamp(0));
    let ann = world.account(ANN).await;
    let accounts = &world.store.accounts;
    let before = accounts.find(ANN).await.unwrap().unwrap().ladder;
    let moved = accounts.move_ladder(ann, &before, ladder).await;
    assert_eq!(moved, Ok(LadderMove::Moved));
    let mut peer = world.greeted_clear(Service::Submission).await;
    peer.replies("EHLO client.example\r\n", 1).await;
    // bob with the right password, bob with a wrong one.
    for login in [
        "AUTH PLAIN AGJvYkBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl\r\n",
        "AUTH PLAIN AGJvYkBleGFtcGxlLm9yZwB3cm9uZw==\r\n",
    ] {
        assert_eq!(
            peer.replies(login, 1).await,
            "530 5.7.0 Must issue a STARTTLS command first\r\n"
        );
    }
    let reply = peer.replies(login(), 1).await;
    assert_eq!(reply, "235 2.7.0 Authentication successful\r\n");
    assert!(
        peer.replies("STARTTLS\r\n", 1)
            .await
            .starts_with("503 5.5.1 ")
    );
    peer.submit(&["bob@example.org"], MESSAGE).await;
    let [(_, content)] = messages(&world).await.try_into().unwrap();
    let (_, received, _) = unstamp(&content);
    assert_eq!(received.with.as_deref(), Some("ESMTPA"));
    assert_eq!(received.tls, None, "no TLS, no clause (S4.3-2)");
}

/// A recipient whose account is removed after RCPT does not fail the others, who would get the message twice.
#[tokio::test]
async fn a_recipient_removed_before_the_end_of_data_is_passed_over() {
    let (world, mut peer) = logged_in().await;
    let envelope = "MAIL FROM:<ann@example.org>\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
    peer.replies(envelope, 4).await;
    let bob = world.account(BOB).await;
    world.store.accounts.delete(bob).await.unwrap();
    let reply = peer.replies("Subject: x\r\n\r\nx\r\n.\r\n", 1).await;
    assert_eq!(reply, "250 2.0.0 Message accepted and stored\r\n");
    assert_eq!(world.mail(ANN).await.len(), 1);
}
