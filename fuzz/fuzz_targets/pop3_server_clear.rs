//! A client, or whoever pretends to be one, on the cleartext port.
//!
//! Oracles: no panic; no event but STLS and the wish to log in; nothing of a login is told apart; output is bounded by input; TLS
//! begins only with nothing behind STLS; a violation is final; pieces do not matter to what is said.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::clear;
use pillarbox_proto::line::LineError;
use pillarbox_proto::pop3::server::{Config, Event, LoginsInClear, Server, Violation};
use pillarbox_proto::{AsksForPermit, Clear, Machine, Start, Step, Upgrade};

/// What the server said, and whether it broke the session off for a line without end, which depends on pieces.
fn session<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let settings = (Config::default(), LoginsInClear::NotListed);
    let mut server = Server::<Clear>::start(&clear(), settings);
    let mut said = Vec::new();
    let mut read = 0;
    // At least one look, even where nothing is sent.
    for piece in pieces.chain([&b""[..]]) {
        server.input(piece);
        read += piece.len();
        loop {
            match server.poll() {
                Step::Output(bytes) => said.extend_from_slice(&bytes),
                Step::Event(Event::StartTls) => {
                    assert!(said.ends_with(b"+OK begin TLS\r\n"));
                    assert_eq!(server.poll(), Step::NeedReply);
                    assert!(server.nothing_left().is_ok());
                    return (said, false);
                }
                Step::Event(Event::NeedPermit) => server.refuse_login(),
                Step::Event(event) => panic!("{event:?} in the clear"),
                Step::NeedInput => break,
                Step::NeedReply => panic!("nothing was asked"),
                Step::Close => return (said, false),
                Step::Err(violation) => {
                    server.input(b"CAPA\r\n");
                    assert_eq!(server.poll(), Step::Err(violation));
                    return (said, violation == Violation::Line(LineError::Endless));
                }
            }
        }
        // The longest answer is the list of capabilities, to a line of six octets.
        assert!(said.len() <= 256 + read * 32);
    }
    (said, false)
}

fuzz_target!(|data: &[u8]| {
    let (whole, endless) = session(std::iter::once(data));
    // Where STLS is refused since something followed it, pieces make all the difference, as they should.
    let injected = b"-ERR nothing may follow STLS before the reply\r\n";
    for size in [1, 1 + data.len() % 11] {
        let (pieces, endless_too) = session(data.chunks(size));
        if !endless && !endless_too && !whole.ends_with(injected) {
            assert_eq!(whole, pieces);
        }
    }
});
