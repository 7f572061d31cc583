//! The server's end of SASL: what is offered where, and what each wrong message leads to.

use std::fs::File;
use std::os::unix::fs::FileExt;

use pillarbox_policy::{MayAuthenticate, Secret, may_authenticate};
use pillarbox_proto::sasl::{
    MAX_MESSAGE, Mechanism, Nonce, ScramKeys, coding,
    server::{Decision, Exchange, Failure, Offer, ScramOutcome, ServerStep},
};
use pillarbox_proto::{ChannelState, Sealed};
use pillarbox_testkit::{facts, facts_with};

use crate::channels::{clear, window};

fn offer(channel: &impl ChannelState) -> Offer {
    match may_authenticate(channel.view(), Some(&window())) {
        MayAuthenticate::Yes(permit) => Offer::new(&permit),
        MayAuthenticate::NotBeforeTls => panic!("there is a window"),
    }
}

pub(crate) fn bound() -> Sealed {
    Sealed::new(facts())
}

pub(crate) fn unbound() -> Sealed {
    Sealed::new(facts_with(|parts| parts.binding = None))
}

pub(crate) fn nonce() -> Nonce {
    Nonce::from_random([3; Nonce::RANDOM])
}

fn start(channel: &Sealed, mechanism: Mechanism) -> Exchange {
    offer(channel).start(mechanism, nonce()).unwrap()
}

pub(crate) fn keys() -> ScramKeys {
    ScramKeys::derive(&Secret::from("right"), &[5; 16], 4096).unwrap()
}

/// What the server makes of a client's first SCRAM message.
fn first(channel: &Sealed, mechanism: Mechanism, message: &str) -> ServerStep {
    start(channel, mechanism).begin(Some(message.as_bytes()))
}

fn wants_keys() -> ServerStep {
    ServerStep::NeedScramKeys {
        login: "ann".to_owned(),
    }
}

#[test]
fn r5802_1_plus_is_offered_exactly_where_it_can_be_bound() {
    use Mechanism::{Login, Plain, ScramSha256, ScramSha256Plus};
    assert_eq!(
        offer(&bound()).mechanisms(),
        [ScramSha256Plus, ScramSha256, Plain, Login]
    );
    assert_eq!(offer(&unbound()).mechanisms(), [ScramSha256, Plain, Login]);
    let clear = clear();
    assert_eq!(offer(&clear).mechanisms(), [ScramSha256, Plain]);
    assert!(offer(&unbound()).start(ScramSha256Plus, nonce()).is_none());
    assert!(offer(&clear).start(Login, nonce()).is_none());
}

#[test]
fn r5802_2_flags_of_the_client() {
    use Mechanism::{ScramSha256, ScramSha256Plus};
    let exporter = "p=tls-exporter,,n=ann,r=abc";
    let no = "n,,n=ann,r=abc";
    let not_seen = "y,,n=ann,r=abc";
    for (channel, mechanism, message, expected) in [
        (bound(), ScramSha256Plus, exporter, wants_keys()),
        (
            bound(),
            ScramSha256Plus,
            "p=tls-unique,,n=ann,r=abc",
            ServerStep::Failed(Failure::BindingTypeUnsupported),
        ),
        (
            bound(),
            ScramSha256Plus,
            "p=tls-server-end-point,,n=ann,r=abc",
            ServerStep::Failed(Failure::BindingTypeUnsupported),
        ),
        (
            bound(),
            ScramSha256Plus,
            no,
            ServerStep::Failed(Failure::BindingFlag),
        ),
        (
            bound(),
            ScramSha256Plus,
            not_seen,
            ServerStep::Failed(Failure::BindingFlag),
        ),
        (bound(), ScramSha256, no, wants_keys()),
        (
            bound(),
            ScramSha256,
            not_seen,
            ServerStep::Failed(Failure::Downgrade),
        ),
        (
            bound(),
            ScramSha256,
            exporter,
            ServerStep::Failed(Failure::BindingFlag),
        ),
        (unbound(), ScramSha256, no, wants_keys()),
        (unbound(), ScramSha256, not_seen, wants_keys()),
        (
            unbound(),
            ScramSha256,
            exporter,
            ServerStep::Failed(Failure::BindingFlag),
        ),
    ] {
        assert_eq!(
            first(&channel, mechanism, message),
            expected,
            "{mechanism} {message}"
        );
    }
}

#[test]
fn r9266_1_one_authentication_per_connection_uses_the_binding() {
    let mut offer = offer(&bound());
    assert!(offer.start(Mechanism::ScramSha256Plus, nonce()).is_some());
    assert!(offer.start(Mechanism::ScramSha256Plus, nonce()).is_none());
    assert_eq!(
        offer.mechanisms().first(),
        Some(&Mechanism::ScramSha256Plus)
    );
    // The rest goes on, and a client that says it sees no PLUS is still being lied to.
    let mut exchange = offer.start(Mechanism::ScramSha256, nonce()).unwrap();
    assert_eq!(
        exchange.begin(Some(b"y,,n=ann,r=abc")),
        ServerStep::Failed(Failure::Downgrade)
    );
}

#[test]
fn s4_1_5_server_proves_nothing_before_the_owner_has_decided() {
    // The right password on an account that policy keeps out looks like a wrong one: the signature, which
    // only comes after a right proof, stays inside.
    let client_first = "n,,n=ann,r=abc";
    for (password, outcome_is_proved) in [("right", true), ("wrong", false)] {
        let mut exchange = start(&unbound(), Mechanism::ScramSha256);
        assert_eq!(exchange.begin(Some(client_first.as_bytes())), wants_keys());
        let ServerStep::Challenge(server_first) = exchange.scram_keys(keys()) else {
            panic!("a challenge follows the keys");
        };
        let last = client_final(password, "n=ann,r=abc", &server_first);
        let ServerStep::CheckScram { login, outcome } = exchange.step(last.as_bytes()) else {
            panic!("the owner is asked");
        };
        assert_eq!(login, "ann");
        assert_eq!(
            matches!(outcome, ScramOutcome::Proved(_)),
            outcome_is_proved
        );
        assert_eq!(
            exchange.decided(Decision::Refuse),
            ServerStep::Failed(Failure::Refused)
        );
    }
}

#[test]
fn a_refuted_proof_stays_refuted_whatever_the_owner_says() {
    let mut exchange = start(&unbound(), Mechanism::ScramSha256);
    assert_eq!(exchange.begin(Some(b"n,,n=ann,r=abc")), wants_keys());
    let ServerStep::Challenge(server_first) = exchange.scram_keys(keys()) else {
        panic!("a challenge follows the keys");
    };
    let last = client_final("wrong", "n=ann,r=abc", &server_first);
    let step = exchange.step(last.as_bytes());
    assert!(matches!(
        step,
        ServerStep::CheckScram {
            outcome: ScramOutcome::Refuted,
            ..
        }
    ));
    assert_eq!(
        exchange.decided(Decision::Accept),
        ServerStep::Failed(Failure::Refused)
    );
}

#[test]
fn scram_ends_with_an_empty_answer_to_the_servers_proof() {
    for (answer, expected) in [
        (
            &b""[..],
            ServerStep::Done {
                login: "ann".to_owned(),
            },
        ),
        (b"x", ServerStep::Failed(Failure::Malformed)),
    ] {
        let mut exchange = start(&unbound(), Mechanism::ScramSha256);
        assert_eq!(exchange.begin(None), ServerStep::Challenge(Vec::new()));
        assert_eq!(exchange.step(b"n,,n=ann,r=abc"), wants_keys());
        let ServerStep::Challenge(server_first) = exchange.scram_keys(keys()) else {
            panic!("a challenge follows the keys");
        };
        let last = client_final("right", "n=ann,r=abc", &server_first);
        assert!(matches!(
            exchange.step(last.as_bytes()),
            ServerStep::CheckScram { .. }
        ));
        let step = exchange.decided(Decision::Accept);
        assert!(
            matches!(&step, ServerStep::Challenge(last) if last.starts_with(b"v=")),
            "{step:?}"
        );
        assert_eq!(exchange.step(answer), expected);
    }
}

#[test]
fn login_asks_twice() {
    let mut exchange = start(&unbound(), Mechanism::Login);
    assert_eq!(
        exchange.begin(None),
        ServerStep::Challenge(b"Username:".to_vec())
    );
    assert_eq!(
        exchange.step(b"ann"),
        ServerStep::Challenge(b"Password:".to_vec())
    );
    assert_eq!(
        exchange.step(b"right"),
        ServerStep::CheckPassword {
            login: "ann".to_owned(),
            password: "right".into()
        }
    );
    assert_eq!(
        exchange.decided(Decision::Accept),
        ServerStep::Done {
            login: "ann".to_owned()
        }
    );

    let mut exchange = start(&unbound(), Mechanism::Login);
    assert_eq!(
        exchange.begin(Some(b"ann")),
        ServerStep::Challenge(b"Password:".to_vec())
    );
    assert_eq!(exchange.step(b""), ServerStep::Failed(Failure::Malformed));
}

#[test]
fn nobody_acts_for_somebody_else() {
    assert_eq!(
        start(&bound(), Mechanism::Plain).begin(Some(b"bob\0ann\0right")),
        ServerStep::Failed(Failure::OtherIdentity)
    );
    assert_eq!(
        first(&unbound(), Mechanism::ScramSha256, "n,a=bob,n=ann,r=abc"),
        ServerStep::Failed(Failure::OtherIdentity)
    );
    assert_eq!(
        first(&unbound(), Mechanism::ScramSha256, "n,a=ann,n=ann,r=abc"),
        wants_keys()
    );
}

#[test]
fn messages_at_the_limit_and_one_over() {
    let message = |length: usize| {
        let mut message = b"n,,n=ann,r=abc,x=".to_vec();
        message.resize(length, b'x');
        start(&unbound(), Mechanism::ScramSha256).begin(Some(&message))
    };
    assert_eq!(message(MAX_MESSAGE), wants_keys());
    assert_eq!(
        message(MAX_MESSAGE + 1),
        ServerStep::Failed(Failure::Malformed)
    );
}

#[test]
fn answers_out_of_turn_fail() {
    let out_of_turn = ServerStep::Failed(Failure::OutOfTurn);
    let mut exchange = start(&bound(), Mechanism::Plain);
    assert_eq!(exchange.decided(Decision::Accept), out_of_turn);
    assert_eq!(exchange.step(b"\0ann\0right"), out_of_turn);
    assert_eq!(
        start(&bound(), Mechanism::Plain).scram_keys(keys()),
        out_of_turn
    );
    let mut exchange = start(&unbound(), Mechanism::ScramSha256);
    exchange.begin(Some(b"n,,n=ann,r=abc"));
    assert_eq!(exchange.decided(Decision::Accept), out_of_turn);
}

#[test]
fn nothing_secret_is_printed() {
    let mut exchange = start(&bound(), Mechanism::Plain);
    let step = exchange.begin(Some(b"\0ann\0geheim"));
    assert!(!format!("{step:?} {exchange:?}").contains("geheim"));
    assert_eq!(format!("{:?}", keys()), "ScramKeys(..)");
}

#[test]
fn keys_are_zeroed_where_they_stood() {
    // A vector that is emptied drops what is in it and keeps its memory, which can be read as a file.
    let mut all = vec![keys()];
    let at = all.as_ptr() as usize;
    let memory = File::open("/proc/self/mem").unwrap();
    let secrets = [all[0].stored_key, all[0].server_key];
    let found = || {
        let mut octets = [0; size_of::<ScramKeys>()];
        memory.read_exact_at(&mut octets, at as u64).unwrap();
        secrets.map(|key| octets.windows(8).any(|part| key.starts_with(part)))
    };
    assert_eq!(found(), [true, true]);
    all.clear();
    assert_eq!(found(), [false, false]);
    assert!(all.capacity() > 0);
}

/// An independent client: computes its final message with the library's primitives alone.
pub(crate) fn client_final(password: &str, bare: &str, server_first: &[u8]) -> String {
    client_final_bound(password, bare, server_first, b"n,,")
}

/// The same, with this GS2 header and channel binding.
pub(crate) fn client_final_bound(
    password: &str,
    bare: &str,
    server_first: &[u8],
    bound_to: &[u8],
) -> String {
    use aws_lc_rs::{digest, hmac, pbkdf2};
    let server_first = std::str::from_utf8(server_first).unwrap();
    let mut attributes = server_first.split(',').map(|attribute| &attribute[2..]);
    let nonce = attributes.next().unwrap();
    let salt = coding::decode(attributes.next().unwrap().as_bytes()).unwrap();
    let iterations = attributes.next().unwrap().parse().unwrap();
    let sign = |key: &[u8], data: &[u8]| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data)
            .as_ref()
            .to_vec()
    };
    let mut salted = [0; 32];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        iterations,
        &salt,
        password.as_bytes(),
        &mut salted,
    );
    let client_key = sign(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let without_proof = format!("c={},r={nonce}", *coding::encode(bound_to));
    let signature = sign(
        stored_key.as_ref(),
        format!("{bare},{server_first},{without_proof}").as_bytes(),
    );
    let proof: Vec<u8> = client_key
        .iter()
        .zip(signature)
        .map(|(key, bit)| key ^ bit)
        .collect();
    format!("{without_proof},p={}", *coding::encode(&proof))
}
