//! A client in the clear against the server's machine.
//!
//! Oracles: no panic; no event but STARTTLS and the wish to log in, so no credential and no mailbox; how the client's words are cut
//! into pieces never matters; what is put out is bounded by what came in; a byte after STARTTLS is an error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::clear;
use pillarbox_proto::imap::server::{
    ClearEvent, ClearSettings, Limits, LoginsInClear, Server, StartTls, Violation,
};
use pillarbox_proto::line::LineError;
use pillarbox_proto::{AsksForPermit, Clear, Machine, Start, Step};

#[derive(Debug, PartialEq)]
enum End {
    Open,
    StartTls,
    Closed,
    Violation(Violation),
}

/// What the machine says to these pieces, up to STARTTLS.
fn session<'a>(starttls: StartTls, pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, End) {
    let settings = ClearSettings {
        limits: Limits::default(),
        starttls,
        logins: LoginsInClear::NotListed,
    };
    let mut server = Server::<Clear>::start(&clear(), settings);
    let mut out = Vec::new();
    for piece in [&b""[..]].into_iter().chain(pieces) {
        server.input(piece);
        loop {
            match server.poll() {
                Step::Output(bytes) => {
                    assert!(!bytes.is_empty() && bytes.len() <= 16 * 1024);
                    out.extend_from_slice(&bytes);
                }
                Step::Event(ClearEvent::StartTls) => {
                    assert_eq!(starttls, StartTls::Offered);
                    return (out, End::StartTls);
                }
                Step::Event(ClearEvent::NeedPermit) => server.refuse_login(),
                Step::NeedInput => break,
                Step::NeedReply => panic!("the owner owes nothing"),
                Step::Close => return (out, End::Closed),
                Step::Err(violation) => return (out, End::Violation(violation)),
            }
        }
    }
    (out, End::Open)
}

fn check(whole: &(Vec<u8>, End), split: &(Vec<u8>, End)) {
    let endless = |end: &End| *end == End::Violation(Violation::Line(LineError::Endless));
    // How soon a line without end is given up depends on the pieces. Octets after STARTTLS are an injection
    // in one segment, and the handshake's affair in a later one. Everything else is the same.
    let injected = matches!(whole.1, End::Violation(Violation::Injected(_)));
    if !injected && !endless(&whole.1) && !endless(&split.1) {
        assert_eq!(whole, split);
    }
}

fuzz_target!(|data: &[u8]| {
    for starttls in [StartTls::Offered, StartTls::NoCertificate] {
        let whole = session(starttls, std::iter::once(data));
        assert!(whole.0.len() <= 400 + data.len() * 40);
        check(&whole, &session(starttls, data.chunks(1)));
        check(&whole, &session(starttls, data.chunks(1 + data.len() % 11)));
    }
});
