//! A server in the clear, honest or not, against a client that wants TLS.
//!
//! Oracles: no panic; nothing but EHLO without a name and STARTTLS is ever said; the only event is the
//! go-ahead for TLS, after which one octet is found before the handshake; no word of the server is kept.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::clear;
use pillarbox_proto::smtp::submission::client::{Client, Event, Failure};
use pillarbox_proto::{Clear, Machine, Start, Step, Upgrade};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, input)) = data.split_first() else {
        return;
    };
    let mut client = Client::<Clear>::start(&clear(), ());
    let mut said = Vec::new();
    for piece in input.chunks(usize::from(cut).max(1)) {
        client.input(piece);
        loop {
            match client.poll() {
                Step::Output(octets) => said.extend_from_slice(&octets),
                Step::Event(event) => assert_eq!(event, Event::StartTls),
                Step::NeedInput => break,
                Step::NeedReply => {
                    client.input(b"2");
                    assert!(client.nothing_left().is_err());
                    return;
                }
                Step::Close => panic!("nobody said QUIT"),
                Step::Err(failure) => {
                    if let Failure::Refused { reply, .. }
                    | Failure::StartTlsRefused(reply)
                    | Failure::GoingAway(reply) = failure
                    {
                        assert!(reply.text.is_empty());
                    }
                    return;
                }
            }
        }
        assert!(b"EHLO [127.0.0.1]\r\nSTARTTLS\r\n".starts_with(&said));
    }
});
