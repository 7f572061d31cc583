//! The driver: nothing is lost by cancelling it, it waits no longer than it should, and a slow reader costs
//! bounded memory.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::support::{FLOOD_LINES, Over, Talker, Toy, ToyEvent, pair};
use pillarbox_transport::{ConnectionError, Driven, HandDriven};
use proptest::prelude::*;

/// Polls `future` until it was pending `patience` times, then drops it.
async fn cancelled<F: Future>(future: F, mut patience: u8) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if patience == 0 => Poll::Ready(None),
        Poll::Pending => {
            patience -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Drives the server's end until the client leaves, cancelling as told, and answers the lines it got.
async fn serve(mut connection: HandDriven, cuts: Vec<u8>) -> Vec<String> {
    let mut cuts = cuts.into_iter().cycle();
    let mut toy = Toy::silent();
    let mut lines = Vec::new();
    loop {
        match cancelled(connection.drive(&mut toy), cuts.next().unwrap()).await {
            None => tokio::task::yield_now().await,
            Some(Ok(Driven::Event(ToyEvent::Line(line)))) => lines.push(line),
            Some(Err(ConnectionError::PeerClosed)) => return lines,
            Some(other) => panic!("{other:?}"),
        }
    }
}

/// Says all lines at once and answers every line that comes back, cancelling as told.
async fn talk(
    mut connection: HandDriven,
    lines: &[String],
    expected: usize,
    cuts: Vec<u8>,
) -> Vec<String> {
    let mut cuts = cuts.into_iter().cycle();
    let mut talker = Talker::new();
    for line in lines {
        talker.say(&format!("{line}\r\n"));
    }
    let mut heard = Vec::new();
    while heard.len() < expected {
        match cancelled(connection.drive(&mut talker), cuts.next().unwrap()).await {
            None => tokio::task::yield_now().await,
            Some(Ok(Driven::Event(line))) => heard.push(line),
            Some(other) => panic!("{other:?}"),
        }
    }
    connection.close().await;
    heard
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-z ]{0,20}",
        2 => "[a-z]{3000,8000}",
        2 => (1usize..20).prop_map(|pieces| format!("FLOOD {pieces}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn cancelling_loses_and_doubles_nothing(
        lines in proptest::collection::vec(line(), 1..30),
        server_cuts in proptest::collection::vec(0u8..4, 1..20),
        client_cuts in proptest::collection::vec(0u8..4, 1..20),
        tls in prop_oneof![Just(Over::Tls), Just(Over::Cleartext)],
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let expected: Vec<String> = lines
            .iter()
            .flat_map(|line| match line.strip_prefix("FLOOD ") {
                Some(pieces) => {
                    let flood = "flood flood flood flood flood flood flood flood flood flood fl";
                    vec![flood.to_owned(); pieces.parse::<usize>().unwrap() * FLOOD_LINES]
                }
                None => vec![format!("echo {line}")],
            })
            .collect();
        let (got, heard) = runtime.block_on(async {
            let (client, server) = pair(tls).await;
            let serving = tokio::spawn(serve(server, server_cuts));
            let heard = talk(client, &lines, expected.len(), client_cuts).await;
            (serving.await.unwrap(), heard)
        });
        prop_assert_eq!(got, lines);
        prop_assert!(heard == expected);
    }
}

/// The idle time runs on across cancelled calls, as it has to for IDLE.
#[tokio::test]
async fn cancelling_does_not_prolong_the_idle_time() {
    let (_client, mut server) = pair(Over::Tls).await;
    server.set_idle_timeout(Duration::from_millis(400));
    let mut toy = Toy::greeting();
    let started = Instant::now();
    let error = loop {
        let cut = tokio::time::timeout(Duration::from_millis(30), server.drive(&mut toy));
        if let Ok(result) = cut.await {
            break result.unwrap_err();
        }
        assert!(started.elapsed() < Duration::from_secs(3));
    };
    assert!(
        matches!(error, ConnectionError::IdleTimedOut(time) if time.as_millis() == 400),
        "{error:?}"
    );
    assert!(started.elapsed() >= Duration::from_millis(390));
}

/// What the owner spends on an event is not the peer's silence.
#[tokio::test]
async fn the_owners_time_does_not_count() {
    let (mut client, mut server) = pair(Over::Tls).await;
    server.set_idle_timeout(Duration::from_millis(600));
    let (mut toy, mut talker) = (Toy::silent(), Talker::new());
    let talking = tokio::spawn(async move {
        crate::support::ask(&mut client, &mut talker, "one\r\n").await;
        tokio::time::sleep(Duration::from_millis(1000)).await;
        crate::support::ask(&mut client, &mut talker, "two\r\n").await;
    });
    let one = server.drive(&mut toy).await.unwrap();
    assert_eq!(one, Driven::Event(ToyEvent::Line("one".to_owned())));
    tokio::time::sleep(Duration::from_millis(900)).await;
    let two = server.drive(&mut toy).await.unwrap();
    assert_eq!(two, Driven::Event(ToyEvent::Line("two".to_owned())));
    talking.await.unwrap();
}

/// A reply is on its way before the owner works on the event that came after it.
#[tokio::test]
async fn replies_leave_before_the_owner_works() {
    for over in [Over::Cleartext, Over::Tls] {
        let (mut client, mut server) = pair(over).await;
        let (mut toy, mut talker) = (Toy::greeting(), Talker::new());
        talker.say("hello\r\n");
        let (event, greeting) = tokio::join!(server.drive(&mut toy), client.drive(&mut talker));
        assert_eq!(
            event.unwrap(),
            Driven::Event(ToyEvent::Line("hello".to_owned()))
        );
        assert_eq!(
            greeting.unwrap(),
            Driven::Event(crate::support::GREETING.to_owned())
        );
        // The server is not driven any more.
        let echo = client.drive(&mut talker).await.unwrap();
        assert_eq!(echo, Driven::Event("echo hello".to_owned()));
    }
}

/// A peer that takes nothing is given up; one that takes a little at a time is not.
#[tokio::test]
async fn a_reader_that_reads_nothing_is_given_up() {
    for over in [Over::Cleartext, Over::Tls] {
        let (mut client, server) = pair(over).await;
        let serving = tokio::spawn(async move {
            let mut server = server;
            let mut toy = Toy::silent();
            loop {
                if let Err(error) = server.drive(&mut toy).await {
                    return error;
                }
            }
        });
        let mut talker = Talker::new();
        talker.say("FLOOD 100000\r\n");
        // Sends, and from then on reads nothing.
        cancelled(client.drive(&mut talker), 0).await;
        let error = serving.await.unwrap();
        assert!(
            matches!(error, ConnectionError::WriteTimedOut(time) if time.as_secs() == 2),
            "{error:?}"
        );
    }
}
