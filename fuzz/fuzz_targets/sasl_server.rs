//! A client's messages to the server's end of each mechanism. The first octet chooses mechanism and channel, the
//! rest are messages parted by LF.
//!
//! Oracles: no panic; a SCRAM proof is never taken, since the fuzzer cannot make one; a login is done only after
//! the owner's decision; what is passed on is within limits and holds no control character; a failure is final.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pillarbox_fuzz::server_facts;
use pillarbox_policy::{Channel, ChannelBinding, MayAuthenticate, may_authenticate};
use pillarbox_proto::sasl::server::{Decision, Failure, Offer, ScramOutcome, ServerStep};
use pillarbox_proto::sasl::{MAX_LOGIN, MAX_PASSWORD, Mechanism, Nonce, ScramKeys};

fn assert_login(login: &str) {
    assert!(!login.is_empty() && login.len() <= MAX_LOGIN);
    assert!(!login.contains(char::is_control));
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    let binding = (choice & 4 == 0).then(|| ChannelBinding::tls_exporter([7; 32]));
    let facts = server_facts(binding);
    let MayAuthenticate::Yes(permit) = may_authenticate(Channel::Sealed(&facts), None) else {
        panic!("a sealed channel may authenticate");
    };
    let mechanism = Mechanism::ALL[usize::from(choice & 3)];
    let nonce = Nonce::from_random([2; 18]);
    let Some(mut exchange) = Offer::new(&permit).start(mechanism, nonce) else {
        assert_eq!(mechanism, Mechanism::ScramSha256Plus);
        return;
    };
    let mut messages = rest.split(|octet| *octet == b'\n');
    let first = if choice & 8 == 0 {
        messages.next()
    } else {
        None
    };
    let mut step = exchange.begin(first);
    let mut accepted = false;
    loop {
        step = match step {
            ServerStep::Challenge(challenge) => {
                assert!(challenge.len() <= 12 * 1024);
                match messages.next() {
                    Some(message) => exchange.step(message),
                    None => return,
                }
            }
            ServerStep::CheckPassword { login, password } => {
                assert_login(&login);
                let password = password.expose();
                assert!(!password.is_empty() && password.len() <= MAX_PASSWORD);
                accepted = login.len() % 2 == 0;
                exchange.decided(if accepted {
                    Decision::Accept
                } else {
                    Decision::Refuse
                })
            }
            ServerStep::NeedScramKeys { login } => {
                assert_login(&login);
                exchange.scram_keys(ScramKeys {
                    salt: vec![1; 16],
                    iterations: 4096,
                    stored_key: [2; 32],
                    server_key: [3; 32],
                })
            }
            ServerStep::CheckScram { outcome, .. } => {
                assert_eq!(outcome, ScramOutcome::Refuted);
                exchange.decided(Decision::Accept)
            }
            ServerStep::Done { login } => {
                assert_login(&login);
                assert!(accepted && matches!(mechanism, Mechanism::Plain | Mechanism::Login));
                return;
            }
            ServerStep::Failed(_) => {
                assert_eq!(exchange.step(b""), ServerStep::Failed(Failure::OutOfTurn));
                return;
            }
        };
    }
});
