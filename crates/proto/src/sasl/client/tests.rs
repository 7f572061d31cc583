//! Both ends against each other.

use pillarbox_policy::{
    AccountLevel, Channel, ChannelBinding, Credentials, MayAuthenticate, Secret, SecretBytes,
    TlsFacts, may_authenticate,
};
use pillarbox_testkit::{facts, facts_with};
use proptest::prelude::*;

use super::*;
use crate::sasl::{
    MAX_ITERATIONS, MIN_ITERATIONS, PrepareError, ScramKeys, coding,
    server::{self, Decision, Offer, ScramOutcome, ServerStep},
};

const SALT: [u8; 16] = [9; 16];

pub(super) fn facts_without_binding() -> TlsFacts {
    facts_with(|parts| parts.binding = None)
}

fn facts_of_another_connection() -> TlsFacts {
    facts_with(|parts| parts.binding = Some(ChannelBinding::tls_exporter([8; 32])))
}

pub(super) fn offer(facts: &TlsFacts) -> Offer {
    match may_authenticate(Channel::Sealed(facts), None) {
        MayAuthenticate::Yes(permit) => Offer::new(&permit),
        MayAuthenticate::NotBeforeTls => panic!("a sealed channel may authenticate"),
    }
}

pub(super) fn nonce(seed: u8) -> Nonce {
    Nonce::from_random([seed; Nonce::RANDOM])
}

pub(super) fn client(
    mechanism: Mechanism,
    facts: &TlsFacts,
    login: &str,
    password: &str,
) -> Result<(Exchange, SecretBytes), Failure> {
    let credentials = Credentials::new(login, password.into(), &AccountLevel::default());
    let released = credentials.release(facts).unwrap();
    Exchange::new(Choice(mechanism), released, nonce(1))
}

/// How a dialogue ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// The server said yes; what the client thinks of it.
    Success(Result<(), Failure>),
    /// The server failed it.
    Server(server::Failure),
    /// The client gave up.
    Client(Failure),
}

/// Runs both ends. `account` has one login and password; `tamper` sees every message on the way.
fn run(
    mut exchange: Exchange,
    initial: &[u8],
    mut server: server::Exchange,
    account: (&str, &str),
    mut tamper: impl FnMut(&mut Vec<u8>),
) -> End {
    let mut message = initial.to_vec();
    tamper(&mut message);
    let mut step = server.begin(Some(&message));
    loop {
        step = match step {
            ServerStep::Challenge(mut challenge) => {
                tamper(&mut challenge);
                match exchange.step(&challenge) {
                    ClientStep::Send(message) => {
                        let mut message = message.to_vec();
                        tamper(&mut message);
                        server.step(&message)
                    }
                    ClientStep::Failed(failure) => return End::Client(failure),
                }
            }
            ServerStep::CheckPassword { login, password } => {
                server.decided(decision(login == account.0 && password == account.1.into()))
            }
            ServerStep::NeedScramKeys { login } => {
                // An unknown login gets keys of a password that nobody has.
                let password = if login == account.0 {
                    account.1
                } else {
                    "what nobody has"
                };
                server.scram_keys(
                    ScramKeys::derive(&Secret::from(password), &SALT, MIN_ITERATIONS).unwrap(),
                )
            }
            ServerStep::CheckScram { login, outcome } => server.decided(decision(
                login == account.0 && outcome != ScramOutcome::Refuted,
            )),
            ServerStep::Done { login } => {
                assert_eq!(login, account.0);
                return End::Success(exchange.succeeded());
            }
            ServerStep::Failed(failure) => return End::Server(failure),
        };
    }
}

fn decision(right: bool) -> Decision {
    if right {
        Decision::Accept
    } else {
        Decision::Refuse
    }
}

/// One honest dialogue of `mechanism` between ends that see these channels.
fn dialogue(
    mechanism: Mechanism,
    at_client: &TlsFacts,
    at_server: &TlsFacts,
    password: &str,
) -> End {
    let (exchange, initial) = client(mechanism, at_client, "ann@example.org", password).unwrap();
    let server = offer(at_server).start(mechanism, nonce(2)).unwrap();
    run(
        exchange,
        &initial,
        server,
        ("ann@example.org", "right"),
        |_| (),
    )
}

#[test]
fn every_mechanism_lets_in_the_right_password_and_no_other() {
    for mechanism in ALLOWED {
        let facts = if mechanism == Mechanism::ScramSha256 {
            facts_without_binding()
        } else {
            facts()
        };
        assert_eq!(
            dialogue(mechanism, &facts, &facts, "right"),
            End::Success(Ok(())),
            "{mechanism}"
        );
        assert_eq!(
            dialogue(mechanism, &facts, &facts, "wrong"),
            End::Server(server::Failure::Refused),
            "{mechanism}"
        );
    }
}

#[test]
fn r5802_2_client_flag_fits_what_it_could_do() {
    let first = |mechanism, facts: &TlsFacts| client(mechanism, facts, "ann", "x").unwrap().1;
    assert!(first(Mechanism::ScramSha256Plus, &facts()).starts_with(b"p=tls-exporter,,n=ann,"));
    assert!(first(Mechanism::ScramSha256, &facts()).starts_with(b"y,,n=ann,"));
    assert!(first(Mechanism::ScramSha256, &facts_without_binding()).starts_with(b"n,,n=ann,"));
}

#[test]
fn r5802_2_plus_taken_off_the_list_fails_the_login() {
    // A middleman shows the client a list without PLUS; both ends could bind.
    let listed = offer(&facts());
    let seen = listed
        .mechanisms()
        .iter()
        .filter(|mechanism| **mechanism != Mechanism::ScramSha256Plus)
        .map(|mechanism| mechanism.as_str().as_bytes());
    let choice = choose(seen, &facts()).unwrap();
    assert_eq!(choice.mechanism(), Mechanism::ScramSha256);
    assert_eq!(
        dialogue(choice.mechanism(), &facts(), &facts(), "right"),
        End::Server(server::Failure::Downgrade)
    );
}

#[test]
fn r5802_2_another_connections_binding_fails_the_login() {
    assert_eq!(
        dialogue(
            Mechanism::ScramSha256Plus,
            &facts(),
            &facts_of_another_connection(),
            "right"
        ),
        End::Server(server::Failure::BindingMismatch)
    );
}

#[test]
fn r5802_2_client_that_cannot_bind_logs_in_beside_plus() {
    assert_eq!(
        dialogue(
            Mechanism::ScramSha256,
            &facts_without_binding(),
            &facts(),
            "right"
        ),
        End::Success(Ok(()))
    );
}

#[test]
fn r5802_2_client_believes_no_success_without_the_servers_proof() {
    let (exchange, _) = client(Mechanism::ScramSha256Plus, &facts(), "ann", "x").unwrap();
    assert_eq!(exchange.succeeded(), Err(Failure::EndedEarly));

    // A server that does not know the password makes up a signature.
    let (mut exchange, _) = client(Mechanism::ScramSha256Plus, &facts(), "ann", "x").unwrap();
    let ours = nonce(1);
    let first = format!("r={}abc,s=AAAAAAAA,i=4096", ours.as_str());
    assert!(matches!(
        exchange.step(first.as_bytes()),
        ClientStep::Send(_)
    ));
    let last = format!("v={}", *coding::encode(&[0; 32]));
    assert_eq!(
        exchange.step(last.as_bytes()),
        ClientStep::Failed(Failure::ServerNotProved)
    );
    assert_eq!(exchange.succeeded(), Err(Failure::ServerNotProved));

    let (mut exchange, _) = client(Mechanism::ScramSha256Plus, &facts(), "ann", "x").unwrap();
    assert!(matches!(
        exchange.step(first.as_bytes()),
        ClientStep::Send(_)
    ));
    assert_eq!(
        exchange.step(b"e=invalid-proof"),
        ClientStep::Failed(Failure::Refused)
    );
}

#[test]
fn r7677_1_client_bounds_the_iteration_count() {
    let asked = |iterations: u32| {
        let (mut exchange, _) = client(Mechanism::ScramSha256, &facts(), "ann", "x").unwrap();
        exchange.step(format!("r={}abc,s=AAAA,i={iterations}", nonce(1).as_str()).as_bytes())
    };
    assert!(matches!(asked(MIN_ITERATIONS), ClientStep::Send(_)));
    for iterations in [1, MIN_ITERATIONS - 1, MAX_ITERATIONS + 1, u32::MAX] {
        assert_eq!(
            asked(iterations),
            ClientStep::Failed(Failure::Iterations { asked: iterations })
        );
    }
}

#[test]
fn client_wants_its_own_nonce_back_and_more() {
    let answered = |nonce: &str| {
        let (mut exchange, _) = client(Mechanism::ScramSha256, &facts(), "ann", "x").unwrap();
        exchange.step(format!("r={nonce},s=AAAA,i=4096").as_bytes())
    };
    let ours = nonce(1);
    for other in [
        ours.as_str().to_owned(),
        format!("x{}", ours.as_str()),
        "x".to_owned(),
    ] {
        assert_eq!(answered(&other), ClientStep::Failed(Failure::NonceMismatch));
    }
}

#[test]
fn challenges_at_the_limit_and_one_over() {
    let challenged = |length: usize| {
        let (mut exchange, _) = client(Mechanism::ScramSha256, &facts(), "ann", "x").unwrap();
        let mut challenge = format!("r={}abc,s=AAAA,i=4096,x=", nonce(1).as_str()).into_bytes();
        challenge.resize(length, b'x');
        exchange.step(&challenge)
    };
    assert!(matches!(challenged(MAX_MESSAGE), ClientStep::Send(_)));
    let over = challenged(MAX_MESSAGE + 1);
    assert_eq!(over, ClientStep::Failed(Failure::Malformed));
}

#[test]
fn plain_says_nothing_after_its_one_message() {
    let (mut exchange, initial) = client(Mechanism::Plain, &facts(), "ann", "x").unwrap();
    assert_eq!(initial.as_slice(), b"\0ann\0x");
    assert_eq!(
        exchange.step(b"Password:"),
        ClientStep::Failed(Failure::UnexpectedChallenge)
    );
}

#[test]
fn c11_choice_is_the_best_of_an_allow_list() {
    let choice = |listed: &str, facts: &TlsFacts| {
        choose(listed.split(' ').map(str::as_bytes), facts).map(Choice::mechanism)
    };
    let all = "LOGIN PLAIN CRAM-MD5 scram-sha-256 SCRAM-SHA-256-PLUS XOAUTH2";
    assert_eq!(choice(all, &facts()), Some(Mechanism::ScramSha256Plus));
    assert_eq!(
        choice(all, &facts_without_binding()),
        Some(Mechanism::ScramSha256)
    );
    assert_eq!(
        choice("LOGIN plain CRAM-MD5", &facts()),
        Some(Mechanism::Plain)
    );
    assert_eq!(
        choice("LOGIN CRAM-MD5 DIGEST-MD5 ANONYMOUS", &facts()),
        None
    );
    assert_eq!(choice("SCRAM-SHA-256-PLUS", &facts_without_binding()), None);
    assert_eq!(choice("", &facts()), None);
}

#[test]
fn passwords_that_cannot_be_prepared_are_not_sent() {
    assert_eq!(
        client(Mechanism::Plain, &facts(), "ann", "a\0b").unwrap_err(),
        Failure::Password(PrepareError::Prohibited)
    );
    assert_eq!(
        client(Mechanism::Plain, &facts(), "", "x").unwrap_err(),
        Failure::Login(PrepareError::Empty)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn ends_agree_for_any_login_and_password(
        login in "\\PC{1,30}",
        password in "\\PC{1,30}",
        mechanism in prop::sample::select(&ALLOWED[..]),
    ) {
        let facts = if mechanism == Mechanism::ScramSha256 { facts_without_binding() } else { facts() };
        let prepared = prepare_login(&login)
            .and_then(|login| Ok((login, prepare_password(&password.as_str().into())?)));
        match (client(mechanism, &facts, &login, &password), prepared) {
            (Ok((exchange, initial)), Ok((login, password))) => {
                let server = offer(&facts).start(mechanism, nonce(2)).unwrap();
                let end = run(exchange, &initial, server, (&login, password.expose()), |_| ());
                prop_assert_eq!(end, End::Success(Ok(())));
            }
            (Err(_), Err(_)) => {}
            (client, prepared) => prop_assert!(false, "{client:?} {prepared:?}"),
        }
    }

    #[test]
    fn any_changed_bit_in_scram_fails(which in 0usize..5, bit in 0usize..4096, bound in any::<bool>()) {
        let (mechanism, facts) = if bound {
            (Mechanism::ScramSha256Plus, facts())
        } else {
            (Mechanism::ScramSha256, facts_without_binding())
        };
        let (exchange, initial) = client(mechanism, &facts, "ann", "right").unwrap();
        let server = offer(&facts).start(mechanism, nonce(2)).unwrap();
        let mut count = 0;
        let mut changed = false;
        let end = run(exchange, &initial, server, ("ann", "right"), |message| {
            if count == which && !message.is_empty() {
                let bit = bit % (message.len() * 8);
                message[bit / 8] ^= 1 << (bit % 8);
                changed = true;
            }
            count += 1;
        });
        prop_assert_eq!(end == End::Success(Ok(())), !changed, "{:?}", end);
    }
}
