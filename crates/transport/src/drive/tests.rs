//! The driver against slow, silent and vanishing peers.

use std::convert::Infallible;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::Connection;
use crate::Timeouts;
use crate::wire::Wire;

/// Puts out pieces of 8 KiB, as many as there are, and counts them.
struct Flood {
    left: usize,
}

const PIECE: usize = 8 * 1024;

impl Machine for Flood {
    type Event = ();
    type Error = Infallible;

    fn input(&mut self, _bytes: &[u8]) {}

    fn poll(&mut self) -> Step<(), Infallible> {
        if self.left == 0 {
            return Step::NeedInput;
        }
        self.left -= 1;
        Step::Output(vec![b'x'; PIECE].into())
    }
}

async fn connected(timeouts: Timeouts) -> (Io, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap());
    let (accepted, peer) = tokio::join!(listener.accept(), peer);
    let connection = Connection::new(
        Wire::new(accepted.unwrap().0).unwrap(),
        "test",
        timeouts,
        None,
    )
    .unwrap();
    (connection.io, peer.unwrap())
}

#[tokio::test]
async fn a_slow_reader_costs_bounded_memory_and_gets_everything() {
    let (mut connection, mut peer) = connected(Timeouts::default()).await;
    let pieces = 4000;
    let mut flood = Flood { left: pieces };
    // Nobody reads: the kernel's buffers fill, and then ours, up to the limit.
    let stuck = timeout(Duration::from_millis(300), connection.drive(&mut flood)).await;
    assert!(stuck.is_err());
    assert!(
        flood.left > 0,
        "the kernel took {pieces} pieces; make it more"
    );
    assert!((1..HIGH_WATER + PIECE).contains(&connection.outgoing.len()));
    // Asking again does not make it more.
    let stuck = timeout(Duration::from_millis(100), connection.drive(&mut flood)).await;
    assert!(stuck.is_err());
    assert!((1..HIGH_WATER + PIECE).contains(&connection.outgoing.len()));

    let reading = tokio::spawn(async move {
        let mut total = 0;
        let mut buffer = vec![0; 64 * 1024];
        while total < pieces * PIECE {
            total += peer.read(&mut buffer).await.unwrap();
        }
        (total, peer)
    });
    let waiting = timeout(Duration::from_secs(10), async {
        tokio::select! {
            driven = connection.drive(&mut flood) => panic!("{driven:?}"),
            read = reading => read.unwrap(),
        }
    });
    let (total, _peer) = waiting.await.unwrap();
    assert_eq!(total, pieces * PIECE);
    assert!(connection.outgoing.is_empty());
}

/// Progress, however slow, is life: the write timeout is not one for the whole.
#[tokio::test]
async fn slow_progress_is_not_a_write_timeout() {
    let timeouts = Timeouts {
        write: Duration::from_millis(500),
        ..Timeouts::default()
    };
    let (mut connection, mut peer) = connected(timeouts).await;
    let mut flood = Flood { left: 10_000 };
    let reading = tokio::spawn(async move {
        // Far more than the kernel needs to see before it tells the writer of new room.
        let mut buffer = vec![0; 4 * 1024 * 1024];
        for _ in 0..6 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let mut read = 0;
            while read < buffer.len() {
                read += peer.read(&mut buffer).await.unwrap();
            }
        }
        peer
    });
    let _peer = tokio::select! {
        driven = connection.drive(&mut flood) => panic!("{driven:?}"),
        peer = reading => peer.unwrap(),
    };
    let error = connection.drive(&mut flood).await.unwrap_err();
    assert!(
        matches!(error, ConnectionError::WriteTimedOut(_)),
        "{error:?}"
    );
}
