//! A server, or whoever pretends to be one, before TLS.
//!
//! Oracles: no panic; nothing but CAPABILITY and STARTTLS is ever put out; the switch to TLS is reached only by
//! a greeting and an answer with the right tag, with not one octet behind it; a violation is final.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::clear;
use pillarbox_proto::imap::client::{ClearEvent, Client, TagSeed};
use pillarbox_proto::{Clear, Machine, Start, Step, Upgrade};

const TAG: &str = "1111111111111111";

fn session<'a>(pieces: impl Iterator<Item = &'a [u8]>, data: &[u8]) {
    let mut client = Client::<Clear>::start(&clear(), TagSeed::from_random([0x11; 16]));
    let mut said = Vec::new();
    let mut greeted = false;
    let mut ready = false;
    for piece in pieces {
        client.input(piece);
        loop {
            match client.poll() {
                Step::Output(bytes) => said.extend_from_slice(&bytes),
                Step::Event(ClearEvent::Greeted) => {
                    assert!(!greeted);
                    greeted = true;
                    if data.len() % 2 == 0 {
                        client.ask_capabilities().unwrap();
                    } else {
                        client.start_tls().unwrap();
                    }
                }
                Step::Event(ClearEvent::Capabilities(_)) => client.start_tls().unwrap(),
                Step::Event(ClearEvent::ReadyForTls) => ready = true,
                Step::NeedInput => break,
                Step::NeedReply | Step::Close => panic!("there is no such step in the clear"),
                Step::Err(error) => {
                    assert_said(&said);
                    client.input(b"* OK x\r\n");
                    assert_eq!(client.poll(), Step::Err(error));
                    return;
                }
            }
        }
    }
    assert_said(&said);
    if ready && client.nothing_left().is_ok() {
        let text = String::from_utf8_lossy(data).to_ascii_uppercase();
        assert!(text.starts_with("* OK") && greeted);
        let last = text.trim_end_matches("\r\n").rsplit("\r\n").next().unwrap();
        assert!(last.starts_with(&format!("{TAG} OK")));
        assert!(text.ends_with("\r\n"));
        assert!(!text.split("\r\n").any(|line| line.starts_with("* PREAUTH")));
    }
}

fn assert_said(said: &[u8]) {
    let said = std::str::from_utf8(said).unwrap();
    let rest = said
        .strip_prefix(&format!("{TAG} CAPABILITY\r\n"))
        .unwrap_or(said);
    assert!(rest.is_empty() || rest == format!("{TAG} STARTTLS\r\n"));
}

fuzz_target!(|data: &[u8]| {
    session(std::iter::once(data), data);
    session(data.chunks(1), data);
    session(data.chunks(1 + data.len() % 11), data);
    // Line by line, as an honest server's words would come.
    session(data.split_inclusive(|octet| *octet == b'\n'), data);
});
