//! A server's challenges to the client's end of each mechanism. The first octet chooses the mechanism, the rest
//! are challenges parted by LF.
//!
//! Oracles: no panic; a SCRAM login is never believed, since the fuzzer does not know the password; the password
//! is in no message of SCRAM; the time spent on iterations is bounded; a failure is final.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::{binding, client_facts};
use pillarbox_policy::{AccountLevel, Credentials};
use pillarbox_proto::sasl::client::{ClientStep, Exchange, choose};
use pillarbox_proto::sasl::{Mechanism, Nonce};

const PASSWORD: &str = "s3cret-of-ann";

fn holds_password(message: &[u8]) -> bool {
    message
        .windows(PASSWORD.len())
        .any(|part| part == PASSWORD.as_bytes())
}

fuzz_target!(|data: &[u8]| {
    let Some((which, rest)) = data.split_first() else {
        return;
    };
    let facts = client_facts(Some(binding()));
    let credentials = Credentials::new("ann", PASSWORD.into(), &AccountLevel::default());
    let mechanism = Mechanism::ALL[usize::from(which & 3)];
    let Some(choice) = choose([mechanism.as_str().as_bytes()], &facts) else {
        assert_eq!(mechanism, Mechanism::Login);
        return;
    };
    let released = credentials.release(&facts).unwrap();
    let nonce = Nonce::from_random([1; 18]);
    let (mut exchange, initial) = Exchange::new(choice, released, nonce).unwrap();
    let scram = mechanism != Mechanism::Plain;
    assert_eq!(holds_password(&initial), !scram);
    for challenge in rest.split(|octet| *octet == b'\n') {
        match exchange.step(challenge) {
            ClientStep::Send(message) => assert!(scram && !holds_password(&message)),
            ClientStep::Failed(failure) => {
                assert_eq!(exchange.step(challenge), ClientStep::Failed(failure));
                assert_eq!(exchange.succeeded(), Err(failure));
                return;
            }
        }
    }
    assert_eq!(exchange.succeeded().is_ok(), !scram);
});
