//! A server, or whoever pretends to be one, before TLS.
//!
//! Oracles: no panic; nothing but CAPA and STLS is ever put out; TLS begins only behind a greeting and `+OK`,
//! with not one octet after it; no text of the server is told; a violation is final.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::clear;
use pillarbox_proto::pop3::client::{Client, Event};
use pillarbox_proto::{Clear, Machine, Start, Step, Upgrade};

fn session<'a>(pieces: impl Iterator<Item = &'a [u8]>, data: &[u8]) {
    let mut client = Client::<Clear>::start(&clear(), ());
    let mut said = Vec::new();
    let mut ready = false;
    for piece in pieces {
        client.input(piece);
        loop {
            match client.poll() {
                Step::Output(bytes) => said.extend_from_slice(&bytes),
                Step::Event(Event::Greeted) if data.len() % 2 == 0 => {
                    client.ask_capabilities().unwrap();
                }
                Step::Event(Event::Greeted | Event::Capabilities) => client.start_tls().unwrap(),
                Step::Event(Event::StartTls) => ready = true,
                Step::Event(event) => panic!("{event:?} in the clear"),
                Step::NeedInput => break,
                Step::NeedReply => {
                    assert!(ready);
                    break;
                }
                Step::Close => panic!("nobody said QUIT"),
                Step::Err(violation) => {
                    assert_said(&said);
                    client.input(b"+OK\r\n");
                    assert_eq!(client.poll(), Step::Err(violation));
                    return;
                }
            }
        }
    }
    assert_said(&said);
    if ready && client.nothing_left().is_ok() {
        assert!(data.starts_with(b"+OK") && data.ends_with(b"\r\n"));
        let last = data[..data.len() - 2]
            .rsplit(|octet| *octet == b'\n')
            .next()
            .unwrap();
        assert!(last.starts_with(b"+OK"));
    }
}

fn assert_said(said: &[u8]) {
    assert!(matches!(
        said,
        b"" | b"CAPA\r\n" | b"STLS\r\n" | b"CAPA\r\nSTLS\r\n"
    ));
}

fuzz_target!(|data: &[u8]| {
    session(std::iter::once(data), data);
    session(data.chunks(1), data);
    session(data.chunks(1 + data.len() % 11), data);
    // Line by line, as an honest server's words would come.
    session(data.split_inclusive(|octet| *octet == b'\n'), data);
});
