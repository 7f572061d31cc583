//! A client in the clear, with and without STARTTLS, against a server without a legacy window.
//!
//! Oracles: no panic; no event but the go-ahead for TLS, so no credential, sender or content; what is put out
//! is bounded; the go-ahead comes only where nothing stands behind the command, and one octet after it is
//! found before TLS.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::clear;
use pillarbox_proto::smtp::submission::server::{Config, Event, LoginsInClear, Server};
use pillarbox_proto::{AsksForPermit, Clear, Machine, Start, Step, Upgrade};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else {
        return;
    };
    let mut server = Server::<Clear>::start(
        &clear(),
        (
            Arc::new(Config::new("mail.example.org")),
            LoginsInClear::NotListed,
        ),
    );
    let mut put_out = 0;
    for piece in input.chunks(usize::from(cut).max(1)) {
        server.input(piece);
        loop {
            match server.poll() {
                Step::Output(octets) => {
                    assert!(!octets.is_empty() && octets.len() <= 17 * 1024);
                    assert!(
                        !octets
                            .windows(2)
                            .any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
                    );
                    put_out += octets.len();
                }
                Step::Event(Event::NeedPermit) => server.refuse_login(),
                Step::Event(event) => assert_eq!(event, Event::StartTls),
                Step::NeedInput => break,
                // Only the go-ahead waits, and whatever comes now was not sent by the peer we mean.
                Step::NeedReply => {
                    server.input(b"N");
                    assert!(server.nothing_left().is_err());
                    return;
                }
                Step::Close | Step::Err(_) => return,
            }
        }
    }
    // Fifty commands without a login, and no answer longer than that to EHLO.
    assert!(put_out <= 51 * 512);
});
